//! RTP packets: parse, build, set.

use headwater_rtp::extension::{AudioLevel, Kind, Map, TransportSequence};
use headwater_rtp::{BuildError, Mid, Packet, PacketBuilder, ParseError, PayloadType, SequenceNumber, Ssrc};

fn builder<'a>() -> PacketBuilder<'a> {
    PacketBuilder::new(PayloadType::new(96).unwrap(), SequenceNumber(0x1234), 0x0102_0304, Ssrc(0xdead_beef))
}

fn build(builder: &PacketBuilder<'_>, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0xaa];
    let len = builder.write(payload, &mut out).unwrap();
    assert_eq!(out.len(), len + 1, "appends, and says how much");
    out.split_off(1)
}

#[test]
fn built_packet_has_the_bytes_of_the_rfc() {
    let bytes = build(&builder().marker(true).extension(1, &[0x85]).extension(3, &[0, 7]), b"hi");
    assert_eq!(
        hex::encode(&bytes),
        concat!("90e01234", "01020304", "deadbeef", "bede0002", "10853100", "07000000", "6869")
    );
}

#[test]
fn built_packet_parses_to_what_was_built() {
    let bytes = build(&builder().marker(true).extension(4, b"v0").padding(4), b"payload");
    let packet = Packet::parse(&bytes).unwrap();
    assert!(packet.marker());
    assert_eq!(packet.payload_type().value(), 96);
    assert_eq!(packet.sequence_number(), SequenceNumber(0x1234));
    assert_eq!(packet.timestamp(), 0x0102_0304);
    assert_eq!(packet.ssrc(), Ssrc(0xdead_beef));
    assert_eq!(packet.payload(), b"payload");
    assert_eq!(packet.padding_len(), 4);
    assert_eq!(packet.header_len(), 20);
    let mut map = Map::new();
    map.insert(4, Kind::Mid).unwrap();
    assert_eq!(packet.extension::<Mid>(&map), Ok(Mid::new("v0")));
    assert_eq!(packet.extension::<AudioLevel>(&map), Ok(None));
}

#[test]
fn two_byte_form_is_used_only_where_it_must() {
    let long = [7; 17];
    for (id, value, profile) in [
        (14, &[1][..], 0xbede_u16),
        (14, &[1; 16], 0xbede),
        (15, &[1], 0x1000),
        (1, &long, 0x1000),
        (1, &[], 0x1000),
    ] {
        let bytes = build(&builder().extension(id, value), b"x");
        assert_eq!(bytes[12..14], profile.to_be_bytes(), "id {id}, {} bytes", value.len());
        assert_eq!(Packet::parse(&bytes).unwrap().extension_value(id), Some(value));
    }
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_appended() {
    let too_long = [0; 256];
    for (builder, error) in [
        (builder().extension(0, &[1]), BuildError::ReservedExtensionId),
        (builder().extension(1, &too_long), BuildError::ExtensionTooLong),
        ((0..17).fold(builder(), |builder, _| builder.extension(1, &[1])), BuildError::TooManyExtensions),
    ] {
        let mut out = Vec::new();
        assert_eq!(builder.write(b"x", &mut out), Err(error));
        assert!(out.is_empty());
    }
}

#[test]
fn malformed_packets_are_refused() {
    let truncated = |needed, got| ParseError::Truncated { needed, got };
    for (packet, error) in [
        ("", truncated(12, 0)),
        ("8060000000000000000000", truncated(12, 11)),
        ("406000000000000000000000", ParseError::BadVersion(1)),
        ("816000000000000000000000", truncated(16, 12)),
        ("906000000000000000000000", truncated(16, 12)),
        ("906000000000000000000000bede0001", truncated(20, 16)),
        ("a06000000000000000000000", ParseError::BadPadding),
        ("a0600000000000000000000000", ParseError::BadPadding),
        ("a0600000000000000000000002", ParseError::BadPadding),
    ] {
        assert_eq!(Packet::parse(hex::decode(packet).unwrap()).unwrap_err(), error, "{packet}");
    }
}

#[test]
fn padding_alone_is_a_packet() {
    let packet = hex::decode("a0600000000000000000000000000003").unwrap();
    let packet = Packet::parse(&packet).unwrap();
    assert_eq!((packet.payload(), packet.padding_len()), (&[0][..], 3));
    let packet = hex::decode("a06000000000000000000000000004").unwrap();
    assert_eq!(Packet::parse(&packet).unwrap_err(), ParseError::BadPadding);
}

#[test]
fn extension_elements_end_where_the_rfc_says() {
    for (extension, expected) in [
        ("bede0001".to_owned() + "10aa0000", vec![(1, "aa")]),
        ("bede0002".to_owned() + "0010aa0020bb0000", vec![(1, "aa"), (2, "bb")]),
        // 15 stops everything.
        ("bede0002".to_owned() + "10aaf0bb20cc0000", vec![(1, "aa")]),
        // So does padding that claims a length.
        ("bede0002".to_owned() + "10aa01bb20cc0000", vec![(1, "aa")]),
        // An element beyond the end.
        ("bede0001".to_owned() + "10aa2fbb", vec![(1, "aa")]),
        ("10000002".to_owned() + "0102aabb000f0000", vec![(1, "aabb"), (15, "")]),
        ("100f0001".to_owned() + "0101aa00", vec![(1, "aa")]),
        ("10000001".to_owned() + "01010504", vec![(1, "05")]),
        ("12340001".to_owned() + "10aa0000", vec![]),
    ] {
        let bytes = hex::decode("9060000000000000".to_owned() + "00000000" + &extension).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        let found: Vec<_> = packet.extensions().map(|(id, value)| (id, hex::encode(value))).collect();
        let expected: Vec<_> = expected.into_iter().map(|(id, value)| (id, value.to_owned())).collect();
        assert_eq!(found, expected, "{extension}");
    }
}

#[test]
fn setters_change_bytes_and_view() {
    let bytes = build(&builder().marker(true).extension(3, &[0, 1]).extension(4, b"0"), b"payload");
    let mut packet = Packet::parse(bytes).unwrap();
    packet.set_marker(false);
    packet.set_payload_type(PayloadType::new(127).unwrap());
    packet.set_sequence_number(SequenceNumber(9));
    packet.set_timestamp(10);
    packet.set_ssrc(Ssrc(11));
    assert!(packet.set_extension_value(3, &[0xab, 0xcd]));
    assert!(!packet.set_extension_value(4, b"longer"), "an element never grows in place");
    assert!(!packet.set_extension_value(5, b"0"));
    let header = *packet.header();
    let bytes = packet.into_inner();
    let again = Packet::parse(&bytes).unwrap();
    assert_eq!(*again.header(), header);
    assert_eq!((again.marker(), again.ssrc(), again.timestamp()), (false, Ssrc(11), 10));
    assert_eq!(again.extension_value(3), Some(&[0xab, 0xcd][..]));
    assert_eq!(again.extension_value(4), Some(&b"0"[..]));
    assert_eq!(again.payload(), b"payload");
}

#[test]
fn typed_look_says_what_is_malformed() {
    let bytes = build(&builder().extension(3, &[1]), b"x");
    let mut map = Map::new();
    map.insert(3, Kind::TransportSequence).unwrap();
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.extension::<TransportSequence>(&map), Err(ParseError::Truncated { needed: 2, got: 1 }));
}
