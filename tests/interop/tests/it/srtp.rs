//! Our SRTP against libsrtp, both as programs that take JSON lines: what either protects the other opens, and both make
//! the same bytes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use headwater_interop::tools;
use serde_json::{Value, json};

/// By name, with the bytes of key and salt.
const PROFILES: [(&str, usize, usize); 4] = [
    ("SRTP_AES128_CM_SHA1_80", 16, 14),
    ("SRTP_AES128_CM_SHA1_32", 16, 14),
    ("SRTP_AEAD_AES_128_GCM", 16, 12),
    ("SRTP_AEAD_AES_256_GCM", 32, 12),
];

#[test]
fn packets_of_either_library_open_in_the_other() {
    for (profile, key, salt) in PROFILES {
        let (mut ours, mut theirs) = pair(profile, key, salt);
        for (kind, packet) in [("", rtp(7, 1, 0)), ("_rtcp", rtcp(7, 24))] {
            for len in [0, 1, 15, 16, 17, 100, 1187] {
                let mut plain = packet.clone();
                plain[3] = if kind.is_empty() { len as u8 } else { (len / 4 + 7) as u8 };
                plain.extend((0..len).map(|at| at as u8));
                let mine = ours.ask(&format!("protect{kind}"), &plain);
                assert_eq!(mine, theirs.ask(&format!("protect{kind}"), &plain), "{profile}, {len} bytes");
                let opened = theirs.ask(&format!("unprotect{kind}"), &mine);
                assert_eq!(opened, plain, "{profile}: libsrtp opens what we protected");
                let opened = ours.ask(&format!("unprotect{kind}"), &mine);
                assert_eq!(opened, plain, "{profile}: we open what libsrtp protected");
            }
        }
    }
}

/// CSRCs, a header extension and padding stay where they are.
#[test]
fn every_part_of_a_header_is_taken_alike() {
    for (profile, key, salt) in PROFILES {
        let (mut ours, mut theirs) = pair(profile, key, salt);
        let mut sequence = 0;
        for csrcs in [0_u8, 1, 15] {
            for words in [None, Some(0_u8), Some(1), Some(20)] {
                sequence += 1;
                let mut plain = rtp(9, sequence, 0);
                plain[0] |= csrcs | 0x20;
                plain.extend((0..4 * csrcs).map(|at| at | 0x40));
                if let Some(words) = words {
                    plain[0] |= 0x10;
                    plain.extend([0xbe, 0xde, 0, words]);
                    plain.extend((0..4 * words).map(|_| 0x10));
                }
                plain.extend([0xaa; 50]);
                plain.extend([0, 0, 3]);
                let mine = ours.ask("protect", &plain);
                assert_eq!(mine, theirs.ask("protect", &plain), "{profile}");
                assert_eq!(theirs.ask("unprotect", &mine), plain);
                assert_eq!(ours.ask("unprotect", &mine), plain);
            }
        }
    }
}

/// RFC 3711 §3.3.1: packets change places just where the sequence number wraps, three times over.
#[test]
fn the_rollover_counter_of_either_follows_the_other() {
    for (profile, key, salt) in PROFILES {
        let (mut ours, mut theirs) = pair(profile, key, salt);
        let mut index = 0x7000_u64;
        while index < 0x3_2000 {
            // Steps that a receiver bridges, then one by one over the wrap.
            let to_wrap = 0x1_0000 - (index & 0xffff);
            index += if to_wrap > 0x3008 { 0x3000 } else { to_wrap - 4 };
            let numbers = [index, index + 2, index + 1, index + 3, index + 5, index + 4, index + 6];
            for number in numbers {
                let plain = rtp(0xfeed_beef, number as u16, 40);
                let mine = ours.ask("protect", &plain);
                assert_eq!(mine, theirs.ask("protect", &plain), "{profile}, index {number:x}");
                assert_eq!(theirs.ask("unprotect", &mine), plain, "{profile}, index {number:x}");
                assert_eq!(ours.ask("unprotect", &mine), plain, "{profile}, index {number:x}");
            }
            index += 6;
        }
    }
}

#[test]
fn both_refuse_replays_and_forgeries() {
    for (profile, key, salt) in PROFILES {
        let (mut ours, mut theirs) = pair(profile, key, salt);
        let (rtp, rtcp) = (ours.ask("protect", &rtp(7, 1, 40)), ours.ask("protect_rtcp", &rtcp(7, 24)));
        for peer in [&mut ours, &mut theirs] {
            for (operation, packet) in [("unprotect", &rtp), ("unprotect_rtcp", &rtcp)] {
                let mut forged = packet.clone();
                forged[20] ^= 1;
                assert!(peer.try_ask(operation, &forged).is_err(), "{profile}, {operation}: a forgery");
                assert!(peer.try_ask(operation, packet).is_ok(), "{profile}, {operation}");
                assert!(peer.try_ask(operation, packet).is_err(), "{profile}, {operation}: a replay");
            }
        }
    }
}

/// One of the two programs.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    fn exchange(&mut self, request: &Value) -> Value {
        writeln!(self.input, "{request}").expect("it reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it writes");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{request}: {answer:?}: {error}"))
    }

    fn try_ask(&mut self, operation: &str, packet: &[u8]) -> Result<Vec<u8>, Value> {
        let answer = self.exchange(&json!({"op": operation, "data": hex(packet)}));
        answer["data"].as_str().map(bytes).ok_or(answer)
    }

    fn ask(&mut self, operation: &str, packet: &[u8]) -> Vec<u8> {
        self.try_ask(operation, packet).unwrap_or_else(|error| panic!("{operation} {}: {error}", hex(packet)))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our program and libsrtp, with the same keys.
fn pair(profile: &str, key: usize, salt: usize) -> (Peer, Peer) {
    let mut python = Command::new(tools::python().expect("a Python with pylibsrtp"));
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/py/srtp_lines.py"));
    let ours = Command::new(tools::example("srtp_lines").expect("the example is built"));
    let new = json!({"op": "new", "profile": profile, "key": hex(&vec![0x3c; key]), "salt": hex(&vec![0xa5; salt])});
    let started = [ours, python].map(|command| {
        let mut peer = Peer::start(command);
        assert_eq!(peer.exchange(&new), json!({"ok": true}));
        peer
    });
    started.into()
}

fn rtp(ssrc: u32, sequence: u16, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(90_000_u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(vec![0x77; payload]);
    packet
}

/// A sender report without report blocks.
fn rtcp(ssrc: u32, body: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, (body / 4) as u8 + 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(vec![0x55; body]);
    packet
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("hex")).collect()
}
