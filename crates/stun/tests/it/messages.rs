//! Structure: what is read, what is refused, and as what.

use headwater_stun::attribute::{
    ErrorCode, Fingerprint, MessageIntegrity, Software, UnknownAttributes, Username,
};
use headwater_stun::{
    Attribute, AttributeType, Class, Datagram, Error, Key, Message, MessageBuilder, Method, ParseError,
    TransactionId, Transport, respond,
};

const ID: TransactionId = TransactionId::new([0xB7; 12]);

/// A Binding request with these attributes, given as type and value; padded with zeros.
fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    MessageBuilder::request(Method::BINDING, ID, &mut bytes).finish();
    for (kind, value) in attributes {
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    set_length(&mut bytes);
    bytes
}

fn set_length(bytes: &mut [u8]) {
    let length = u16::try_from(bytes.len() - 20).expect("short");
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
}

#[test]
fn refusals_say_what_is_wrong() {
    let good = request(&[(0x0006, b"user")]);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let mut longer = good.clone();
    longer.extend_from_slice(&[0; 4]);
    for (bytes, error) in [
        (good[..0].to_vec(), ParseError::Truncated { needed: 20, got: 0 }),
        (good[..19].to_vec(), ParseError::Truncated { needed: 20, got: 19 }),
        (good[..20].to_vec(), ParseError::Truncated { needed: 28, got: 20 }),
        (longer, ParseError::BadLength),
        (with(3, 6), ParseError::BadLength),
        (with(0, 0x40), ParseError::BadMagic),
        (with(0, 0x80), ParseError::BadMagic),
        (with(4, 0x22), ParseError::BadMagic),
        // An attribute that ends after the message.
        (with(23, 5), ParseError::Truncated { needed: 32, got: 28 }),
        (with(22, 0xFF), ParseError::Truncated { needed: 20 + 4 + 0xFF04, got: 28 }),
        (request(&[(0x0008, &[0; 19])]), ParseError::BadAttribute(MessageIntegrity::TYPE)),
        (request(&[(0x001C, &[0; 16])]), ParseError::BadAttribute(AttributeType(0x001C))),
        (request(&[(0x8028, &[0; 5])]), ParseError::BadAttribute(Fingerprint::TYPE)),
        (request(&[(0x8028, &[0; 4]), (0x8022, b"x")]), ParseError::Misplaced(Fingerprint::TYPE)),
    ] {
        assert_eq!(Message::parse(&bytes).map(|_| ()), Err(error), "{}", hex::encode(bytes));
    }
}

#[test]
fn padding_may_have_any_value() {
    let mut bytes = request(&[(0x0006, b"a"), (0x8022, b"b")]);
    bytes[25..28].copy_from_slice(&[0xFF, 0x20, 0x07]);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.attribute(), Ok(Some(Username("a"))));
    assert_eq!(message.attribute(), Ok(Some(Software("b"))));
}

#[test]
fn of_two_attributes_of_one_type_the_first_counts() {
    let bytes = request(&[(0x0006, b"first"), (0x0006, b"second")]);
    assert_eq!(Message::parse(&bytes).expect("a message").attribute(), Ok(Some(Username("first"))));
}

#[test]
fn what_follows_integrity_is_ignored() {
    let key = Key::short_term("password");
    let mut bytes = Vec::new();
    MessageBuilder::request(Method::BINDING, ID, &mut bytes).integrity(&key).finish();
    let tail = request(&[(0x0006, b"smuggled"), (0x7FFF, b""), (0x0008, &[0; 20])]);
    bytes.extend_from_slice(&tail[20..]);
    set_length(&mut bytes);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.attribute::<Username<'_>>(), Ok(None));
    assert_eq!(message.unknown_required(|_| false).count(), 0);
    assert_eq!(message.attributes().count(), 1);
    // And the header's length, which counts the tail, doesn't disturb it.
    assert_eq!(message.verify_integrity(&key), Ok(()));
}

#[test]
fn both_integrities_stand_in_order_and_the_stronger_is_verified() {
    let (key, other) = (Key::short_term("password"), Key::short_term("other"));
    let mut bytes = Vec::new();
    let builder = MessageBuilder::request(Method::BINDING, ID, &mut bytes).attribute(&Username("user"));
    let len = builder.integrity(&key).integrity_sha256(&key).fingerprint();
    assert_eq!(len, bytes.len());
    let message = Message::parse(&bytes).expect("a message");
    let kinds: Vec<_> = message.attributes().map(|it| it.kind.0).collect();
    assert_eq!(kinds, [0x0006, 0x0008, 0x001C, 0x8028]);
    assert_eq!(message.verify_integrity(&key), Ok(()));
    assert_eq!(message.verify_integrity(&other), Err(Error::Unauthentic));
    assert_eq!(message.verify_fingerprint(), Ok(true));

    // A SHA-1 made with the right key doesn't help a SHA-256 made with another.
    bytes.clear();
    let builder = MessageBuilder::request(Method::BINDING, ID, &mut bytes);
    builder.integrity(&key).integrity_sha256(&other).finish();
    assert_eq!(Message::parse(&bytes).expect("a message").verify_integrity(&key), Err(Error::Unauthentic));
}

