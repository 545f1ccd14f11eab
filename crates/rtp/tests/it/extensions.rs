//! Header extensions: bytes and meaning, ids.

use std::fmt::Debug;
use std::time::Duration;

use headwater_rtp::extension::{
    AbsCaptureTime, AbsSendTime, AudioLevel, ColorSpace, ContentType, DependencyDescriptor, Extension, Kind,
    Map, MapError, Orientation, PlayoutDelay, RepairedRid, Rotation, Timing, TransmissionOffset,
    TransportSequence, VideoLayersAllocation,
    dependency_descriptor::{Indication, Structure},
};
use headwater_rtp::{Mid, NtpTime, ParseError, Rid};

/// `bytes` parses to something that `says` approves, and is written as it was.
#[track_caller]
fn check<E: Extension + Debug + PartialEq>(bytes: &str, says: impl Fn(&E) -> bool) {
    let value = hex::decode(bytes).unwrap();
    let parsed = E::parse(&value).unwrap();
    assert!(says(&parsed), "{bytes}: {parsed:?}");
    let mut out = Vec::new();
    parsed.emit(&mut out);
    assert_eq!(hex::encode(out), bytes, "{parsed:?}");
}

#[track_caller]
fn refused<E: Extension + Debug + PartialEq>(bytes: &str, error: ParseError) {
    assert_eq!(E::parse(&hex::decode(bytes).unwrap()), Err(error));
}

#[test]
fn small_extensions_mean_what_their_bytes_say() {
    check("30", |mid: &Mid| mid.as_str() == "0");
    check("6869", |rid: &Rid| rid.as_str() == "hi");
    check("6869", |rid: &RepairedRid| rid.0.as_str() == "hi");
    check("85", |level: &AudioLevel| level.voice && level.level == 5);
    check("7f", |level: &AudioLevel| !level.voice && level.level == 127);
    check("22abb3", |time: &AbsSendTime| time.0 == 0x22abb3);
    check("0007", |number: &TransportSequence| number.0 == 7);
    check("00a014", |delay: &PlayoutDelay| {
        delay.min == Duration::from_millis(100) && delay.max == Duration::from_millis(200)
    });
    check("ffffff", |delay: &PlayoutDelay| delay.max == Duration::from_millis(40_950));
    check("0d", |o: &Orientation| o.back_camera && o.flipped && o.rotation == Rotation::Quarter);
    check("03", |o: &Orientation| !o.back_camera && o.rotation.degrees() == 270);
    check("01", |content: &ContentType| content.is_screen());
    check("ffffff", |offset: &TransmissionOffset| offset.0 == -1);
    check("000005", |offset: &TransmissionOffset| offset.0 == 5);
    check("01000100020003000400050006", |timing: &Timing| {
        timing.flags == 1 && timing.encode_start == 1 && timing.pacer_exit == 4 && timing.network2 == 6
    });
    check("0000000100000002", |time: &AbsCaptureTime| {
        time.captured == NtpTime(0x1_0000_0002) && time.clock_offset.is_none()
    });
    check("0000000100000002ffffffffffffffff", |time: &AbsCaptureTime| time.clock_offset == Some(-1));
    check("09100912", |color: &ColorSpace| {
        (color.primaries, color.range, color.chroma_siting) == (9, 1, (0, 2)) && color.hdr.is_none()
    });
    let hdr = (1..=24).map(|byte| format!("{byte:02x}")).collect::<String>();
    check(&format!("09100912{hdr}"), |color: &ColorSpace| {
        color.hdr.is_some_and(|hdr| hdr.luminance_max == 0x0102 && hdr.max_frame_average_light == 0x1718)
    });
}

#[test]
fn wrong_sizes_are_refused() {
    refused::<Mid>("", ParseError::BadValue);
    refused::<Mid>("00", ParseError::BadValue);
    refused::<Mid>(&"41".repeat(33), ParseError::BadValue);
    refused::<Rid>("20", ParseError::BadValue);
    refused::<AudioLevel>("", ParseError::Truncated { needed: 1, got: 0 });
    refused::<AbsSendTime>("0102", ParseError::BadLength);
    refused::<TransportSequence>("01", ParseError::Truncated { needed: 2, got: 1 });
    refused::<PlayoutDelay>("01020304", ParseError::BadLength);
    refused::<Orientation>("", ParseError::BadLength);
    refused::<Timing>("010203", ParseError::BadLength);
    refused::<AbsCaptureTime>("01020304", ParseError::Truncated { needed: 8, got: 4 });
    refused::<AbsCaptureTime>("000000010000000201", ParseError::BadLength);
    refused::<ColorSpace>("0910091201", ParseError::BadLength);
    refused::<DependencyDescriptor>("8000", ParseError::Truncated { needed: 3, got: 2 });
    refused::<VideoLayersAllocation>("", ParseError::BadLength);
}

#[test]
fn send_time_is_the_middle_of_ntp_time() {
    // One second and a half: 6.18 fixed point.
    assert_eq!(AbsSendTime::from_ntp(NtpTime(0x1_8000_0000)).0, 0x06_0000);
    assert_eq!(AbsSendTime::from_ntp(NtpTime(64 << 32)).0, 0, "wraps at 64 s");
}

