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
fn filter(name: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut child = example(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let (mut stdin, input) = (child.stdin.take().expect("piped"), input.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads");
    assert!(output.status.success());
    text(&output.stdout)
}

/// The answers to these lines.
fn srtp_lines(input: &[u8]) -> Vec<Value> {
    let out = filter("srtp_lines", &[], input);
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn lines(requests: &[Value]) -> Vec<u8> {
    requests.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

/// Name, bytes of the key, of the salt, and of the tags of RTP and (with the index) RTCP.
const SRTP_PROFILES: [(&str, usize, usize, usize, usize); 4] = [
    ("SRTP_AES128_CM_SHA1_80", 16, 14, 10, 14),
    ("SRTP_AES128_CM_SHA1_32", 16, 14, 4, 14),
    ("SRTP_AEAD_AES_128_GCM", 16, 12, 16, 20),
    ("SRTP_AEAD_AES_256_GCM", 32, 12, 16, 20),
];

#[test]
fn srtp_lines_opens_what_it_protected() {
    for (profile, key, salt, rtp_tag, rtcp_tag) in SRTP_PROFILES {
        let new =
            json!({"op": "new", "profile": profile, "key": "0b".repeat(key), "salt": "11".repeat(salt)});
        for (kind, tag, plain) in [
            ("", rtp_tag, "80600001000000010000abcd68656c6c6f"),
            ("_rtcp", rtcp_tag, "80c900010000abcd68656c6c6f"),
        ] {
            let answers =
                srtp_lines(&lines(&[new.clone(), json!({"op": format!("protect{kind}"), "data": plain})]));
            assert_eq!(answers[0], json!({"ok": true}));
            let protected = answers[1]["data"].as_str().expect("hex");
            assert_eq!(protected.len(), plain.len() + 2 * tag, "{profile}");
            let open = json!({"op": format!("unprotect{kind}"), "data": protected});
            let answers = srtp_lines(&lines(&[new.clone(), open.clone(), open]));
            assert_eq!(answers[1], json!({"data": plain}), "{profile}");
            assert!(answers[2]["error"].is_string(), "a replay: {}", answers[2]);
        }
    }
}

#[test]
fn srtp_lines_names_errors_and_goes_on() {
    let new = |profile: &str, key: &str, salt: &str| {
        json!({"op": "new", "profile": profile, "key": key, "salt": salt}).to_string()
    };
    let (key, salt) = ("00".repeat(16), "11".repeat(12));
    let gcm = "SRTP_AEAD_AES_128_GCM";
    let refused: Vec<Vec<u8>> = [
        json!({"op": "protect", "data": "80600001000000010000abcd"}).to_string(), // before "new"
        json!({"op": "dance", "data": ""}).to_string(),
        json!({"op": "dance"}).to_string(),
        json!({"op": "unprotect"}).to_string(),
        json!({"op": "unprotect", "data": 3}).to_string(),
        json!({"op": "unprotect", "data": "8g"}).to_string(),
        json!({"op": "unprotect", "data": "806"}).to_string(),
        json!({"op": "unprotect", "data": ""}).to_string(),
        json!({"op": 3}).to_string(),
        "3".into(),
        "{".into(),
        "[".repeat(10_000),
        new(gcm, "00", &salt),
        new(gcm, &"00".repeat(32), &salt),
        new(gcm, &key, &"11".repeat(14)),
        new(gcm, "zz", &salt),
        new("SRTP_NULL_SHA1_80", &key, &salt),
        format!(r#"{{"op":"unprotect","data":"{}"}}"#, "00".repeat(70_000)),
        format!(r#"{{"op":"unprotect","data":"{}"}}"#, "00".repeat(500_000)), // more than a line may have
    ]
    .map(String::into_bytes)
    .into_iter()
    .chain([b"\xff\xfe\x00".to_vec(), b"{\"op\":\"\xff\"}".to_vec()])
    .collect();
    let good = new(gcm, &key, &salt).into_bytes();
    let mut input = refused.join(&b'\n');
    input.extend_from_slice(b"\n\n  \n"); // empty lines get no answer
    input.extend_from_slice(&good);
    let answers = srtp_lines(&input);
    assert_eq!(answers.len(), refused.len() + 1);
    for (answer, request) in answers.iter().zip(&refused) {
        let request = text(&request[..request.len().min(80)]);
        assert!(answer["error"].is_string() && answer.as_object().unwrap().len() == 1, "{request}: {answer}");
    }
    assert_eq!(answers[refused.len()], json!({"ok": true}));
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
    let answer = filter("sdp_answer", &[], offer.as_bytes());
    assert!(
        answer.contains("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n") && answer.contains("a=recvonly"),
        "{answer}"
    );
}

#[test]
fn ice_pair_nominates() {
    assert!(filter("ice_pair", &[], b"").contains("both have nominated a pair"));
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
