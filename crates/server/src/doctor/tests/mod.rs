//! Set-ups made for real, well and broken: files, certificates, sockets that are taken, other servers.

mod broken;
mod files;
mod outside;
mod running;

use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use clap::Parser;
use headwater_stun::Uri;

use super::finding::{Findings, Severity};
use super::machine::Machine;
use super::{examine, report};
use crate::config::{Action, Cli, Config};
use files::Folder;

/// The settings that `headwater doctor --config FILE` reads.
fn settings(file: &Path) -> Config {
    let arguments = ["headwater", "doctor", "--config", file.to_str().unwrap()];
    let Action::Doctor(options) = Cli::try_parse_from(arguments).unwrap().action() else { panic!("doctor") };
    Config::load(options.settings).unwrap()
}

/// A machine with nothing to complain of, so that a test's outcome is not this machine's.
fn machine() -> Machine {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    Machine {
        now: SystemTime::now(),
        program_date: None,
        interfaces: vec![ip("127.0.0.1"), ip("::1"), ip("192.168.7.7")],
        routes_v6: false,
        cores: 64,
        files: Some(1 << 20),
        receive_buffer: Some((4 << 20, 4 << 20)),
        is_container: false,
    }
}

/// What the doctor says of a file with this text.
fn diagnose(toml: &str, machine: &Machine) -> Findings {
    diagnose_with(toml, machine, &[])
}

/// The same with `--stun`.
fn diagnose_with(toml: &str, machine: &Machine, stun: &[Uri]) -> Findings {
    let folder = Folder::new();
    let file = folder.write("headwater.toml", toml);
    examine(&settings(&file), machine, stun).unwrap()
}

fn codes(findings: &Findings, severity: Severity) -> Vec<&'static str> {
    findings.findings.iter().filter(|it| it.severity == severity).map(|it| it.code).collect()
}

/// On loopback everything is known: what a good set-up there has against it is that nobody else can come.
const GOOD: &str = "listen = [\"127.0.0.1:0\"]\nworkers = 2\npublish_token = \"p\"\nwatch_token = \"w\"\n";

#[test]
fn a_good_set_up_has_no_fault_and_every_probe_answers() {
    let findings = diagnose(GOOD, &machine());
    let text = report::text(&findings);
    assert_eq!(codes(&findings, Severity::Fault), [""; 0], "{text}");
    assert_eq!(codes(&findings, Severity::Warning), ["this-machine-only"], "{text}");
    assert_eq!(findings.exit_code(), 1);
    for tick in [
        "/healthz",
        "answers STUN",
        "WHIP answers",
        "ICE over TCP answers",
        "?transport=udp",
        "?transport=tcp",
    ] {
        let tick = tick.trim_start_matches("/healthz");
        assert!(findings.well.iter().any(|well| well.contains(tick)), "{tick}: {text}");
    }
}

#[test]
fn the_same_without_turn_and_with_two_ports() {
    let toml = "http = \"127.0.0.1:0\"\nmedia = [\"127.0.0.1:0\"]\nno_turn = true\n";
    let findings = diagnose(toml, &machine());
    let text = report::text(&findings);
    assert_eq!(codes(&findings, Severity::Fault), [""; 0], "{text}");
    assert!(findings.has("turn-none") && text.contains("answers STUN"), "{text}");
}
