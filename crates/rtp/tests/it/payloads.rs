//! Payload descriptors: tables of bytes, packetizers.

use std::time::Duration;

use headwater_rtp::payload::{PictureId, h264, opus, vp8, vp9};
use headwater_rtp::{Codec, Descriptor, SequenceNumber, describe, rtx};

#[track_caller]
fn check(codec: Codec, payload: &str, says: impl Fn(&Descriptor) -> bool) {
    let descriptor = describe(codec, &hex::decode(payload).unwrap());
    assert!(says(&descriptor), "{payload}: {descriptor:?}");
}

fn nothing(descriptor: &Descriptor) -> bool {
    *descriptor == Descriptor::default()
}

#[test]
fn codec_names_are_found_in_any_case() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_name(&codec.name().to_uppercase()), Some(*codec));
        assert_eq!(Codec::from_name(&codec.name().to_lowercase()), Some(*codec));
    }
    assert_eq!(Codec::from_name("rtx"), None);
    assert_eq!((Codec::G722.clock_rate(), Codec::Opus.clock_rate()), (8_000, 48_000));
    assert!(Codec::H265.is_video() && !Codec::Pcmu.is_video());
}

#[test]
fn vp8_descriptors() {
    let key = "5002009d012a80026801"; // frame tag, start code, 640 x 360
    check(Codec::Vp8, &format!("10{key}"), |d| {
        d.key_frame && d.frame_start && d.resolution == Some((640, 360)) && d.picture_id.is_none()
    });
    check(Codec::Vp8, &format!("90800a{key}"), |d| d.picture_id.unwrap() == PictureId::wide(10).with_bits(7));
    check(Codec::Vp8, &format!("9080920a{key}"), |d| d.picture_id.unwrap() == PictureId::wide(0x120a));
    check(Codec::Vp8, "90f0920a0780ff01", |d| {
        !d.key_frame && d.frame_start && d.tl0_picture_index == Some(7) && d.temporal_id == Some(2)
    });
    check(Codec::Vp8, "b0e0920a07a0ff01", |d| d.discardable && d.switching_point && d.temporal_id == Some(2));
    check(Codec::Vp8, &format!("11{key}"), |d| !d.frame_start && !d.key_frame);
    check(Codec::Vp8, &format!("00{key}"), |d| !d.frame_start && !d.key_frame);
    // Too short for the fields it claims, or without data.
    for short in ["", "90", "9080", "908080", "90c080aa", "90e08001", "10"] {
        check(Codec::Vp8, short, |d| !d.key_frame && !d.frame_start);
    }
}

trait WithBits {
    fn with_bits(self, bits: u8) -> Self;
}

impl WithBits for PictureId {
    fn with_bits(mut self, bits: u8) -> Self {
        self.bits = bits;
        self
    }
}

#[test]
fn vp8_rewriting_widens_and_replaces_only_what_is_there() {
    for (before, after) in [
        ("10aabb", "10aabb"),
        ("90800aaabb", "9080fffeaabb"),
        ("9080920aaabb", "9080fffeaabb"),
        ("90f0920a0783aabb", "90f0fffe0983aabb"),
        ("904007aabb", "904009aabb"),
        ("9080", "9080"),
        ("", ""),
    ] {
        let mut out = Vec::new();
        vp8::write_rewritten(&hex::decode(before).unwrap(), 0x7ffe, 9, &mut out);
        assert_eq!(hex::encode(out), after);
    }
}

#[test]
fn vp9_descriptors() {
    // I, B, E; 15 bits.
    check(Codec::Vp9, "8c9234aa", |d| {
        d.key_frame && d.frame_start && d.frame_end && d.picture_id.unwrap() == PictureId::wide(0x1234)
    });
    check(Codec::Vp9, "cc9234aa", |d| !d.key_frame && d.frame_start);
    // I, L, non-flexible, B: layers T1 U S1 D, TL0PICIDX 5.
    check(Codec::Vp9, "a8923433", nothing);
    check(Codec::Vp9, "a892343305aa", |d| {
        !d.key_frame
            && (d.temporal_id, d.spatial_id, d.tl0_picture_index) == (Some(1), Some(1), Some(5))
            && d.switching_point
            && d.inter_layer_predicted
    });
    // Flexible, P: three references, then four.
    check(Codec::Vp9, "d892340303", nothing);
    check(Codec::Vp9, "d89234030302aa", |d| d.frame_start && !d.key_frame);
    check(Codec::Vp9, "d89234030303aa", nothing);
    // V: two spatial layers with sizes, one picture in the group.
    check(Codec::Vp9, "8a9234380140 00b402800168 01 10 01 aa".replace(' ', "").as_str(), |d| {
        d.key_frame && d.resolution == Some((640, 360))
    });
    check(Codec::Vp9, "8a923438014000b402", nothing);
    check(Codec::Vp9, "8a923408ff", nothing);
}

