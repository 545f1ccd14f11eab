use super::*;
use crate::history::Read;

/// Baseline, 640x360, as libwebrtc sends it with the picture parameter set behind it.
const PARAMETERS: &[u8] = &[
    0x78, 0x00, 0x0b, 0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x68, 0x05, 0x00, 0x5b, 0xa1, 0x00, 0x00, 0x04, 0x68,
    0xce, 0x3c, 0x80,
];
const PICTURE: &[u8] = &[0x7c, 0x85, 0x88, 0x80, 0x10];
const REST: &[u8] = &[0x7c, 0x45, 0x01, 0x02];
const DELTA: &[u8] = &[0x61, 0xe0, 0x01, 0x02];

fn h264() -> Track {
    let mut track = Track::new(Kind::Video);
    let parameters = "packetization-mode=1;profile-level-id=42e01f".into();
    track.begin(&[Format { codec: Codec::H264, clock_rate: 90_000, parameters }]);
    track
}

fn push(track: &mut Track, now: Instant, sequence: u16, frame: u32, marker: bool, payload: &[u8]) -> Pushed {
    let parts = Parts {
        sequence: SequenceNumber(sequence),
        timestamp: frame * 3000,
        marker,
        format: 0,
        carried: Carried::default(),
    };
    track.push_parts(now, NtpTime(0), &parts, payload)
}

fn read(track: &Track, mut cursor: Cursor) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let Read::Packet(packet) = track.history.read(&mut cursor) {
        payloads.push(packet.payload.to_vec());
    }
    payloads
}

#[test]
fn a_start_at_a_cached_key_frame_begins_with_its_parameter_sets() {
    let now = Instant::now();
    for order in [[1, 2, 3], [2, 1, 3], [2, 3, 1]] {
        let mut track = h264();
        push(&mut track, now, 0, 1, true, DELTA);
        for sequence in order {
            let payload = [PARAMETERS, PICTURE, REST][usize::from(sequence) - 1];
            push(&mut track, now, sequence, 2, sequence == 3, payload);
        }
        push(&mut track, now, 4, 3, true, DELTA);
        let start = track.start(now).expect("a whole key frame is there");
        assert_eq!(read(&track, start)[0], PARAMETERS, "{order:?}");
    }
}

#[test]
fn a_picture_whose_parameter_sets_may_be_missing_is_no_start() {
    let now = Instant::now();
    let mut track = h264();
    let may_start = |track: &Track| track.may_start_at(track.history.newest().expect("pushed").meta);
    push(&mut track, now, 0, 1, true, DELTA);
    assert!(!may_start(&track), "a delta frame");
    push(&mut track, now, 2, 2, false, PICTURE);
    assert!(!may_start(&track), "what is before it is missing");
    push(&mut track, now, 1, 2, false, PARAMETERS);
    assert!(may_start(&track));
    push(&mut track, now, 3, 2, true, REST);
    // A publisher who signals its parameter sets out of band sends none.
    push(&mut track, now, 4, 3, false, PICTURE);
    assert!(may_start(&track));
}

#[test]
fn a_key_frame_counts_though_the_last_one_was_ten_hours_ago() {
    let (mut track, start) = (h264(), Instant::now());
    push(&mut track, start, 1, 1, true, PARAMETERS);
    // Half the range of timestamps is less than seven hours of 90 kHz.
    let (hours, frame) = (Duration::from_secs(36_000), 36_000 * 30);
    assert_eq!(
        push(&mut track, start + hours, 2, frame, true, PARAMETERS),
        Pushed::Stored { key_frame: true }
    );
    assert_eq!(track.live_timestamp(), Some(frame * 3000));
    assert!(track.start(start + hours).is_some());
}
