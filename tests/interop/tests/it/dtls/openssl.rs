//! OpenSSL's `s_client` and `s_server`: DTLS 1.2, which is the newest of Debian's.

use std::process::Command;

use headwater_interop::isolated_once;
use headwater_interop::process::Process;
use serde_json::json;

use super::{Echo, Identity, LABEL, LIMIT, LINE, free_port};

/// What one handshake is to agree on: the suite by OpenSSL's name and IANA's number, the group by OpenSSL's name and
/// ours, the SRTP profile by OpenSSL's name, which is ours, and the length of its key material.
struct Case {
    /// OpenSSL's certificate: `ec`, `rsa:2048`, or none.
    certificate: &'static str,
    suite: (&'static str, u16),
    group: (&'static str, &'static str),
    profile: (&'static str, u16),
}

const GCM_128: (&str, u16) = ("SRTP_AEAD_AES_128_GCM", 56);
const GCM_256: (&str, u16) = ("SRTP_AEAD_AES_256_GCM", 88);
const CM: (&str, u16) = ("SRTP_AES128_CM_SHA1_80", 60);

/// An `openssl` of this role, with the options of a case.
fn openssl(role: &str, case: &Case, identity: Option<&Identity>) -> Command {
    let mut command = Command::new("openssl");
    command.args([role, "-dtls1_2", "-use_srtp", case.profile.0, "-cipher", case.suite.0]);
    command.args(["-groups", case.group.0, "-keymatexport", LABEL]);
    command.args(["-keymatexportlen", &case.profile.1.to_string()]);
    if let Some(identity) = identity {
        command.arg("-cert").arg(identity.certificate()).arg("-key").arg(identity.key());
    }
    command
}

fn identity(case: &Case) -> Option<Identity> {
    (case.certificate != "none").then(|| Identity::new(case.certificate))
}

/// The groups that we name. P-256 is always there, for both sides, since it is the curve of our certificate: OpenSSL holds
/// the groups against certificates, as RFC 8422 §5.1 says.
fn ours(case: &Case) -> String {
    let also = if case.group.1 == P256.1 { "" } else { ",secp256r1" };
    format!("{}{also}", case.group.1)
}

/// Compares both ends.
fn agrees(openssl: &Process, echo: &Echo, case: &Case) {
    let agreed = echo.agreed();
    assert_eq!(agreed["version"], "1.2");
    assert_eq!(agreed["cipher_suite"], json!(case.suite.1));
    assert_eq!(agreed["group"], case.group.1);
    assert_eq!(agreed["profile"], case.profile.0);
    let has_certificate = case.certificate != "none";
    assert_eq!(agreed["peer_fingerprint"].is_string(), has_certificate, "{agreed}");
    let wait = |what: &str| {
        let line = openssl.log().wait_for(what, LIMIT, |line| line.trim_start().starts_with(what));
        line.unwrap_or_else(|error| panic!("{error}")).trim().to_owned()
    };
    let keys = wait("Keying material: ").to_lowercase();
    assert_eq!(keys.rsplit(' ').next(), agreed["exported"].as_str());
    assert!(wait("SRTP Extension negotiated").ends_with(case.profile.0));
}

fn s_client_connects(case: &Case) {
    s_client_connects_to(case, &[]);
}

/// To a `dtls_echo` with these options.
fn s_client_connects_to(case: &Case, arguments: &[&str]) {
    let (echo, port) = Echo::listen(&[&["--groups", &ours(case)], arguments].concat());
    let identity = identity(case);
    let mut command = openssl("s_client", case, identity.as_ref());
    command.args(["-connect", &format!("127.0.0.1:{port}")]);
    let mut client = Process::start_interactive("openssl s_client", command).expect("openssl");
    agrees(&client, &echo, case);
    client.say(LINE).expect("s_client reads");
    client.log().wait_for("the echo", LIMIT, |line| line == LINE).expect("the line comes back");
}

fn s_server_is_connected_to(case: &Case) {
    let identity = identity(case);
    let port = free_port();
    let mut command = openssl("s_server", case, identity.as_ref());
    command.args(["-accept", &format!("127.0.0.1:{port}"), "-Verify", "1"]);
    let mut server = Process::start_interactive("openssl s_server", command).expect("openssl");
    server.log().wait_for("ACCEPT", LIMIT, |line| line.starts_with("ACCEPT")).expect("it listens");
    let mut echo = Echo::connect(port, &["--groups", &ours(case)]);
    agrees(&server, &echo, case);
    server.log().wait_for("our line", LIMIT, |line| line == LINE).expect("the line arrives");
    server.say(LINE).expect("s_server reads");
    echo.has_its_echo();
}

const X25519: (&str, &str) = ("X25519:P-256", "X25519");
const P256: (&str, &str) = ("P-256", "secp256r1");
const P384: (&str, &str) = ("P-384:P-256", "secp384r1");

const CHACHA20: &str = "ECDHE-RSA-CHACHA20-POLY1305";

#[test]
fn s_server_with_an_rsa_certificate_and_chacha20_has_our_keys() {
    let case = Case { certificate: "rsa:2048", suite: (CHACHA20, 0xCCA8), group: P256, profile: CM };
    isolated_once(|| s_server_is_connected_to(&case));
}

#[test]
fn s_client_with_an_ecdsa_certificate_has_our_keys() {
    let suite = ("ECDHE-ECDSA-AES128-GCM-SHA256", 0xC02B);
    let case = Case { certificate: "ec", suite, group: X25519, profile: GCM_128 };
    isolated_once(|| s_client_connects(&case));
}

#[test]
fn s_client_with_an_rsa_certificate_and_aes256_has_our_keys() {
    let suite = ("ECDHE-ECDSA-AES256-GCM-SHA384", 0xC02C);
    let case = Case { certificate: "rsa:2048", suite, group: P384, profile: GCM_256 };
    isolated_once(|| s_client_connects(&case));
}

#[test]
fn s_client_without_a_certificate_and_with_chacha20_has_our_keys() {
    let suite = ("ECDHE-ECDSA-CHACHA20-POLY1305", 0xCCA9);
    let case = Case { certificate: "none", suite, group: P256, profile: CM };
    isolated_once(|| s_client_connects(&case));
}

#[test]
fn s_client_returns_our_cookie() {
    let suite = ("ECDHE-ECDSA-AES128-GCM-SHA256", 0xC02B);
    let case = Case { certificate: "ec", suite, group: X25519, profile: GCM_128 };
    isolated_once(|| s_client_connects_to(&case, &["--cookie"]));
}

#[test]
fn s_server_with_an_ecdsa_certificate_and_aes256_has_our_keys() {
    let suite = ("ECDHE-ECDSA-AES256-GCM-SHA384", 0xC02C);
    let case = Case { certificate: "ec", suite, group: P256, profile: GCM_256 };
    isolated_once(|| s_server_is_connected_to(&case));
}

#[test]
fn s_server_with_an_ecdsa_certificate_and_chacha20_has_our_keys() {
    let suite = ("ECDHE-ECDSA-CHACHA20-POLY1305", 0xCCA9);
    let case = Case { certificate: "ec", suite, group: X25519, profile: CM };
    isolated_once(|| s_server_is_connected_to(&case));
}

#[test]
fn s_server_with_an_rsa_certificate_has_our_keys() {
    let suite = ("ECDHE-RSA-AES128-GCM-SHA256", 0xC02F);
    let case = Case { certificate: "rsa:2048", suite, group: X25519, profile: GCM_128 };
    isolated_once(|| s_server_is_connected_to(&case));
}

#[test]
fn s_server_with_an_rsa_certificate_and_aes256_has_our_keys() {
    let suite = ("ECDHE-RSA-AES256-GCM-SHA384", 0xC030);
    let case = Case { certificate: "rsa:2048", suite, group: X25519, profile: GCM_128 };
    isolated_once(|| s_server_is_connected_to(&case));
}