#[test]
fn vp9_rewriting_widens_and_replaces_only_what_is_there() {
    for (before, after) in [
        ("0caa", "0caa"),
        ("8c12aa", "8cfffeaa"),
        ("8c9234aa", "8cfffeaa"),
        ("a892343305aa", "a8fffe3309aa"),
        ("b8923433aa", "b8fffe33aa"),
        ("d89234030302aa", "d8fffe030302aa"),
        ("a892", "a892"),
        ("", ""),
    ] {
        let mut out = Vec::new();
        vp9::write_rewritten(&hex::decode(before).unwrap(), 0x7ffe, 9, &mut out);
        assert_eq!(hex::encode(out), after);
    }
}

/// Chromium's, for 640x360 baseline.
const SPS_360: &str = "6742c01e8c8d405017fcb37010d01078442350";

#[test]
fn h264_descriptors() {
    check(Codec::H264, SPS_360, |d| d.key_frame && d.resolution == Some((640, 360)));
    check(Codec::H264, "65888400", |d| d.key_frame && d.frame_start);
    check(Codec::H264, "65408400", |d| !d.key_frame && !d.frame_start);
    check(Codec::H264, "419a00", |d| !d.key_frame && d.frame_start && !d.discardable);
    check(Codec::H264, "019a00", |d| d.frame_start && d.discardable);
    check(Codec::H264, "68ce3880", |d| !d.key_frame);
    check(Codec::H264, &format!("780013{SPS_360}000468ce3880"), |d| {
        d.key_frame && d.resolution == Some((640, 360)) && !d.discardable
    });
    check(Codec::H264, "780004 68ce3880 0003 658884".replace(' ', "").as_str(), |d| d.key_frame);
    check(Codec::H264, "7c8588840000", |d| d.key_frame);
    check(Codec::H264, "7c0588840000", |d| !d.key_frame);
    check(Codec::H264, "7c819a840000", |d| !d.key_frame && d.frame_start);
    for odd in ["", "7c", "78", "7800", "780000", "78ffff00", "67", "65", "1f", "00", "7c85"] {
        check(Codec::H264, odd, |d| !d.frame_start || odd == "67");
    }
}

#[test]
fn h265_descriptors() {
    check(Codec::H265, "2601af08", |d| d.key_frame && d.temporal_id == Some(0));
    check(Codec::H265, "26012f08", |d| !d.key_frame && !d.frame_start);
    check(Codec::H265, "0202d008", |d| !d.key_frame && d.frame_start && d.temporal_id == Some(1));
    check(Codec::H265, "4001aabb", |d| d.key_frame);
    check(Codec::H265, "6001 0004 4001aabb 0004 4201aabb".replace(' ', "").as_str(), |d| d.key_frame);
    check(Codec::H265, "620193af08", |d| d.key_frame);
    check(Codec::H265, "620113af08", |d| !d.key_frame);
    for odd in ["", "26", "2601", "6001", "6001ff", "6001ffff00", "6201", "620193", "2600"] {
        check(Codec::H265, odd, |d| !d.key_frame);
    }
}

#[test]
fn av1_descriptors() {
    check(Codec::Av1, "18300100", |d| d.key_frame && d.frame_start);
    check(Codec::Av1, "10300100", |d| !d.key_frame && d.frame_start);
    check(Codec::Av1, "90300100", |d| !d.key_frame && !d.frame_start);
    check(Codec::Av1, "1034280100", |d| d.temporal_id == Some(1) && d.spatial_id == Some(1));
    for odd in ["", "00", "0080", "00ff01", "2005", "10", "1036", "008080808080808080808000"] {
        check(Codec::Av1, odd, |d| !d.key_frame && d.resolution.is_none());
    }
}

