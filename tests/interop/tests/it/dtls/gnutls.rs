//! GnuTLS' command line, DTLS 1.2. Its client prints exported keys, its server does not.

use std::process::Command;

use headwater_interop::isolated_once;
use headwater_interop::process::Process;

use super::{Echo, Identity, LABEL, LIMIT, LINE, free_port};

/// GnuTLS 3.7 knows no other that we do.
const PROFILE: &str = "SRTP_AES128_CM_HMAC_SHA1_80";

/// A GnuTLS program whose output comes line by line.
fn gnutls(program: &str, port: u16, identity: &Identity) -> Command {
    let mut command = Command::new("stdbuf");
    command.args(["-oL", program, "--udp", "--port", &port.to_string(), "--srtp-profiles", PROFILE]);
    command.arg("--x509certfile").arg(identity.certificate()).arg("--x509keyfile").arg(identity.key());
    command
}

fn agrees(echo: &Echo) -> String {
    let agreed = echo.agreed();
    assert_eq!(agreed["version"], "1.2");
    assert_eq!(agreed["profile"], "SRTP_AES128_CM_SHA1_80");
    assert!(agreed["peer_fingerprint"].is_string());
    agreed["exported"].as_str().expect("keys").to_owned()
}

fn client_connects(kind: &str) {
    client_connects_to(kind, &[]);
}

/// To a `dtls_echo` with these options.
fn client_connects_to(kind: &str, arguments: &[&str]) {
    let (echo, port) = Echo::listen(arguments);
    let identity = Identity::new(kind);
    let mut command = gnutls("gnutls-cli", port, &identity);
    command.args(["--insecure", "--keymatexport", LABEL, "--keymatexportsize", "60", "127.0.0.1"]);
    let mut client = Process::start_interactive("gnutls-cli", command).expect("gnutls-cli");
    let keys = client.log().wait_for("keys", LIMIT, |line| line.contains("Key material: "));
    let keys = keys.expect("it exports");
    assert_eq!(keys.rsplit(' ').next().expect("a word"), agrees(&echo));
    client.say(LINE).expect("gnutls-cli reads");
    client.log().wait_for("the echo", LIMIT, |line| line == LINE).expect("the line comes back");
}

fn server_is_connected_to(kind: &str) {
    let identity = Identity::new(kind);
    let port = free_port();
    let mut command = gnutls("gnutls-serv", port, &identity);
    command.args(["--echo", "--require-client-cert"]);
    let server = Process::start("gnutls-serv", command).expect("gnutls-serv");
    server.log().wait_for("it listens", LIMIT, |line| line.contains("listening")).expect("it listens");
    let mut echo = Echo::connect(port, &[]);
    agrees(&echo);
    echo.has_its_echo();
}

#[test]
fn gnutls_cli_with_an_ecdsa_certificate_has_our_keys() {
    isolated_once(|| client_connects("ec"));
}

#[test]
fn gnutls_cli_returns_our_cookie() {
    isolated_once(|| client_connects_to("ec", &["--cookie"]));
}

#[test]
fn gnutls_cli_with_an_rsa_certificate_has_our_keys() {
    isolated_once(|| client_connects("rsa:2048"));
}

#[test]
fn gnutls_serv_with_an_ecdsa_certificate_agrees_and_echoes() {
    isolated_once(|| server_is_connected_to("ec"));
}

#[test]
fn gnutls_serv_with_an_rsa_certificate_agrees_and_echoes() {
    isolated_once(|| server_is_connected_to("rsa:2048"));
}
