//! Beside servers that run already.

use std::net::UdpSocket;

use tokio::runtime::Runtime;

use super::super::stage::Stage;
use super::broken::assert_found;
use super::*;

/// A server of these settings, for as long as the value lives.
struct Running {
    stage: Option<Stage>,
    runtime: Runtime,
}

impl Running {
    fn start(toml: &str) -> Self {
        let folder = Folder::new();
        Self::with(&settings(&folder.write("headwater.toml", toml)))
    }

    fn with(config: &Config) -> Self {
        let runtime = Runtime::new().unwrap();
        let stage = runtime.block_on(async { Stage::open(config, Vec::new()).unwrap() });
        Self { stage: Some(stage), runtime }
    }

    fn stage(&self) -> &Stage {
        self.stage.as_ref().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        drop(self.stage.take());
    }
}

const TWO_PORTS: &str =
    "http = \"127.0.0.1:0\"\nmedia = [\"127.0.0.1:0\"]\npublish_token = \"p\"\nworkers = 2\n";

/// The same settings with the ports that the server got.
fn beside(running: &Running) -> String {
    ports_of(running, TWO_PORTS)
}

/// Settings with two ports that are not chosen yet, with those of the server.
fn ports_of(running: &Running, toml: &str) -> String {
    let Stage { tcp, media, .. } = running.stage();
    let any = "127.0.0.1:0";
    toml.replacen(any, &tcp[0].to_string(), 1).replacen(any, &media[0].to_string(), 1)
}

#[test]
fn a_running_server_is_asked_and_left_running() {
    let running = Running::start(GOOD);
    let port = running.stage().tcp[0].port();
    let toml = GOOD.replace(":0\"", &format!(":{port}\""));
    for _ in 0..2 {
        let findings = diagnose(&toml, &machine());
        let text = report::text(&findings);
        assert_eq!(codes(&findings, Severity::Fault), [""; 0], "{text}");
        for tick in
            ["a Headwater server runs", "answers STUN", "WHIP answers", "ICE over TCP", "?transport=tcp"]
        {
            assert!(text.contains(tick), "{tick}: {text}");
        }
    }
}

#[test]
fn media_that_another_program_has_is_found_beside_a_running_server() {
    let running = Running::start(TWO_PORTS);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let media = running.stage().media[0].to_string();
    let toml = beside(&running).replace(&media, &silent.local_addr().unwrap().to_string());
    let findings = diagnose(&toml, &machine());
    assert_eq!(codes(&findings, Severity::Fault)[0], "media-unreachable", "{}", report::text(&findings));
}

#[cfg(target_os = "linux")]
#[test]
fn datagrams_that_the_server_was_too_late_for_are_counted() {
    let running = Running::start(TWO_PORTS);
    // As a server that is too busy to read would have it.
    let late = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = late.local_addr().unwrap();
    let toml = beside(&running).replace(&running.stage().media[0].to_string(), &to.to_string());
    socket2::SockRef::from(&late).set_recv_buffer_size(2048).unwrap();
    for _ in 0..100 {
        late.send_to(&[0; 1000], to).unwrap();
    }
    let small = Machine { receive_buffer: Some((4 << 20, 208 << 10)), ..machine() };
    for (machine, line) in [
        (small, "sysctl -w net.core.rmem_max=4194304"),
        (machine(), "workers = 64"),
        (Machine { cores: 2, ..machine() }, "CPUWeight="),
    ] {
        assert_found(&toml, &diagnose(&toml, &machine), "udp-drops", line);
    }
}

#[test]
fn no_session_is_left_behind() {
    let one = format!("{TWO_PORTS}[limits]\nstreams = 1\nsessions_per_address = 1\n");
    let running = Running::start(&one);
    for _ in 0..2 {
        let findings = diagnose(&beside(&running), &machine());
        assert_eq!(codes(&findings, Severity::Fault), [""; 0], "{}", report::text(&findings));
    }
}

#[test]
fn a_running_server_that_tells_other_addresses_is_noticed() {
    let running = Running::start(TWO_PORTS);
    assert!(!diagnose(&beside(&running), &machine()).has("advertise-differs"));
    let other = beside(&running) + "advertise = [\"127.0.0.2\"]\n";
    let fix = "systemctl restart headwater";
    assert_found(&other, &diagnose(&other, &machine()), "advertise-differs", fix);
}

#[test]
fn a_server_that_is_full_is_no_broken_one() {
    let mut config = settings(&Folder::new().write("headwater.toml", TWO_PORTS));
    config.limits.streams = 0;
    let running = Running::with(&config);
    let findings = diagnose(&beside(&running), &machine());
    assert_found(TWO_PORTS, &findings, "server-full", "[limits]");
    let found = &findings.findings.iter().find(|it| it.code == "server-full").unwrap().found;
    assert!(found.ends_with(": the server has as many streams as it permits"), "{found}");
    assert_eq!(codes(&findings, Severity::Fault), [""; 0], "{}", report::text(&findings));
}

#[test]
fn a_running_server_with_other_tls_is_no_stranger() {
    let secure = format!("{TWO_PORTS}tls = \"self-signed\"\n");
    for (runs, asked) in [(TWO_PORTS, secure.as_str()), (&secure, TWO_PORTS)] {
        let running = Running::start(runs);
        let findings = diagnose(&ports_of(&running, asked), &machine());
        assert_found(asked, &findings, "tls-differs", "systemctl restart headwater");
        assert_eq!(codes(&findings, Severity::Fault), [""; 0], "{}", report::text(&findings));
    }
}

#[test]
fn a_running_server_with_other_tokens_is_noticed() {
    let running = Running::start(TWO_PORTS);
    let findings = diagnose(&beside(&running).replace("\"p\"", "\"q\""), &machine());
    assert!(findings.has("token-differs"), "{}", report::text(&findings));
}

#[test]
fn credentials_that_a_turn_server_refuses_are_named() {
    let running = Running::start(TWO_PORTS);
    let turn = running.stage().media[0];
    let servers = format!(
        "no_turn = true\n[[ice_servers]]\nurl = \"turn:{turn}?transport=udp\"\nusername = \"u\"\ncredential = \"c\"\n"
    );
    let findings = diagnose(&format!("{GOOD}{servers}"), &machine());
    let text = report::text(&findings);
    assert!(findings.has("turn-refused") && text.contains("→ credential = "), "{text}");
}
