//! Frames of RFC 4571, however the stream cuts them.

use headwater_ice::Error;
use headwater_ice::framing::{Deframer, MAX_BUFFERED, frame, header};
use proptest::collection::vec;
use proptest::prelude::*;

fn frames(deframer: &mut Deframer, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for chunk in chunks {
        let mut chunk = *chunk;
        while let Some(frame) = deframer.next_frame(&mut chunk) {
            found.push(frame.to_vec());
        }
        assert!(chunk.is_empty(), "None means that all is taken");
        assert!(deframer.buffered() <= MAX_BUFFERED);
    }
    found
}

fn stream(payloads: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    payloads.iter().for_each(|it| frame(it, &mut out).expect("short"));
    out
}

#[test]
fn every_way_to_cut_a_stream_in_three_gives_the_same_frames() {
    let payloads: [&[u8]; 5] = [b"\x00\x01", b"", b"a frame", b"\x00\x00\x00", b"x"];
    let bytes = stream(&payloads);
    let wanted: Vec<_> = payloads.iter().filter(|it| !it.is_empty()).map(|it| it.to_vec()).collect();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(frames(&mut Deframer::new(), &chunks), wanted, "{first} {second}");
        }
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(frames(&mut Deframer::new(), &single), wanted);
}

#[test]
fn a_frame_of_the_greatest_length_is_kept_and_its_memory_given_back() {
    let payload = vec![7; 65_535];
    let bytes = stream(&[&payload, b"next"]);
    let mut deframer = Deframer::new();
    let chunks: Vec<_> = bytes[..65_536].chunks(1_000).collect();
    assert_eq!(frames(&mut deframer, &chunks), Vec::<Vec<u8>>::new());
    assert_eq!(deframer.buffered(), 65_536);
    assert_eq!(frames(&mut deframer, &[&bytes[65_536..]]), [payload, b"next".to_vec()]);
    assert_eq!(deframer.buffered(), 0);
}

#[test]
fn an_announced_length_takes_no_memory() {
    let mut deframer = Deframer::new();
    assert!(frames(&mut deframer, &[&[0xFF, 0xFF]]).is_empty());
    assert_eq!(deframer.buffered(), 2);
}

#[test]
fn frames_over_the_limit_are_passed_over_wherever_they_are_cut() {
    let bytes = stream(&[b"four", b"five!", b"", b"ok"]);
    for cut in 0..=bytes.len() {
        let mut deframer = Deframer::with_limit(4);
        let found = frames(&mut deframer, &[&bytes[..cut], &bytes[cut..]]);
        assert_eq!(found, [b"four".to_vec(), b"ok".to_vec()], "{cut}");
    }
    let mut deframer = Deframer::with_limit(100);
    let huge = stream(&[&[1; 60_000]]);
    for chunk in huge.chunks(1_000) {
        assert!(frames(&mut deframer, &[chunk]).is_empty());
        assert!(deframer.buffered() <= 2);
    }
    deframer.set_limit(60_000);
    assert_eq!(frames(&mut deframer, &[&huge]).len(), 1);
}

#[test]
fn what_no_length_can_say_is_refused() {
    let mut out = vec![1];
    assert_eq!(frame(&[0; 65_536], &mut out), Err(Error::TooLong));
    assert_eq!(out, [1]);
    assert_eq!(header(0x1234), Ok([0x12, 0x34]));
}

proptest! {
    #[test]
    fn what_is_framed_comes_out_whatever_the_cuts(
        payloads in vec(vec(any::<u8>(), 0..40), 0..12),
        cuts in vec(1usize..30, 0..60),
    ) {
        let refs: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let bytes = stream(&refs);
        let mut rest = &bytes[..];
        let mut chunks = Vec::new();
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            chunks.push(head);
            rest = tail;
        }
        chunks.push(rest);
        let wanted: Vec<_> = payloads.into_iter().filter(|it| !it.is_empty()).collect();
        prop_assert_eq!(frames(&mut Deframer::new(), &chunks), wanted);
    }

    #[test]
    fn any_bytes_give_the_same_frames_whole_or_byte_by_byte(
        bytes in vec(prop_oneof![3 => Just(0u8), 1 => 0u8..9, 1 => any::<u8>()], 0..300),
        limit in 0usize..20,
    ) {
        let single: Vec<_> = bytes.chunks(1).collect();
        let whole = frames(&mut Deframer::with_limit(limit), &[&bytes]);
        prop_assert_eq!(frames(&mut Deframer::with_limit(limit), &single), whole);
    }
}