#[test]
fn layers_allocation_lists_each_active_layer() {
    check("00", |allocation: &VideoLayersAllocation| allocation.layers.is_empty());
    // Stream 1 of 2, both with spatial layer 0; one and two temporal layers; 30, then 100 and 200 kbit/s.
    check("51101e64c801", |allocation: &VideoLayersAllocation| {
        let rates: Vec<_> = allocation.layers.iter().map(|layer| layer.bitrates.clone()).collect();
        (allocation.stream, allocation.streams) == (1, 2) && rates == [vec![30], vec![100, 200]]
    });
    // The second stream is off; 320 x 180 at 15 per second.
    check("1010001e013f00b30f", |allocation: &VideoLayersAllocation| {
        let [layer] = &allocation.layers[..] else { return false };
        let resolution = layer.resolution.unwrap();
        (resolution.width, resolution.height, resolution.frame_rate) == (320, 180, 15)
    });
    for broken in ["01", "0100", "010080", "01001e01", "0100ffffffffffffffffff", "10"] {
        assert!(VideoLayersAllocation::parse(&hex::decode(broken).unwrap()).is_err(), "{broken}");
    }
}

#[test]
fn dependency_descriptor_tells_key_frames() {
    check("c30102", |descriptor: &DependencyDescriptor| {
        descriptor.start_of_frame
            && descriptor.end_of_frame
            && (descriptor.template_id, descriptor.frame_number) == (3, 0x0102)
            && !descriptor.is_key_frame_start()
    });
    let key = DependencyDescriptor::parse(&[0x80, 0, 1, 0x80]).unwrap();
    assert!(key.is_key_frame_start() && !key.end_of_frame);
    let other = DependencyDescriptor::parse(&[0x00, 0, 1, 0x80]).unwrap();
    assert!(!other.is_key_frame_start(), "not the first packet");
}

/// Packs a text of zeros and ones, blanks ignored.
fn bits(text: &str) -> Vec<u8> {
    let bits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').map(|byte| byte - b'0').collect();
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |all, (at, bit)| all | bit << (7 - at)))
        .collect()
}

#[test]
fn dependency_structure_of_two_temporal_layers() {
    let key = bits(concat!(
        "1 1 000000 0000000000000001 ", // start, end, template 0, frame 1
        "1 0 0 0 0 ",                   // structure
        "000000 00001 ",                // offset 0, two decode targets
        "00 01 11 ",                    // templates: T0, T0, T1
        "1010 1111 0001 ",              // to the targets: switch, required, discardable for the second
        "0 1 0001 0 1 0000 0 ",         // frame diffs: none, 2, 1
        "10 ",                          // one chain; which protects both takes no bits
        "0000 0010 0001 ",              // chain diffs
        "1 0000000100111111 0000000010110011"
    ));
    let structure = Structure::parse(&key).unwrap().unwrap();
    assert_eq!((structure.decode_targets, structure.chains, structure.templates.len()), (2, 1, 3));
    assert_eq!(structure.resolutions, [(320, 180)]);
    assert_eq!(structure.protected_by, [0, 0]);
    assert_eq!((structure.target_layers(0), structure.target_layers(1)), ((0, 0), (0, 1)));
    let frame = structure.frame(&key).unwrap();
    assert_eq!(frame.active_decode_targets, Some(0b11));
    assert_eq!(frame.template.indications.to(1), Indication::Switch);
    assert_eq!(frame.template.indications.to(40), Indication::NotPresent);
    assert_eq!(frame.resolution, Some((320, 180)));

    let plain = structure.frame(&bits("1 1 000010 0000000000000010")).unwrap();
    assert_eq!((plain.template.temporal_id, plain.template.frame_diffs.as_slice()), (1, &[1][..]));
    assert_eq!(plain.template.indications.to(0), Indication::NotPresent);
    assert_eq!(plain.active_decode_targets, None);

    let custom = bits("1 1 000010 0000000000000010 0 1 1 1 1 01 0110 10 00000100 00 00000111");
    let custom = structure.frame(&custom).unwrap();
    assert_eq!(custom.active_decode_targets, Some(0b01));
    assert_eq!(custom.template.indications.to(0), Indication::Discardable);
    assert_eq!(custom.template.frame_diffs.as_slice(), [5]);
    assert_eq!(custom.template.chain_diffs[0], 7);

    assert_eq!(structure.frame(&[0x3f, 0, 2]), Err(ParseError::BadValue), "no such template");
    for len in 4..key.len() {
        assert!(Structure::parse(&key[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn map_finds_both_ways_and_refuses_contradictions() {
    let mut map = Map::new();
    map.insert(3, Kind::Mid).unwrap();
    map.insert(3, Kind::Mid).unwrap();
    map.insert(200, Kind::Rid).unwrap();
    assert_eq!(map.insert(3, Kind::Rid), Err(MapError::IdTaken(3)));
    assert_eq!(map.insert(0, Kind::Rid), Err(MapError::ReservedId(0)));
    assert_eq!(map.insert(15, Kind::Rid), Err(MapError::ReservedId(15)));
    assert_eq!((map.kind(3), map.kind(4)), (Some(Kind::Mid), None));
    assert_eq!((map.id(Kind::Rid), map.id(Kind::Timing)), (Some(200), None));
    map.insert(7, Kind::Rid).unwrap();
    assert_eq!((map.id(Kind::Rid), map.kind(7)), (Some(200), Some(Kind::Rid)));
    assert_eq!(map.iter().collect::<Vec<_>>(), [(3, Kind::Mid), (7, Kind::Rid), (200, Kind::Rid)]);
}

#[test]
fn uris_lead_back_to_their_kind() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_uri(kind.uri()), Some(*kind));
    }
    assert_eq!(Kind::from_uri("urn:example"), None);
}
