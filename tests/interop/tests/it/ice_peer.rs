//! `ice_agent`, our full agent on real sockets, against aioice and libnice: both roles, trickle, restart, consent; TCP and
//! renomination against libnice, since aioice has neither.

use std::process::Command;
use std::time::{Duration, Instant};

use headwater_interop::isolated_once;
use headwater_interop::namespace::{IPV4, IPV6};
use headwater_interop::process::{POLL, Process};
use headwater_interop::tools::{example, python};

/// For each thing that is waited for.
const LIMIT: Duration = Duration::from_secs(20);
/// RFC 7675: without consent nothing goes on for longer than this.
const CONSENT_EXPIRY: Duration = Duration::from_secs(30);

/// A program that signals by lines.
struct Peer {
    process: Process,
    /// How many lines of its output were passed on or passed over.
    read: usize,
}

impl Peer {
    fn ours(role: &str, more: &[&str]) -> Self {
        let mut command = Command::new(example("ice_agent").expect("the example"));
        command.args(["--role", role, "--bind", &IPV4.to_string(), "--bind", &IPV6.to_string()]).args(more);
        Self::start("ice_agent", command)
    }

    fn aioice(role: &str) -> Self {
        let mut command = Command::new(python().expect("Python with aioice"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/py/aioice_peer.py")).arg(role);
        Self::start("aioice", command)
    }

    fn libnice(role: &str, more: &[&str]) -> Self {
        let mut command = Command::new(python().expect("Python"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/py/nice_peer.py")).arg(role).args(more);
        Self::start("libnice", command)
    }

    fn start(name: &str, command: Command) -> Self {
        Self { process: Process::start_interactive(name, command).expect(name), read: 0 }
    }

    fn say(&mut self, line: &str) {
        self.process.say(line).expect("it takes the line");
    }

    fn lines(&self) -> Vec<String> {
        self.process.log().tail(usize::MAX).lines().map(str::to_owned).collect()
    }

    /// Waits for a line that was not read yet, and takes it and all before it as read.
    fn next(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let lines = self.lines();
            if let Some(place) = lines.iter().skip(self.read).position(|it| wanted(it)) {
                self.read += place + 1;
                return lines[self.read - 1].clone();
            }
            assert!(Instant::now() < deadline, "{what}: not in\n{}", lines.join("\n"));
            std::thread::sleep(POLL);
        }
    }

    /// Its side of the signalling, the first that was not read yet.
    fn description(&mut self) -> Vec<String> {
        let mut description = vec![self.next("credentials", |it| it.starts_with("credentials "))];
        while description.last().is_some_and(|it| it != "end-of-candidates") {
            let is_part = |it: &str| it.starts_with("candidate ") || it == "end-of-candidates";
            description.push(self.next("candidates", is_part));
        }
        description
    }

    fn tell(&mut self, description: &[String]) {
        description.iter().for_each(|line| self.say(line));
    }

    fn hears(&mut self, text: &str) {
        let wanted = format!("data {text}");
        self.next(&wanted, |line| line == wanted);
    }
}

fn introduce(a: &mut Peer, b: &mut Peer) {
    let (of_a, of_b) = (a.description(), b.description());
    a.tell(&of_b);
    b.tell(&of_a);
}

fn are_connected(ours: &mut Peer, aioice: &mut Peer) {
    aioice.next("aioice connects", |line| line == "connected");
    ours.next("we connect", |line| line == "nominated");
    talk(ours, aioice, "hello");
}

fn talk(a: &mut Peer, b: &mut Peer, text: &str) {
    a.say(&format!("send {text} from a"));
    b.hears(&format!("{text} from a"));
    b.say(&format!("send {text} from b"));
    a.hears(&format!("{text} from b"));
}

#[test]
fn aioice_is_nominated_by_us() {
    isolated_once(|| {
        let (mut ours, mut aioice) = (Peer::ours("controlling", &[]), Peer::aioice("controlled"));
        introduce(&mut ours, &mut aioice);
        are_connected(&mut ours, &mut aioice);
        // Both have IPv6 and IPv4, and we prefer IPv6.
        let selected = ours.lines().into_iter().rfind(|it| it.starts_with("selected "));
        let selected = selected.expect("a path");
        assert!(selected.contains(&format!("[{IPV6}]")), "{selected}");
    });
}

#[test]
fn aioice_is_nominated_by_us_with_every_check() {
    isolated_once(|| {
        let (mut ours, mut aioice) =
            (Peer::ours("controlling", &["--aggressive"]), Peer::aioice("controlled"));
        introduce(&mut ours, &mut aioice);
        are_connected(&mut ours, &mut aioice);
    });
}

#[test]
fn aioice_nominates_us() {
    isolated_once(|| {
        let (mut ours, mut aioice) = (Peer::ours("controlled", &[]), Peer::aioice("controlling"));
        introduce(&mut ours, &mut aioice);
        are_connected(&mut ours, &mut aioice);
    });
}

#[test]
fn aioice_and_we_agree_who_controls() {
    isolated_once(|| {
        for role in ["controlling", "controlled"] {
            let (mut ours, mut aioice) = (Peer::ours(role, &[]), Peer::aioice(role));
            introduce(&mut ours, &mut aioice);
            are_connected(&mut ours, &mut aioice);
        }
    });
}

#[test]
fn candidates_trickle_to_and_from_aioice() {
    isolated_once(|| {
        let (mut ours, mut aioice) = (Peer::ours("controlled", &["--tcp"]), Peer::aioice("controlling"));
        let (of_ours, of_aioice) = (ours.description(), aioice.description());
        // A name that nobody resolves, TCP that aioice has not, and a pause before each line.
        ours.say(&of_aioice[0]);
        aioice.say(&of_ours[0]);
        ours.say("candidate candidate:1 1 udp 2113937151 0b8c3f4e-1111-4222-8333-444455556666.local 61000 typ host");
        for line in &of_ours[1..] {
            std::thread::sleep(Duration::from_millis(200));
            aioice.say(line);
        }
        are_connected(&mut ours, &mut aioice);
        ours.tell(&of_aioice[1..]);
        talk(&mut ours, &mut aioice, "after all candidates");
    });
}

#[test]
fn a_restart_moves_the_session_to_aioices_new_connection() {
    isolated_once(|| {
        for role in ["controlling", "controlled"] {
            let other = if role == "controlling" { "controlled" } else { "controlling" };
            let (mut ours, mut aioice) = (Peer::ours(role, &[]), Peer::aioice(other));
            introduce(&mut ours, &mut aioice);
            are_connected(&mut ours, &mut aioice);
            ours.say("restart");
            aioice.say("restart");
            let of_ours = ours.description();
            // The old path carries on while the new descriptions are on their way.
            talk(&mut ours, &mut aioice, "meanwhile");
            let is_credentials = |it: &String| it.starts_with("credentials ");
            let lines = aioice.lines();
            let place = lines.iter().rposition(is_credentials).expect("new credentials");
            ours.tell(
                &lines[place..].iter().filter(|it| !it.starts_with("data ")).cloned().collect::<Vec<_>>(),
            );
            aioice.tell(&of_ours);
            are_connected(&mut ours, &mut aioice);
        }
    });
}

#[test]
fn consent_goes_on_in_both_directions() {
    isolated_once(|| {
        let (mut ours, mut aioice) = (Peer::ours("controlled", &[]), Peer::aioice("controlling"));
        introduce(&mut ours, &mut aioice);
        are_connected(&mut ours, &mut aioice);
        std::thread::sleep(CONSENT_EXPIRY + Duration::from_secs(4));
        talk(&mut ours, &mut aioice, "still here");
        // It goes without a word: consent ends ours.
        aioice.process.kill();
        let started = Instant::now();
        let is_closed = |line: &str| line == "closed ConsentExpired";
        ours.process.log().wait_for("consent ends", CONSENT_EXPIRY + LIMIT, is_closed).expect("it ends");
        assert!(started.elapsed() > CONSENT_EXPIRY / 2, "{:?}", started.elapsed());
    });
}

/// Both are ready, and along which path we send.
fn are_ready(ours: &mut Peer, libnice: &mut Peer) -> String {
    libnice.next("libnice is ready", |line| line.starts_with("ready by "));
    ours.next("we connect", |line| line == "nominated");
    talk(ours, libnice, "hello");
    ours.lines().into_iter().rfind(|it| it.starts_with("selected ")).expect("a path")
}

fn other(role: &str) -> &str {
    if role == "controlling" { "controlled" } else { "controlling" }
}

#[test]
fn libnice_and_we_connect_whoever_nominates_how() {
    isolated_once(|| {
        for (role, of_ours, of_libnice) in [
            ("controlling", &[][..], &[][..]),
            ("controlling", &["--aggressive"], &[]),
            ("controlled", &[], &[]),
            ("controlled", &[], &["regular"]),
        ] {
            let (mut ours, mut libnice) = (Peer::ours(role, of_ours), Peer::libnice(other(role), of_libnice));
            introduce(&mut ours, &mut libnice);
            let path = are_ready(&mut ours, &mut libnice);
            println!("{role} {of_ours:?} {of_libnice:?}: {path}");
        }
    });
}

#[test]
fn libnice_and_we_connect_over_tcp_whoever_opens_the_connection() {
    isolated_once(|| {
        for role in ["controlling", "controlled"] {
            for kept in ["tcptype active", "tcptype passive", "tcptype "] {
                let (mut ours, mut libnice) =
                    (Peer::ours(role, &["--tcp"]), Peer::libnice(other(role), &["tcp", "regular"]));
                let is_kept = |it: &String| !it.starts_with("candidate ") || it.contains(kept);
                let of_ours: Vec<_> = ours.description().into_iter().filter(is_kept).collect();
                let of_libnice = libnice.description();
                ours.tell(&of_libnice);
                libnice.tell(&of_ours);
                let path = are_ready(&mut ours, &mut libnice);
                println!("{role}, {kept}: {path}");
                assert!(path.starts_with("selected Tcp "), "{path}");
            }
        }
    });
}

#[test]
fn libnice_and_we_restart_and_go_on() {
    isolated_once(|| {
        for (role, of_ours, of_libnice) in [
            ("controlling", &[][..], &["regular"][..]),
            ("controlled", &[], &["regular"]),
            ("controlling", &["--tcp"], &["regular", "tcp"]),
        ] {
            let (mut ours, mut libnice) = (Peer::ours(role, of_ours), Peer::libnice(other(role), of_libnice));
            introduce(&mut ours, &mut libnice);
            are_ready(&mut ours, &mut libnice);
            ours.say("restart");
            libnice.say("restart");
            introduce(&mut ours, &mut libnice);
            ours.next("the nomination", |line| line == "nominated");
            talk(&mut ours, &mut libnice, "again");
        }
    });
}

#[test]
fn a_better_path_that_comes_later_is_nominated_with_a_number_and_libnice_follows() {
    isolated_once(|| {
        let (mut ours, mut libnice) = (
            Peer::ours("controlling", &["--renomination"]),
            Peer::libnice("controlled", &["regular", "renomination"]),
        );
        // IPv6 first. The path by IPv4, to which libnice gives a higher priority, is found when the nomination is over.
        let ip = IPV4.to_string();
        let split = |of: Vec<String>| -> (Vec<String>, Vec<String>) {
            of.into_iter().filter(|it| it != "end-of-candidates").partition(|it| !it.contains(&ip))
        };
        let (of_ours, of_ours_later) = split(ours.description());
        let (of_libnice, of_libnice_later) = split(libnice.description());
        libnice.tell(&of_ours);
        ours.tell(&of_libnice);
        let path = are_ready(&mut ours, &mut libnice);
        assert!(!path.contains(&ip), "{path}");
        libnice.tell(&of_ours_later);
        ours.tell(&of_libnice_later);
        ours.next("a better path", |line| line.starts_with("selected ") && line.contains(&ip));
        libnice.next("the same", |line| line.starts_with("ready by ") && line.contains(&ip));
        talk(&mut ours, &mut libnice, "after it");
    });
}

#[test]
fn two_of_ours_connect_over_tcp() {
    isolated_once(|| {
        let (mut a, mut b) = (Peer::ours("controlling", &["--tcp"]), Peer::ours("controlled", &["--tcp"]));
        let of_tcp = |it: &String| !it.contains(" udp ");
        let (of_a, of_b) = (a.description(), b.description());
        a.tell(&of_b.into_iter().filter(of_tcp).collect::<Vec<_>>());
        b.tell(&of_a.into_iter().filter(of_tcp).collect::<Vec<_>>());
        for peer in [&mut a, &mut b] {
            peer.next("a path over TCP", |line| line.starts_with("selected Tcp "));
            peer.next("the nomination", |line| line == "nominated");
        }
        talk(&mut a, &mut b, "hello");
    });
}
