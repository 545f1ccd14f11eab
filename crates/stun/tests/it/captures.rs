//! Messages that Chromium and Firefox sent, byte for byte. The files are copies from our own captures: see
//! fixtures/README.md.

use headwater_stun::attribute::{Username, XorMappedAddress};
use headwater_stun::{Class, Error, Key, Message, Method};

/// A capture, its class, its USERNAME, and the key of its integrity.
type Capture = (&'static str, Class, Option<&'static str>, &'static str);

const CAPTURES: &[Capture] = &[
    (
        include_str!("../fixtures/chromium156-binding-request-controlled-with-chromium156.hex"),
        Class::Request,
        Some("VgSe:I1Ug"),
        "iA9LyJzEd2k1q8gGNVjN2cNa",
    ),
    (
        include_str!("../fixtures/chromium156-binding-success-with-chromium156.hex"),
        Class::Success,
        None,
        "iA9LyJzEd2k1q8gGNVjN2cNa",
    ),
    (
        include_str!(
            "../fixtures/chromium156-binding-request-controlling-use-candidate-with-chromium156.hex"
        ),
        Class::Request,
        Some("I1Ug:VgSe"),
        "KPx0atmh7LQuk3QXrgEtcgCT",
    ),
    (
        include_str!("../fixtures/chromium156-binding-request-controlling-with-chromium156.hex"),
        Class::Request,
        Some("I1Ug:VgSe"),
        "KPx0atmh7LQuk3QXrgEtcgCT",
    ),
    (
        include_str!("../fixtures/firefox153-binding-request-controlled-with-chromium156.hex"),
        Class::Request,
        Some("iK35:4d8dce0e"),
        "HeLgDhUiG6119dWeY2A+BEsr",
    ),
    (
        include_str!("../fixtures/chromium156-binding-success-with-firefox153.hex"),
        Class::Success,
        None,
        "HeLgDhUiG6119dWeY2A+BEsr",
    ),
    (
        include_str!("../fixtures/chromium156-binding-request-controlling-use-candidate-with-firefox153.hex"),
        Class::Request,
        Some("4d8dce0e:iK35"),
        "f3e358f283db2c5f6e287fd2bed14dcb",
    ),
    (
        include_str!("../fixtures/firefox153-binding-success-with-chromium156.hex"),
        Class::Success,
        None,
        "f3e358f283db2c5f6e287fd2bed14dcb",
    ),
    (
        include_str!("../fixtures/chromium156-binding-request-controlling-with-firefox153.hex"),
        Class::Request,
        Some("4d8dce0e:iK35"),
        "f3e358f283db2c5f6e287fd2bed14dcb",
    ),
    (
        include_str!("../fixtures/chromium156-binding-request-controlled-with-firefox153.hex"),
        Class::Request,
        Some("afe7550c:X8e1"),
        "80b249759099b42dcd2906751a531c55",
    ),
    (
        include_str!("../fixtures/firefox153-binding-request-controlling-use-candidate-with-chromium156.hex"),
        Class::Request,
        Some("X8e1:afe7550c"),
        "OGktYBgvgjRfPtOIj67hDnCD",
    ),
    (
        include_str!("../fixtures/firefox153-binding-request-controlling-with-chromium156.hex"),
        Class::Request,
        Some("X8e1:afe7550c"),
        "OGktYBgvgjRfPtOIj67hDnCD",
    ),
];

#[test]
fn messages_of_browsers_are_authentic_and_intact() {
    for (hex, class, username, password) in CAPTURES {
        let bytes = hex::decode(hex.trim()).expect("hex");
        let message = Message::parse(&bytes).expect("a message");
        assert_eq!((message.class(), message.method()), (*class, Method::BINDING));
        assert_eq!(message.attribute(), Ok(username.map(Username)));
        assert_eq!(message.verify_integrity(&Key::short_term(password)), Ok(()));
        assert_eq!(message.verify_integrity(&Key::short_term("another")), Err(Error::Unauthentic));
        assert_eq!(message.verify_fingerprint(), Ok(true));
        let mapped = message.attribute::<XorMappedAddress>().expect("well-formed");
        assert_eq!(mapped.is_some(), *class == Class::Success);
    }
}

#[test]
fn every_truncation_is_refused() {
    for (hex, ..) in CAPTURES {
        let bytes = hex::decode(hex.trim()).expect("hex");
        assert!((0..bytes.len()).all(|len| Message::parse(&bytes[..len]).is_err()));
    }
}
