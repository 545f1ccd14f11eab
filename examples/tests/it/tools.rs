//! The small tools.

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use headwater_stun::{Datagram, Transport, respond};
use serde_json::{Value, json};

use crate::Running;

/// The built example of this name: `cargo test` builds them, beside the folder of the test itself.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("the test is a file");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let path: PathBuf = [profile.as_os_str(), "examples".as_ref(), name.as_ref()].iter().collect();
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: cargo build -p headwater-examples --examples", path.display());
    Command::new(path)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs an example with this on its stdin; returns what it prints.
fn filter(name: &str, arguments: &[&str], input: &str) -> String {
    let mut child = example(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    text(&output.stdout)
}

#[test]
fn srtp_lines_opens_what_it_protected_and_names_errors() {
    let new = json!({"op": "new", "profile": "SRTP_AEAD_AES_128_GCM", "key": "00".repeat(16), "salt": "11".repeat(12)});
    let plain = "80600001000000010000abcd68656c6c6f";
    let ask = |lines: &[Value]| -> Vec<Value> {
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let out = filter("srtp_lines", &[], &input);
        out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let answers = ask(&[new.clone(), json!({"op": "protect", "data": plain})]);
    assert_eq!(answers[0], json!({"ok": true}));
    let protected = answers[1]["data"].as_str().expect("hex");
    let open = json!({"op": "unprotect", "data": protected});
    let answers = ask(&[new, open.clone(), open, json!({"op": "dance", "data": ""}), json!(3)]);
    assert_eq!(answers[1], json!({"data": plain}));
    for answer in &answers[2..] {
        assert!(answer["error"].is_string(), "a replay, an unknown operation, no operation: {answer}");
    }
}

#[test]
fn dtls_echo_answers_itself_and_both_ends_export_the_same_keys() {
    let mut server = example("dtls_echo")
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Running)
        .expect("it runs");
    let errors = server.0.stderr.take().expect("piped");
    let mut lines = BufReader::new(errors).lines();
    let first = lines.next().expect("a line").expect("text");
    let address = first.strip_prefix("listening on ").expect("an address");

    let client =
        example("dtls_echo").args(["--connect", address, "--send", "hello"]).output().expect("it runs");
    let out = text(&client.stdout);
    let (agreed, echo) = out.split_once('\n').expect("two lines");
    assert_eq!(echo, "hello\n");
    let agreed: Value = serde_json::from_str(agreed).expect("JSON");
    let out = server.0.stdout.take().expect("piped");
    let line = BufReader::new(out).lines().next().expect("a line").expect("text");
    let theirs: Value = serde_json::from_str(&line).expect("JSON");
    for field in ["version", "group", "profile", "exported"] {
        assert!(!agreed[field].is_null());
        assert_eq!(agreed[field], theirs[field], "{field}");
    }
}

#[test]
fn sdp_answer_takes_what_the_offer_has() {
    let offer = concat!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=setup:actpass\r\n",
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AB:CD\r\n",
        "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 theora/90000\r\n",
    );
    let answer = filter("sdp_answer", &[], offer);
    assert!(
        answer.contains("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n") && answer.contains("a=recvonly"),
        "{answer}"
    );
}

#[test]
fn ice_pair_nominates() {
    assert!(filter("ice_pair", &[], "").contains("both have nominated a pair"));
}

#[test]
fn public_address_prints_what_the_server_saw() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("bound");
    let asking =
        example("public_address").arg(address.to_string()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut request = [0; 1500];
    let (len, from) = server.recv_from(&mut request).expect("a request");
    let mut response = Vec::new();
    respond(Datagram::new(Transport::Udp, address, from, &request[..len]), &mut response).expect("a Binding");
    server.send_to(&response, from).expect("sent");
    let seen = text(&asking.wait_with_output().expect("it ends").stdout);
    let port = format!(":{}\n", from.port());
    assert!(seen.ends_with(&port), "{seen}");
}
