//! coturn's own clients against `headwater turn`: whatever they can do, without a loss.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use headwater_interop::isolated_once;
use headwater_interop::process::Process;
use headwater_interop::server::binary;

/// For each thing that is waited for.
const LIMIT: Duration = Duration::from_secs(30);
/// For a whole run of a client: it takes a quarter of a second for each of its allocations before it begins.
const RUN_LIMIT: Duration = Duration::from_secs(60);
const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;
const SECRET: &str = "north";

/// A `headwater turn` on loopback of both families.
struct Turn {
    process: Process,
    folder: PathBuf,
}

impl Turn {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("headwater-turn-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-subj", "/CN=turn.example", "-days", "2", "-newkey", "ec"]);
        openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-keyout"]).arg(&key).arg("-out").arg(&cert);
        assert!(openssl.output().expect("openssl").status.success());

        let mut command = Command::new(binary().expect("the server"));
        command.args([
            "turn",
            "--user",
            "u:p",
            "--secret",
            SECRET,
            "--realm",
            "example.org",
            "--workers",
            "2",
        ]);
        for address in ["127.0.0.1", "[::1]"] {
            command.args(["--listen", &format!("{address}:{PORT}")]);
            command.args(["--tls-listen", &format!("{address}:{TLS_PORT}")]);
        }
        command.arg("--cert").arg(cert).arg("--key").arg(key);
        // The tests' peers are where no peers may be without being allowed.
        command.args(["--relay-ip", "127.0.0.1", "--relay-ip", "::1"]);
        command.args(["--allow-peer", "127.0.0.0/8", "--allow-peer", "::1"]);
        let process = Process::start("headwater turn", command).expect("the server");
        process.log().wait_for("it listens", LIMIT, |line| line.contains("turn: realm")).expect("it listens");
        Self { process, folder }
    }

    /// Runs `turnutils_uclient` to its end and looks at what it says of its messages.
    fn carries(&self, arguments: &[&str]) {
        let mut command = Command::new("turnutils_uclient");
        command.args(["-n", "50", "-m", "2", "-l", "170"]).args(arguments);
        let mut client = Process::start("turnutils_uclient", command).expect("turnutils_uclient");
        let ended = client.wait_for_end(RUN_LIMIT);
        let text = client.log().tail(40);
        let context = || format!("{arguments:?}\n{text}\n{}", self.process.log().tail(10));
        assert!(ended.is_ok_and(|status| status.success()), "{}", context());
        let last = text.lines().rfind(|line| line.contains("tot_send_msgs=")).unwrap_or_default();
        let number = |name: &str| -> u32 {
            let value = last.split(name).nth(1).unwrap_or_default();
            value
                .split(|letter: char| !letter.is_ascii_digit())
                .next()
                .and_then(|it| it.parse().ok())
                .unwrap_or(0)
        };
        let (sent, received) = (number("tot_send_msgs="), number("tot_recv_msgs="));
        assert!(sent >= 50 && sent == received, "{}", context());
        assert!(text.contains("Total lost packets 0 "), "{}", context());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Echoes what comes to UDP port 3480.
fn peer() -> Process {
    let mut command = Command::new("turnutils_peer");
    command.args(["-L", "127.0.0.1", "-L", "::1"]);
    Process::start("turnutils_peer", command).expect("turnutils_peer")
}

const LOGIN: [&str; 4] = ["-u", "u", "-w", "p"];

/// Runs against one server with these arguments, one after the other.
fn all_of(runs: &[&[&str]]) {
    let (turn, _peer) = (Turn::start(), peer());
    for run in runs {
        turn.carries(&[&LOGIN[..], run].concat());
    }
}

#[test]
fn channel_data_and_indications_over_udp_to_a_peer() {
    isolated_once(|| {
        all_of(&[
            &["-c", "-e", "127.0.0.1", "127.0.0.1"],
            &["-c", "-s", "-e", "127.0.0.1", "127.0.0.1"],
            &["-c", "-s", "-g", "-e", "127.0.0.1", "127.0.0.1"],
        ]);
    });
}

#[test]
fn even_ports_with_the_next_one_kept_from_client_to_client() {
    isolated_once(|| all_of(&[&["-y", "127.0.0.1"], &["-y", "-s", "127.0.0.1"], &["-y", "-G", "127.0.0.1"]]));
}

#[test]
fn tcp_and_tls_carry_channel_data_and_indications() {
    isolated_once(|| {
        all_of(&[
            &["-y", "-t", "127.0.0.1"],
            &["-y", "-t", "-s", "127.0.0.1"],
            &["-y", "-t", "-S", "-p", "5349", "127.0.0.1"],
            &["-y", "-t", "-S", "-s", "-p", "5349", "127.0.0.1"],
        ]);
    });
}

#[test]
fn dtls_carries_channel_data_and_indications() {
    isolated_once(|| {
        all_of(&[&["-y", "-S", "-p", "5349", "127.0.0.1"], &["-y", "-S", "-s", "-p", "5349", "127.0.0.1"]]);
    });
}

#[test]
fn ipv6_to_the_server_and_behind_it() {
    isolated_once(|| {
        all_of(&[
            &["-y", "-x", "::1"],
            &["-y", "-x", "-t", "::1"],
            &["-c", "-x", "-e", "::1", "127.0.0.1"],
            &["-c", "-X", "-e", "127.0.0.1", "::1"],
        ]);
    });
}

#[test]
fn both_families_in_one_allocation() {
    isolated_once(|| all_of(&[&["-Z", "-c", "-e", "127.0.0.1", "127.0.0.1"]]));
}

#[test]
fn mobility_over_udp_and_tcp() {
    isolated_once(|| all_of(&[&["-y", "-M", "127.0.0.1"], &["-y", "-M", "-t", "127.0.0.1"]]));
}

#[test]
fn tcp_relays_in_the_clear_and_with_tls() {
    // Not passive ones (-P): there half of the client's pairs wait for the other half, at coturn's own server as well.
    isolated_once(|| all_of(&[&["-T", "127.0.0.1"], &["-T", "-S", "-p", "5349", "127.0.0.1"]]));
}

#[test]
fn time_limited_credentials_open_the_door() {
    isolated_once(|| Turn::start().carries(&["-y", "-u", "viewer", "-W", SECRET, "127.0.0.1"]));
}

#[test]
fn a_wrong_password_does_not() {
    isolated_once(|| {
        let _turn = Turn::start();
        let mut command = Command::new("turnutils_uclient");
        command.args(["-y", "-u", "u", "-w", "wrong", "127.0.0.1"]);
        let mut client = Process::start("turnutils_uclient", command).expect("turnutils_uclient");
        let _ = client.wait_for_end(RUN_LIMIT);
        let text = client.log().tail(40);
        assert!(text.contains("401") || text.contains("Cannot complete Allocation"), "{text}");
        assert!(!text.contains("Total lost packets"), "{text}");
    });
}

#[test]
fn binding_requests_are_answered_with_the_clients_address() {
    isolated_once(|| {
        let _turn = Turn::start();
        for (program, arguments) in [
            ("turnutils_stunclient", &["-p", "3478", "127.0.0.1"][..]),
            ("turnutils_natdiscovery", &["-m", "-p", "3478", "127.0.0.1"][..]),
        ] {
            let output = Command::new(program).args(arguments).output().expect(program);
            let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
            let text = text.concat();
            assert!(text.contains("reflexive addr: 127.0.0.1:"), "{program}: {text}");
        }
    });
}

#[test]
fn on_a_signal_it_takes_no_more_and_ends_with_its_last_allocation() {
    isolated_once(|| {
        let mut turn = Turn::start();
        let ended = turn.process.terminate(Duration::from_secs(5)).expect("it had no allocation");
        assert!(ended.success(), "{}", turn.process.log().tail(20));
    });
}
