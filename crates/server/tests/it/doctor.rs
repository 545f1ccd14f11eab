//! `headwater doctor` as operators call it.

use std::net::UdpSocket;
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::process::Output;

#[cfg(target_os = "linux")]
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

#[cfg(unix)]
#[test]
fn a_server_that_waits_for_its_certificate_is_known() {
    let cache = std::env::temp_dir().join(format!("headwater-{}-doctor-acme", std::process::id()));
    // Nobody is an authority there.
    let acme = ["--acme", "live.example", "--acme-directory", "https://127.0.0.1:1/", "--acme-cache"];
    let acme = [&acme[..], &[cache.to_str().unwrap()]].concat();
    let running = Running::start_only(&[&["--listen", "127.0.0.1:0"], &acme[..]].concat());
    let host = running.banner.split("https://").nth(1).unwrap().split(['/', '?', ' ']).next().unwrap();
    let port = host.rsplit_once(':').unwrap().1.to_owned();
    let output = doctor(&[&["--listen", &format!("127.0.0.1:{port}"), "--json"], &acme[..]].concat());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(codes(&json).contains(&"tls-none") && !codes(&json).contains(&"port-taken"), "{json}");
    running.terminate();
    let _ = std::fs::remove_dir_all(cache);
}

#[cfg(unix)]
#[test]
fn a_certificate_that_is_still_to_be_ordered_is_in_nobodys_way() {
    let cache = std::env::temp_dir().join(format!("headwater-{}-doctor-none", std::process::id()));
    let output = doctor(&[
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--json",
        "--acme",
        "live.example",
        "--acme-cache",
        cache.to_str().unwrap(),
    ]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(codes(&json), ["this-machine-only", "acme-port"], "{json}");
    assert!(json["well"].to_string().contains("through the relay turns:live.example:"), "{json}");
    assert!(!cache.exists(), "a check leaves nothing behind");
}

/// Runs the doctor on a machine of its own: a network namespace whose only interface has the public address 8.8.8.8 too.
/// `None` where the system does not let us make one.
#[cfg(target_os = "linux")]
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

/// A chain and a key for 8.8.8.8, signed by an authority. `name` keeps the files of two tests apart.
#[cfg(target_os = "linux")]
fn certificate(name: &str) -> (TempFile, TempFile) {
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
    let key = TempFile::new(&format!("doctor-key-{name}"), &key.serialize_pem());
    std::fs::set_permissions(key.path(), PermissionsExt::from_mode(0o600)).unwrap();
    (TempFile::new(&format!("doctor-cert-{name}"), &(leaf + &root)), key)
}

#[cfg(target_os = "linux")]
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
    let (cert, key) = certificate("good");
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
    let (cert, key) = certificate("firewall");
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

#[cfg(target_os = "linux")]
#[test]
fn the_address_outside_is_asked_for_and_proposed() {
    let settings =
        "http = \"127.0.0.1:80\"\nmedia = [\"0.0.0.0:8189\"]\nworkers = 1\nadvertise = [\"192.168.9.9\"]\n";
    let file = TempFile::new("doctor-outside", settings);
    // What is asked stands for a server elsewhere: it sees packets come from 8.8.8.8. It ends by itself.
    let server = "ip addr add 192.168.9.9/32 dev lo; timeout 20 \"$0\" turn --listen 8.8.8.8:3478 --user u:p --relay-ip 8.8.8.8 >/dev/null 2>&1 & sleep 1";
    let arguments = format!("--stun stun:8.8.8.8 --json --config {}", file.path());
    let Some(output) = elsewhere(server, "", &arguments) else { return };
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let outer =
        findings.iter().find(|it| it["code"] == "advertise-outer").unwrap_or_else(|| panic!("{json}"));
    assert_eq!(outer["fix"], "advertise = [\"8.8.8.8\"]");
}
