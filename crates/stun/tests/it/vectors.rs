//! The test vectors of RFC 5769 and of RFC 8489, appendix B.1. The bytes are the RFCs' own.

use std::net::SocketAddr;

use headwater_stun::attribute::{Nonce, Realm, Software, UserHash, Username, XorMappedAddress};
use headwater_stun::{Class, Error, Key, Message, MessageBuilder, Method, userhash};

/// RFC 5769 2.1
const REQUEST: &str = "\
    000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
    80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249\
    c1b571a280280004e57a3bcf";
/// RFC 5769 2.2
const RESPONSE_IPV4: &str = "\
    0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643\
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
/// RFC 5769 2.3
const RESPONSE_IPV6: &str = "\
    010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa\
    a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
/// RFC 5769 2.4
const REQUEST_LONG_TERM: &str = "\
    000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c\
    662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014\
    f67024656dd64a3e02b8e0712e85c9a28ca89666";
/// RFC 8489 B.1
const REQUEST_SHA256: &str = "\
    000100902112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b2\
    05c46e41407f1704001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c3946535476\
    79363473410000000014000b6578616d706c652e6f726700001d000400020000001c0020b5c7bf005b6c52a21c51c5e8\
    92f81924136296cb927c43149309278cc6518e65";

/// The password of RFC 5769 §2.1 to §2.3.
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
/// The credentials of RFC 5769 §2.4 after SASLprep.
const USERNAME: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
const REALM: &str = "example.org";
/// The password of §2.4 and of RFC 8489 B.1 after SASLprep.
const LONG_TERM_PASSWORD: &str = "TheMatrIX";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("hex")
}

#[track_caller]
fn check_protection(bytes: &[u8], key: &Key, has_fingerprint: bool) {
    let message = Message::parse(bytes).expect("a message");
    assert_eq!(message.verify_integrity(key), Ok(()));
    assert_eq!(message.verify_integrity(&Key::short_term("another")), Err(Error::Unauthentic));
    assert_eq!(message.verify_fingerprint(), Ok(has_fingerprint));
    // Each single bit counts; flips that break the structure are refused even earlier.
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let Ok(damaged) = Message::parse(&damaged) else { continue };
        let integrity = damaged.verify_integrity(key);
        let fingerprint = damaged.verify_fingerprint();
        assert!(integrity.is_err() || fingerprint != Ok(has_fingerprint), "bit {bit}");
    }
}

#[test]
fn rfc5769_2_1_request_with_short_term_credentials() {
    let bytes = bytes(REQUEST);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.attribute(), Ok(Some(Software("STUN test client"))));
    assert_eq!(message.attribute(), Ok(Some(Username("evtj:h6vY"))));
    check_protection(&bytes, &Key::short_term(PASSWORD), true);
    // PRIORITY must be understood and is ICE's; ICE-CONTROLLED need not be.
    let unknown: Vec<_> = message.unknown_required(|_| false).map(|it| it.0).collect();
    assert_eq!(unknown, [0x0024]);
}

#[test]
fn rfc5769_2_2_and_2_3_responses() {
    for (hex, address) in
        [(RESPONSE_IPV4, "192.0.2.1:32853"), (RESPONSE_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let bytes = bytes(hex);
        let message = Message::parse(&bytes).expect("a message");
        let address: SocketAddr = address.parse().expect("an address");
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.attribute(), Ok(Some(Software("test vector"))));
        assert_eq!(message.attribute(), Ok(Some(XorMappedAddress(address))));
        check_protection(&bytes, &Key::short_term(PASSWORD), true);
    }
}

#[test]
fn rfc5769_2_4_request_with_long_term_credentials() {
    let bytes = bytes(REQUEST_LONG_TERM);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.attribute(), Ok(Some(Username(USERNAME))));
    assert_eq!(message.attribute(), Ok(Some(Realm(REALM))));
    assert_eq!(message.attribute(), Ok(Some(Nonce("f//499k954d6OL34oL9FSTvy64sA"))));
    let key = Key::long_term_md5(USERNAME, REALM, LONG_TERM_PASSWORD);
    check_protection(&bytes, &key, false);
}

#[test]
fn rfc8489_b_1_request_with_sha256_and_userhash() {
    let bytes = bytes(REQUEST_SHA256);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.attribute(), Ok(Some(UserHash(userhash(USERNAME, REALM)))));
    assert_eq!(message.attribute(), Ok(Some(Realm(REALM))));
    assert_eq!(message.attribute(), Ok(Some(Nonce("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"))));
    check_protection(&bytes, &Key::long_term_sha256(USERNAME, REALM, LONG_TERM_PASSWORD), false);
}

#[test]
fn what_we_write_is_the_vector_itself() {
    // Of the vectors this is the one whose padding is zero, as ours is.
    let vector = bytes(REQUEST_LONG_TERM);
    let message = Message::parse(&vector).expect("a message");
    let mut out = Vec::new();
    let key = Key::long_term_md5(USERNAME, REALM, LONG_TERM_PASSWORD);
    MessageBuilder::request(Method::BINDING, message.transaction_id(), &mut out)
        .attribute(&Username(USERNAME))
        .attribute(&Nonce("f//499k954d6OL34oL9FSTvy64sA"))
        .attribute(&Realm(REALM))
        .integrity(&key)
        .finish();
    assert_eq!(hex::encode(out), hex::encode(vector));
}
