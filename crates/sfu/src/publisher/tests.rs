use headwater_rtp::{Codec, PacketBuilder};

use super::*;

const MEDIA: PayloadType = PayloadType::new(96).expect("in range");
const RTX: PayloadType = PayloadType::new(97).expect("in range");

fn publisher(now: Instant, tracks: &mut [Track]) -> Publisher {
    let format = Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() };
    let agreement = Agreement {
        kind: Kind::Video,
        mid: "0".into(),
        payload_types: vec![(MEDIA, Meaning::Media(0)), (RTX, Meaning::Rtx(MEDIA))],
        formats: vec![format.clone()],
        extensions: Map::new(),
        announced: vec![(Ssrc(1), false), (Ssrc(2), true)],
        nack: true,
        pli: true,
    };
    let mut publisher = Publisher::new(vec![agreement], Ssrc(9), "c".into(), 100_000_000, now);
    publisher.bind(0, 0, tracks[0].begin(&[format]));
    publisher
}

fn packet(ssrc: Ssrc, payload_type: PayloadType, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = PacketBuilder::new(payload_type, SequenceNumber(sequence), 5, ssrc);
    header.write(payload, &mut bytes).expect("it fits");
    bytes
}

#[test]
fn what_browsers_probe_with_is_not_taken_for_media() {
    let now = Instant::now();
    let clock = NtpAnchor::new(now, Duration::ZERO);
    let mut tracks = [Track::new(Kind::Video)];
    let mut publisher = publisher(now, &mut tracks);
    for sequence in [1000, 1001, 1003] {
        let bytes = packet(Ssrc(1), MEDIA, sequence, &[0x10, 1, 2, 3]);
        let handled = publisher.handle_rtp(now, now, &clock, &bytes, &mut tracks);
        assert!(matches!(handled, Handled::Stored { .. }));
    }
    let newest = tracks[0].history.newest().expect("stored").meta.sequence;
    for (index, (original, stored)) in
        [(1001, false), (34_000, false), (33_000, false), (900, false), (1002, true)].into_iter().enumerate()
    {
        let payload = [&u16::to_be_bytes(original)[..], &[0, 1, 2, 3]].concat();
        let bytes = packet(Ssrc(2), RTX, index as u16, &payload);
        let handled = publisher.handle_rtp(now, now, &clock, &bytes, &mut tracks);
        assert_eq!(matches!(handled, Handled::Stored { .. }), stored, "{original}");
    }
    assert_eq!(tracks[0].history.newest().expect("stored").meta.sequence, newest - 1);
    assert_eq!(publisher.received().repaired, 1);
}

#[test]
fn who_sends_little_is_told_of_arrivals_less_often() {
    for (bytes, millis) in [(9_000, 151), (40_000, 50), (312_500, 50), (100, 250), (0, 250)] {
        assert_eq!(feedback::interval(bytes), Duration::from_millis(millis), "{bytes} bytes a second");
    }
}