#[test]
fn a_message_appends_behind_what_the_buffer_holds() {
    let mut bytes = b"before".to_vec();
    let builder = MessageBuilder::indication(Method::new(0x006), ID, &mut bytes);
    let len = builder.attribute(&Software("x")).fingerprint();
    let message = Message::parse(&bytes[6..]).expect("a message");
    assert_eq!((message.class(), message.method().number()), (Class::Indication, 6));
    assert_eq!(len, bytes.len() - 6);
}

#[test]
fn an_attribute_without_room_is_left_out_as_a_whole() {
    struct Large;
    impl<'a> Attribute<'a> for Large {
        const TYPE: AttributeType = AttributeType(0x8ABC);
        fn parse(_: headwater_stun::RawAttribute<'a>) -> Result<Self, ParseError> {
            Ok(Self)
        }
        fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
            out.resize(out.len() + 40_000, 7);
        }
    }
    let mut bytes = Vec::new();
    let builder = MessageBuilder::request(Method::BINDING, ID, &mut bytes);
    builder.attribute(&Large).attribute(&Large).integrity(&Key::short_term("p")).fingerprint();
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.attributes().count(), 3);
    assert_eq!(message.verify_integrity(&Key::short_term("p")), Ok(()));
}

#[test]
fn texts_over_their_limits_are_cut_when_sent_and_refused_when_read() {
    let text = "ä".repeat(400);
    let mut bytes = Vec::new();
    MessageBuilder::request(Method::BINDING, ID, &mut bytes).attribute(&Username(&text)).finish();
    let message = Message::parse(&bytes).expect("a message");
    let Username(sent) = message.attribute().expect("well-formed").expect("there");
    assert_eq!(sent.len(), 512, "on a character's boundary");
    let bytes = request(&[(0x0006, &[b'x'; 514])]);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.attribute::<Username<'_>>(), Err(ParseError::BadAttribute(Username::TYPE)));
}

fn ask(contents: &[u8]) -> (Result<usize, Error>, Vec<u8>) {
    let (local, remote) = ("192.0.2.1:3478".parse().expect("an address"), "[2001:db8::7]:4000".parse());
    let mut buf = Vec::new();
    let datagram = Datagram::new(Transport::Udp, local, remote.expect("an address"), contents);
    (respond(datagram, &mut buf).map(|it| it.len), buf)
}

#[test]
fn the_responder_answers_binding_requests_only() {
    let (result, answer) = ask(&request(&[]));
    assert_eq!(result, Ok(answer.len()));
    let answer = Message::parse(&answer).expect("a message");
    assert_eq!((answer.class(), answer.transaction_id()), (Class::Success, ID));
    assert_eq!(answer.verify_fingerprint(), Ok(false), "as asked");

    let other = |class, method| {
        let mut bytes = Vec::new();
        MessageBuilder::new(method, class, ID, &mut bytes).finish();
        bytes
    };
    for bytes in [
        other(Class::Indication, Method::BINDING),
        other(Class::Success, Method::BINDING),
        other(Class::Request, Method::new(3)),
    ] {
        assert_eq!(ask(&bytes), (Err(Error::Unexpected), vec![]));
    }
    let refused = |bytes: &[u8]| matches!(ask(bytes), (Err(Error::Malformed(_)), buf) if buf.is_empty());
    assert!(refused(&[]) && refused(&[0; 19]) && refused(&request(&[(0x8028, &[1, 2, 3, 4])])));
    assert!(refused(&request(&[(0x8022, &[b'x'; 600])])));
}

#[test]
fn the_responder_lists_what_it_does_not_understand() {
    let (_, answer) = ask(&request(&[(0x0024, &[0; 4]), (0xC057, &[0; 4]), (0x7F00, b"")]));
    let answer = Message::parse(&answer).expect("a message");
    assert_eq!(answer.attribute(), Ok(Some(ErrorCode::UNKNOWN_ATTRIBUTE)));
    let list = answer.attribute::<UnknownAttributes>().expect("well-formed").expect("there");
    assert_eq!(list.types(), [AttributeType(0x0024), AttributeType(0x7F00)]);
}

#[test]
fn a_transmit_counter_comes_back() {
    use headwater_stun::attribute::TransmitCounter;
    let address = "192.0.2.1:4000".parse().expect("an address");
    let mut out = Vec::new();
    let request = request(&[(0x8025, &[0, 0, 3, 0])]);
    respond(Datagram::new(Transport::Udp, address, address, &request), &mut out).expect("a request");
    let response = Message::parse(&out).expect("a message");
    assert_eq!(response.attribute(), Ok(Some(TransmitCounter { requests: 3, responses: 1 })));
}
