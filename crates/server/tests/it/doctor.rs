//! `headwater doctor` as operators call it.

use std::net::UdpSocket;
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use super::{Running, TempFile, headwater, text};

fn doctor(arguments: &[&str]) -> Output {
    headwater().arg("doctor").args(arguments).output().unwrap()
}

fn codes(json: &Value) -> Vec<&str> {
    json["findings"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect()
}

#[test]
fn the_exit_code_says_how_bad_it_is() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let media = taken.local_addr().unwrap().to_string();
    let output = doctor(&["--http", "127.0.0.1:0", "--media", &media]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains("FAULT (port-taken)") && printed.contains("→ media = ["), "{printed}");
    let output = doctor(&["--listen", "127.0.0.1:0", "--workers", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
}

#[test]
fn settings_that_cannot_be_read_are_a_fault() {
    let file = TempFile::new("doctor-bad", "worker = 7\n");
    let output = doctor(&["--config", file.path(), "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), json["exit_code"].as_u64()), (Some(2), Some(2)));
    assert_eq!(codes(&json), ["settings"]);
    assert!(json["findings"][0]["found"].as_str().unwrap().contains("`worker`"), "{json}");
}

#[cfg(unix)]
#[test]
fn a_running_server_is_asked_with_the_same_options() {
    let running = Running::start_only(&["--listen", "127.0.0.1:0"]);
    let (host, _) = running.url("/publish/live");
    let output = doctor(&["--listen", &host, "--workers", "1", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(codes(&json), ["this-machine-only"], "{json}");
    let well = json["well"].to_string();
    for tick in ["a Headwater server runs", "WHIP answers", "through the relay", "ICE over TCP"] {
        assert!(well.contains(tick), "{tick}: {json}");
    }
    // It is left as it was.
    assert!(Running::ask(&host, "GET /healthz HTTP/1.1\r\n").starts_with("HTTP/1.1 200"));
    running.terminate();
}

/// Runs the doctor on a machine of its own: a network namespace whose only interface has the public address 8.8.8.8 too.
/// `None` where the system does not let us make one.
fn elsewhere(before: &str, prefix: &str, arguments: &str) -> Option<Output> {
    let script = format!(
        "ip link set lo up && ip addr add 8.8.8.8/32 dev lo && {{ {before}; }} || exit 99; exec {prefix} \"$0\" doctor {arguments}"
    );
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", &script, env!("CARGO_BIN_EXE_headwater")])
        .output();
    let output = output.ok()?;
    let made = !matches!(output.status.code(), Some(99 | 126 | 127)) && !output.stdout.is_empty();
    if !made {
        eprintln!("skipped, no network namespace here: {}", text(&output.stderr));
    }
    made.then_some(output)
}

/// A chain and a key for 8.8.8.8, signed by an authority.
fn certificate() -> (TempFile, TempFile) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "An authority");
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let mut params = CertificateParams::new(["8.8.8.8".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "8.8.8.8");
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap().pem();
    (TempFile::new("doctor-cert", &(leaf + &root)), TempFile::new("doctor-key", &key.serialize_pem()))
}

fn good(cert: &TempFile, key: &TempFile) -> String {
    format!(
        "listen = [\"0.0.0.0:443\"]\nworkers = 1\npublish_token = \"p\"\nwatch_token = \"w\"\nadmin_token = \"a\"\n\
         tls_cert = \"{}\"\ntls_key = \"{}\"\n",
        cert.path(),
        key.path()
    )
}

#[cfg(target_os = "linux")]
#[test]
fn a_good_set_up_on_a_public_address_has_nothing_to_change() {
    let (cert, key) = certificate();
    let file = TempFile::new("doctor-good", &good(&cert, &key));
    let Some(output) = elsewhere("true", "", &format!("--json --config {}", file.path())) else { return };
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    // What the kernel of this machine grants is not the set-up's matter.
    let codes: Vec<_> = codes(&json).into_iter().filter(|code| *code != "udp-buffer").collect();
    assert_eq!(codes, [""; 0], "{json}");
    for tick in ["clients are told 8.8.8.8:443", "turn:8.8.8.8:443?transport=udp", "turns:", "is good"] {
        assert!(json["well"].to_string().contains(tick), "{tick}: {json}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_firewall_on_the_machine_is_found() {
    let (cert, key) = certificate();
    let file = TempFile::new("doctor-firewall", &good(&cert, &key));
    let rules = "nft add table inet filter && nft 'add chain inet filter input { type filter hook input priority 0; }' \
                 && nft add rule inet filter input udp dport 443 drop";
    let Some(output) = elsewhere(rules, "", &format!("--config {}", file.path())) else { return };
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains("FAULT (media-unreachable)"), "{printed}");
    assert!(printed.contains("→ nft insert rule inet filter input udp dport 443 accept"), "{printed}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_that_this_user_may_not_have_is_named() {
    let prefix = "setpriv --bounding-set=-all --inh-caps=-all";
    let Some(output) = elsewhere("true", prefix, "--http 127.0.0.1:80 --media 127.0.0.1:0") else { return };
    let printed = text(&output.stdout);
    assert!(printed.contains("FAULT (port-denied)") && printed.contains("127.0.0.1:80"), "{printed}");
    assert!(printed.contains("→ sysctl -w net.ipv4.ip_unprivileged_port_start=80"), "{printed}");
}