#[test]
fn opus_toc() {
    for (payload, ticks) in
        [("78", 960), ("f8", 960), ("e0", 120), ("18", 2880), ("f9", 1920), ("7b06", 5760), ("6300", 0)]
    {
        let toc = opus::Toc::parse(&hex::decode(payload).unwrap());
        assert_eq!(toc.map_or(0, |toc| toc.ticks()), ticks, "{payload}");
    }
    assert!(opus::Toc::parse(&[]).is_err());
    assert!(opus::Toc::parse(&[0x7b]).is_err());
    assert!(opus::Toc::parse(&[0x7b, 7]).is_err(), "more than 120 ms");
    assert_eq!(opus::Toc::parse(&[0xfc]).unwrap().duration(), Duration::from_millis(20));
}

#[test]
fn rtx_wraps_and_unwraps() {
    let mut out = Vec::new();
    rtx::wrap(SequenceNumber(0xabcd), b"payload", &mut out);
    assert_eq!(rtx::unwrap(&out), Some((SequenceNumber(0xabcd), &b"payload"[..])));
    for probe in [&[][..], &[1], &[1, 2]] {
        assert_eq!(rtx::unwrap(probe), None);
    }
}

fn equal_sizes(payloads: &[(Vec<u8>, bool)]) {
    let sizes: Vec<_> = payloads.iter().map(|(payload, _)| payload.len()).collect();
    assert!(sizes.is_sorted() && sizes[sizes.len() - 1] - sizes[0] <= 1, "{sizes:?}");
    assert!(payloads.iter().rev().skip(1).all(|(_, last)| !last) && payloads.last().unwrap().1);
}

#[test]
fn vp8_packetizer_cuts_evenly_and_counts_pictures() {
    let mut packetizer = vp8::Packetizer::new(100, 0x7fff);
    let frame: Vec<u8> = (0..=255).cycle().take(1001).collect();
    for expected in [0x7fff, 0] {
        let mut payloads = Vec::new();
        packetizer.packetize(&frame, |payload, last| payloads.push((payload.to_vec(), last)));
        assert_eq!(payloads.len(), 11);
        equal_sizes(&payloads);
        let mut whole = Vec::new();
        for (index, (payload, _)) in payloads.iter().enumerate() {
            let (descriptor, data) = vp8::PayloadDescriptor::parse(payload).unwrap();
            assert_eq!(descriptor.partition_start, index == 0);
            assert_eq!(descriptor.picture_id, Some(PictureId::wide(expected)));
            whole.extend_from_slice(data);
        }
        assert_eq!(whole, frame);
        packetizer.packetize(&[], |_, _| panic!("an empty frame has no payload"));
    }
}

#[test]
fn h264_packetizer_keeps_parameter_sets_with_their_picture() {
    let sps = hex::decode(SPS_360).unwrap();
    let stream = [
        &[0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1][..],
        &sps,
        &[0, 0, 1, 0x68, 0xce, 0x38, 0x80, 0, 0, 0, 1, 0x65, 0x88],
    ];
    let mut stream = stream.concat();
    let send = |stream: &[u8], max| {
        let mut payloads = Vec::new();
        h264::Packetizer::new(max).packetize(stream, |payload, last| payloads.push((payload.to_vec(), last)));
        payloads
    };
    let small = send(&stream, 100);
    assert_eq!(small.len(), 1, "all in one STAP-A");
    assert_eq!(hex::encode(&small[0].0), format!("780013{SPS_360}000468ce388000026588"));
    assert!(small[0].1);

    stream.extend((1..=250).cycle().take(500));
    let large = send(&stream, 100);
    assert_eq!(large[0].0[0] & 0x1f, 24, "parameter sets aggregated");
    assert!(!large[0].1);
    equal_sizes(&large[1..]);
    let whole: Vec<u8> = large[1..].iter().flat_map(|(payload, _)| payload[2..].to_vec()).collect();
    assert_eq!(whole, stream[stream.len() - 501..]);
    assert_eq!((large[1].0[1], large[large.len() - 1].0[1]), (0x85, 0x45));
    assert!(describe(Codec::H264, &large[0].0).key_frame && describe(Codec::H264, &large[1].0).key_frame);

    let single = send(&[0, 0, 1, 0x41, 0x9a, 0, 0, 0], 100);
    assert_eq!(single, [(vec![0x41, 0x9a], true)], "a unit alone goes as it is, without trailing zeros");
    assert!(send(&[0, 0, 1, 9, 0xf0], 100).is_empty());
    assert!(send(&[1, 2, 3], 100).is_empty());
}
