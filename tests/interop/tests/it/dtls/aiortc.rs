//! aiortc, with the OpenSSL of Python's `cryptography`.

use std::process::Command;

use headwater_interop::isolated_once;
use headwater_interop::process::Process;
use headwater_interop::tools::python;
use serde_json::Value;

use super::{Echo, LIMIT, free_port, of_package};

/// aiortc's transport as a program.
fn aiortc(role: &str, port: u16) -> Process {
    let mut command = Command::new(python().expect("Python with aiortc"));
    command.arg(of_package("py/aiortc_dtls.py")).args([role, "127.0.0.1", &port.to_string()]);
    Process::start("aiortc", command).expect("Python")
}

fn agrees(aiortc: &Process, echo: &Echo) {
    let line = aiortc.log().wait_for("aiortc connects", LIMIT, |line| line.starts_with('{'));
    let theirs: Value = serde_json::from_str(&line.expect("a handshake")).expect("JSON");
    let ours = echo.agreed();
    println!("aiortc: {theirs}\nwe: {ours}");
    let version = ours["version"].as_str().expect("a version");
    assert_eq!(theirs["version"], format!("DTLSv{version}"));
    assert_eq!(theirs["profile"], ours["profile"]);
    assert_eq!(theirs["exported"], ours["exported"]);
}

#[test]
fn aiortc_as_client_has_our_keys() {
    isolated_once(|| {
        let (echo, port) = Echo::listen(&[]);
        let mut client = aiortc("connect", port);
        agrees(&client, &echo);
        client.log().wait_for("the echo", LIMIT, |line| line == "echo hello").expect("the line comes back");
        assert!(client.wait_for_end(LIMIT).expect("it ends").success(), "{}", client.log().tail(40));
    });
}

#[test]
fn aiortc_as_server_has_our_keys() {
    isolated_once(|| {
        let port = free_port();
        let server = aiortc("listen", port);
        server.log().wait_for("it listens", LIMIT, |line| line == "listening").expect("aiortc");
        let mut echo = Echo::connect(port, &[]);
        agrees(&server, &echo);
        echo.has_its_echo();
    });
}
