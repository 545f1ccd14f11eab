//! Laws that hold for any bytes.

use headwater_stun::attribute::{PasswordAlgorithms, TABLE};
use headwater_stun::{
    Attempt, Claim, Datagram, Key, LongTerm, Message, MessageBuilder, Method, ParseError, RawAttribute,
    TransactionId, Transport, Uri, Verdict, respond,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that look like STUN to different depths.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![(0..TABLE.len()).prop_map(|it| TABLE[it].kind.0), any::<u16>()];
    let value =
        prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 20), vec(any::<u8>(), 32), vec(any::<u8>(), 4)];
    (any::<u16>(), any::<[u8; 12]>(), vec((kind, value, -2i32..3), 0..8), -1i32..2).prop_map(
        |(kind, id, attributes, slip)| {
            let mut body = Vec::new();
            for (kind, value, slip) in attributes {
                // One length in five is off.
                let length = value.len() as i32 + if slip == 2 { 3 } else { 0 };
                body.extend_from_slice(&kind.to_be_bytes());
                body.extend_from_slice(&(length as u16).to_be_bytes());
                body.extend_from_slice(&value);
                body.resize(body.len().next_multiple_of(4), 0xAA);
            }
            let mut bytes = (kind & 0x3FFF).to_be_bytes().to_vec();
            let length = body.len() as i32 + if slip == 1 { 4 } else { 0 };
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
            bytes.extend_from_slice(&0x2112_A442_u32.to_be_bytes());
            bytes.extend_from_slice(&id);
            bytes.extend_from_slice(&body);
            bytes
        },
    )
}

fn exercise(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let key = Key::short_term("password");
    assert!(message.verify_integrity(&key).is_err(), "nobody signed it");
    let _ = (message.verify_fingerprint(), message.class(), message.method(), message.has_integrity());
    let _ = message.unknown_required(|_| false).count();
    for raw in message.attributes() {
        for row in TABLE {
            let mut out = Vec::new();
            let _ = (row.rewrite)(RawAttribute::new(row.kind, raw.value, raw.transaction_id), &mut out);
        }
    }
    let _ = Claim::of(&message, Some(PasswordAlgorithms::SHA256_AND_MD5));
    let (mut credentials, mut attempt) = (LongTerm::new("user", "password"), Attempt::default());
    let retries = (0..10).filter(|_| {
        let mut request = Vec::new();
        let builder = MessageBuilder::request(Method::BINDING, message.transaction_id(), &mut request);
        credentials.sign(&mut attempt, builder).finish();
        Message::parse(&request).expect("what we write is a message");
        credentials.handle_response(&mut attempt, &message) == Verdict::Retry
    });
    assert!(retries.count() <= 3, "one request is not sent again for ever");
    let address = "192.0.2.1:1".parse().expect("an address");
    let mut buf = Vec::new();
    let result = respond(Datagram::new(Transport::Udp, address, address, bytes), &mut buf);
    assert_eq!(result.map_or(0, |it| it.len), buf.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics(bytes in vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
    }

    #[test]
    fn parsing_what_looks_like_stun_never_panics(bytes in message(), cut in 0usize..300) {
        exercise(&bytes);
        exercise(&bytes[..cut.min(bytes.len())]);
    }

    #[test]
    fn a_value_that_was_read_and_written_is_read_the_same(value in vec(any::<u8>(), 0..40), id: [u8; 12]) {
        let id = TransactionId::new(id);
        for row in TABLE {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            if (row.rewrite)(RawAttribute::new(row.kind, &value, id), &mut once).is_ok() {
                let again: Result<(), ParseError> = (row.rewrite)(RawAttribute::new(row.kind, &once, id), &mut twice);
                prop_assert_eq!(again, Ok(()), "{}", row.name);
                prop_assert_eq!(&once, &twice, "{}", row.name);
            }
        }
    }

    #[test]
    fn a_uri_that_was_read_is_written_so_that_it_reads_the_same(
        text in "(stuns?|TURNS?|turn):[a-f0-9:.\\[\\]_-]{0,20}(:[0-9]{0,6})?(\\?transport=(udp|tcp|x))?",
    ) {
        if let Ok(uri) = text.parse::<Uri>() {
            prop_assert_eq!(uri.to_string().parse(), Ok(uri));
        }
    }

    #[test]
    fn no_text_makes_a_uri_panic(text in ".{0,40}") {
        let _ = text.parse::<Uri>();
    }

    #[test]
    fn what_is_built_is_read_back(values in vec((0..TABLE.len(), vec(any::<u8>(), 0..40)), 0..6), id: [u8; 12], before in 0usize..9) {
        let id = TransactionId::new(id);
        let key = Key::short_term("password");
        let mut buf = vec![0xEE; before];
        let mut builder = MessageBuilder::request(Method::BINDING, id, &mut buf);
        let mut expected = Vec::new();
        for (row, value) in values {
            let kind = TABLE[row].kind;
            if matches!(kind.0, 0x0008 | 0x001C | 0x8028) {
                continue;
            }
            builder = builder.attribute(&Written(kind, &value));
            expected.push((kind, value.clone()));
        }
        let len = builder.integrity(&key).fingerprint();
        prop_assert_eq!(len, buf.len() - before);
        let message = Message::parse(&buf[before..]).expect("what we write is a message");
        prop_assert_eq!(message.verify_integrity(&key), Ok(()));
        prop_assert_eq!(message.verify_fingerprint(), Ok(true));
        prop_assert_eq!(message.transaction_id(), id);
        let read: Vec<_> = message.attributes().map(|it| (it.kind, it.value.to_vec())).collect();
        prop_assert_eq!(&read[..read.len() - 2], &expected[..]);
    }
}

/// Any value under any type.
struct Written<'a>(headwater_stun::AttributeType, &'a [u8]);

impl<'a> headwater_stun::Attribute<'a> for Written<'a> {
    const TYPE: headwater_stun::AttributeType = headwater_stun::AttributeType(0);
    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Ok(Self(raw.kind, raw.value))
    }
    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.1);
    }
    fn kind(&self) -> headwater_stun::AttributeType {
        self.0
    }
}
