use proptest::prelude::*;

use super::*;

/// The first bytes of a connection, what they are, and how many of them say so.
const TABLE: &[(&str, &[u8], Protocol, usize)] = &[
    ("TLS 1.3 ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03", Protocol::Tls, 2),
    ("TLS record of version 3.3", b"\x16\x03\x03\x00\x31\x01", Protocol::Tls, 2),
    ("a method", b"GET / HTTP/1.1\r\n", Protocol::Http, 1),
    ("HTTP/2 without a word before", b"PRI * HTTP/2.0", Protocol::Http, 1),
    ("a method in small letters", b"get / HTTP/1.1", Protocol::Http, 1),
    ("an empty line first, RFC 9112 §2.2", b"\r\nGET / HTTP/1.1", Protocol::Http, 4),
    ("two empty lines first", b"\r\n\r\nGET /", Protocol::Http, 4),
    ("Allocate request", b"\x00\x03\x00\x24\x21\x12\xa4\x42", Protocol::Turn, 8),
    ("Binding request without attributes", b"\x00\x01\x00\x00\x21\x12\xa4\x42", Protocol::Turn, 8),
    ("ConnectionBind request", b"\x00\x0b\x00\x08\x21\x12\xa4\x42\x01\x02", Protocol::Turn, 8),
    ("RFC 3489 message, no cookie", b"\x00\x01\x00\x00\x21\x12\xa4\x43", Protocol::Http, 8),
    ("check behind its length", b"\x00\x64\x00\x01\x00\x50\x21\x12\xa4\x42", Protocol::IceTcp, 10),
    ("a check of the least length", b"\x00\x14\x00\x01\x00\x00\x21\x12\xa4\x42", Protocol::IceTcp, 10),
    ("a frame longer than its check", b"\x00\x68\x00\x01\x00\x50\x21\x12\xa4\x42", Protocol::Http, 6),
    ("a frame too short for STUN", b"\x00\x10\x00\x01\x00\x00\x21\x12\xa4\x42", Protocol::Http, 4),
    ("a frame with DTLS", b"\x00\xa0\x16\xfe\xfd\x00\x00\x00\x00\x00", Protocol::Http, 5),
    ("a frame with RTP", b"\x00\x20\x80\x60\x00\x01\x00\x00\x00\x00", Protocol::Http, 5),
    ("ChannelData", b"\x40\x00\x00\x04\x21\x12\xa4\x42", Protocol::Http, 1),
    ("SSH", b"SSH-2.0-x", Protocol::Http, 1),
    ("DTLS over TCP", b"\x16\xfe\xfd\x00\x00\x00\x00\x00", Protocol::Http, 5),
    ("zeros", &[0; SNIFF_LEN], Protocol::Http, 5),
    ("ones", &[0xff; SNIFF_LEN], Protocol::Http, 1),
];

#[test]
fn every_prefix_waits_until_it_can_be_one_thing_only() {
    for (what, first, protocol, needed) in TABLE {
        for len in 0..=first.len() {
            let expected = (len >= *needed).then_some(*protocol);
            assert_eq!(sniff(&first[..len]), expected, "{what}, {len} bytes");
        }
    }
}

proptest! {
    #[test]
    fn ten_bytes_always_decide_and_no_answer_is_taken_back(bytes: [u8; SNIFF_LEN]) {
        prop_assert!(sniff(&bytes).is_some());
        let mut answers = (0..=SNIFF_LEN).map(|len| sniff(&bytes[..len])).skip_while(Option::is_none);
        let first = answers.next().flatten();
        prop_assert!(answers.all(|later| later == first));
    }

    #[test]
    fn stun_is_known_at_either_place(kind in 0u16..0x4000, words in 0u16..400, rest: [u8; 12]) {
        let mut message = [&kind.to_be_bytes()[..], &(words * 4).to_be_bytes(), &MAGIC_COOKIE].concat();
        prop_assume!(message[..2] != TLS_HANDSHAKE);
        message.extend(rest);
        prop_assert_eq!(sniff(&message), Some(Protocol::Turn));
        let framed = [&(words * 4 + 20).to_be_bytes()[..], &message].concat();
        prop_assert_eq!(sniff(&framed), Some(Protocol::IceTcp));
    }
}
