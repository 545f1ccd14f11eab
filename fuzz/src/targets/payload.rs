//! Payloads: what is seen inside, what is rewritten, and what the packetizers make of a frame.

use headwater_rtp::payload::{Places, h264, opus, vp8, vp9};
use headwater_rtp::{Codec, describe};

type WriteRewritten = fn(&[u8], u16, u8, &mut Vec<u8>);

/// Codecs whose picture numbers stand in the payload.
const REWRITTEN: &[(Codec, WriteRewritten)] =
    &[(Codec::Vp8, vp8::write_rewritten), (Codec::Vp9, vp9::write_rewritten)];

/// The first byte chooses the codec, the rest is a payload of it, and a frame for its packetizer.
pub fn payload(data: &[u8]) {
    let Some((&first, payload)) = data.split_first() else { return };
    let codec = Codec::ALL[usize::from(first) % Codec::ALL.len()];
    let seen = describe(codec, payload);
    assert!(codec.is_video() || !seen.key_frame, "audio has no key frames");
    assert!(!payload.is_empty() || !seen.key_frame, "nothing is no key frame");
    if let Some((_, write)) = REWRITTEN.iter().find(|(rewritten, _)| *rewritten == codec) {
        rewrite(codec, *write, payload);
    }
    if let Ok(toc) = opus::Toc::parse(payload) {
        assert!(toc.duration().as_millis() <= 120, "no Opus packet is longer");
    }
    let max_payload_len = 16 + usize::from(first >> 4) * 80;
    match codec {
        Codec::Vp8 => packetize_vp8(payload, max_payload_len),
        Codec::H264 => packetize_h264(payload, max_payload_len),
        _ => {}
    }
}

/// New picture numbers are the only thing that changes, and only if there were some.
fn rewrite(codec: Codec, write: WriteRewritten, payload: &[u8]) {
    let before = describe(codec, payload);
    let mut out = vec![0xcc];
    write(payload, 0x2345, 0x67, &mut out);
    let rewritten = &out[1..];
    // It may shrink: a descriptor's empty extension is left out.
    assert!(rewritten.len() <= payload.len() + 1, "a picture number widens by one byte at most");
    assert_eq!(out[0], 0xcc);
    let after = describe(codec, rewritten);
    assert_eq!(after.picture_id.map(|id| (id.value, id.bits)), before.picture_id.map(|_| (0x2345, 15)));
    assert_eq!(after.tl0_picture_index, before.tl0_picture_index.map(|_| 0x67));
    let mut same = after;
    (same.picture_id, same.tl0_picture_index) = (before.picture_id, before.tl0_picture_index);
    assert_eq!(same, before, "something else changed");
    let mut twice = Vec::new();
    write(rewritten, 0x2345, 0x67, &mut twice);
    assert_eq!(twice, rewritten, "rewriting is not stable");
    let mut in_place = rewritten.to_vec();
    Places::of(codec, rewritten).replace(&mut in_place, 0x1abc, 0x5d);
    twice.clear();
    write(rewritten, 0x1abc, 0x5d, &mut twice);
    assert_eq!(twice, in_place, "replacing in place differs from rewriting");
}

fn packetize_vp8(frame: &[u8], max_payload_len: usize) {
    let mut packetizer = vp8::Packetizer::new(max_payload_len, 0x7fff);
    let mut joined = Vec::new();
    let mut ended = false;
    packetizer.packetize(frame, |payload, is_last| {
        assert!(!ended, "a payload after the last");
        assert!(payload.len() <= max_payload_len, "{} bytes of {max_payload_len}", payload.len());
        let (descriptor, part) = vp8::PayloadDescriptor::parse(payload).expect("our own descriptor");
        assert_eq!(descriptor.partition_start, joined.is_empty());
        joined.extend_from_slice(part);
        ended = is_last;
    });
    assert_eq!(joined, frame);
    assert_eq!(ended, !frame.is_empty());
}

fn packetize_h264(access_unit: &[u8], max_payload_len: usize) {
    let units: usize = h264::annex_b(access_unit).map(<[u8]>::len).sum();
    assert!(units <= access_unit.len());
    let mut packetizer = h264::Packetizer::new(max_payload_len);
    let (mut ended, mut total) = (false, 0);
    packetizer.packetize(access_unit, |payload, is_last| {
        assert!(!ended, "a payload after the last");
        assert!(!payload.is_empty() && payload.len() <= max_payload_len);
        total += payload.len();
        ended = is_last;
    });
    // At worst each payload of 16 bytes is a fragment with two bytes of head, or an aggregate of small units.
    assert!(total <= units * 4 + 16, "{total} bytes of {units}");
}
