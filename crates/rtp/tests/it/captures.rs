//! What real browsers sent: `tests/fixtures`, and the whole captures where they are at hand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use headwater_rtp::extension::{
    AbsSendTime, AudioLevel, DependencyDescriptor, Kind, Map, RepairedRid, TransportSequence,
    VideoLayersAllocation, dependency_descriptor::Structure,
};
use headwater_rtp::payload::{PictureId, Places, opus, vp8, vp9};
use headwater_rtp::rtcp::{self, Builder, transport_cc};
use headwater_rtp::{Codec, Descriptor, Mid, Packet, Rid, SequenceNumber, describe, is_rtcp, rtx};

const CHROMIUM: &[(u8, Kind)] = &[
    (1, Kind::AudioLevel),
    (2, Kind::AbsSendTime),
    (3, Kind::TransportSequence),
    (4, Kind::Mid),
    (5, Kind::PlayoutDelay),
    (6, Kind::ContentType),
    (7, Kind::Timing),
    (8, Kind::ColorSpace),
    (9, Kind::VideoLayersAllocation),
    (10, Kind::Rid),
    (11, Kind::RepairedRid),
    (12, Kind::DependencyDescriptor),
    (13, Kind::Orientation),
    (14, Kind::TransmissionOffset),
];
const FIREFOX: &[(u8, Kind)] = &[
    (1, Kind::AudioLevel),
    (3, Kind::Mid),
    (4, Kind::AbsSendTime),
    (5, Kind::TransmissionOffset),
    (6, Kind::PlayoutDelay),
    (7, Kind::TransportSequence),
];

struct Capture {
    name: String,
    video: Codec,
    map: Map,
    datagrams: Vec<Vec<u8>>,
}

/// What a payload type means in a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Media(Codec),
    Rtx,
}

impl Capture {
    fn read(path: &Path) -> Self {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let codec = |text: &str| Codec::from_name(name.split('-').nth(1).unwrap().trim_end_matches(text));
        let video = codec(".rtpdump.txt").unwrap_or_else(|| panic!("{name}: no codec"));
        let ids = if name.starts_with("firefox") { FIREFOX } else { CHROMIUM };
        let mut map = Map::new();
        ids.iter().for_each(|(id, kind)| map.insert(*id, *kind).unwrap());
        let text = std::fs::read_to_string(path).unwrap();
        let datagram = |line: &str| hex::decode(line.split(' ').nth(2).unwrap()).unwrap();
        let datagrams = text.lines().map(datagram).collect();
        Self { name, video, map, datagrams }
    }

    fn format(&self, payload_type: u8) -> Format {
        let firefox = self.name.starts_with("firefox");
        match payload_type {
            111 => Format::Media(Codec::Opus),
            109 if firefox => Format::Media(Codec::Opus),
            97 | 124 | 99 | 109 | 46 => Format::Rtx,
            96 | 120 | 98 | 108 | 45 => Format::Media(self.video),
            other => panic!("{}: payload type {other}", self.name),
        }
    }

    fn rtp(&self) -> impl Iterator<Item = (Format, Packet<&[u8]>)> {
        let rtp = self.datagrams.iter().filter(|datagram| !is_rtcp(datagram));
        rtp.map(|datagram| {
            let packet = Packet::parse(datagram.as_slice()).unwrap();
            (self.format(packet.payload_type().value()), packet)
        })
    }

    /// Video packets that have a payload.
    fn video(&self) -> impl Iterator<Item = (Packet<&[u8]>, Descriptor)> {
        let media = self
            .rtp()
            .filter(|(format, packet)| *format == Format::Media(self.video) && !packet.payload().is_empty());
        media.map(|(_, packet)| (packet, describe(self.video, packet.payload())))
    }
}

fn captures() -> Vec<Capture> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let shared = std::env::var_os("HEADWATER_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/rtp"),
        |vectors| Path::new(&vectors).join("../fixtures/rtp"),
    );
    if !shared.is_dir() {
        eprintln!("{} is not there: only the selection in tests/fixtures is read", shared.display());
    }
    let files = |folder: &Path| -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.to_str().is_some_and(|path| path.ends_with(".rtpdump.txt"))).collect()
    };
    let paths = [files(&ours), files(&shared)].concat();
    assert!(paths.len() >= 9, "the selection is there");
    paths.iter().map(|path| Capture::read(path)).collect()
}

#[test]
fn every_packet_and_extension_of_a_browser_parses() {
    let mut seen: HashMap<Kind, usize> = HashMap::new();
    for capture in captures() {
        for (format, packet) in capture.rtp() {
            for (id, _) in packet.extensions() {
                let kind = capture.map.kind(id).unwrap_or_else(|| panic!("{}: id {id}", capture.name));
                *seen.entry(kind).or_default() += 1;
            }
            let map = &capture.map;
            packet.extension::<Mid>(map).unwrap();
            packet.extension::<Rid>(map).unwrap();
            packet.extension::<RepairedRid>(map).unwrap();
            packet.extension::<AbsSendTime>(map).unwrap();
            packet.extension::<headwater_rtp::extension::PlayoutDelay>(map).unwrap();
            packet.extension::<headwater_rtp::extension::ContentType>(map).unwrap();
            packet.extension::<headwater_rtp::extension::Timing>(map).unwrap();
            packet.extension::<headwater_rtp::extension::ColorSpace>(map).unwrap();
            packet.extension::<headwater_rtp::extension::Orientation>(map).unwrap();
            packet.extension::<headwater_rtp::extension::TransmissionOffset>(map).unwrap();
            packet.extension::<VideoLayersAllocation>(map).unwrap();
            let number = packet.extension::<TransportSequence>(map).unwrap();
            assert!(number.is_some() || format == Format::Media(Codec::Opus), "{}", capture.name);
            let level = packet.extension::<AudioLevel>(map).unwrap();
            assert_eq!(level.is_some(), format == Format::Media(Codec::Opus), "{}", capture.name);
        }
    }
    for kind in
        [Kind::Mid, Kind::Rid, Kind::RepairedRid, Kind::DependencyDescriptor, Kind::VideoLayersAllocation]
    {
        assert!(seen.contains_key(&kind), "{kind:?} occurs");
    }
}

#[test]
fn first_video_packet_of_each_stream_begins_a_key_frame() {
    for capture in captures() {
        let mut streams = HashMap::new();
        for (packet, descriptor) in capture.video() {
            let first = streams.insert(packet.ssrc(), ()).is_none();
            if first {
                assert!(descriptor.key_frame, "{}: {:?}", capture.name, packet.ssrc());
                assert!(descriptor.frame_start);
                let (width, height) = descriptor.resolution.unwrap_or_else(|| panic!("{}", capture.name));
                assert!((160..=1280).contains(&width) && (90..=720).contains(&height), "{width}x{height}");
            }
        }
        assert!(!streams.is_empty());
    }
}

#[test]
fn frames_begin_after_markers() {
    for capture in captures() {
        let mut last: HashMap<_, (SequenceNumber, bool)> = HashMap::new();
        for (packet, descriptor) in capture.video() {
            let before = last.insert(packet.ssrc(), (packet.sequence_number(), packet.marker()));
            if let Some((number, marker)) = before
                && number.next() == packet.sequence_number()
            {
                assert!(!marker || descriptor.frame_start, "{}: {descriptor:?}", capture.name);
            }
        }
    }
}

#[test]
fn picture_ids_go_up_with_each_picture() {
    for capture in captures().iter().filter(|capture| matches!(capture.video, Codec::Vp8 | Codec::Vp9)) {
        let mut last = HashMap::new();
        for (packet, descriptor) in capture.video() {
            // Chromium leaves picture ids out of VP8 where the dependency descriptor is negotiated.
            let Some(id) = descriptor.picture_id else {
                assert!(packet.extension_value(12).is_some(), "{}", capture.name);
                continue;
            };
            assert_eq!(id.bits, 15);
            if let Some((sequence, before, timestamp)) =
                last.insert(packet.ssrc(), (packet.sequence_number(), id, packet.timestamp()))
                && sequence.next() == packet.sequence_number()
            {
                let step = id.value.wrapping_sub(before.value) & 0x7fff;
                // An encoder that starts again may leave some out.
                assert_eq!(step > 0, timestamp != packet.timestamp(), "{}", capture.name);
                assert!(step < 32, "{}: {step}", capture.name);
            }
        }
    }
}

#[test]
fn rewriting_changes_the_ids_and_nothing_else() {
    for capture in captures() {
        for (packet, before) in capture.video() {
            let payload = packet.payload();
            let rewrite = match capture.video {
                Codec::Vp8 => vp8::write_rewritten,
                Codec::Vp9 => vp9::write_rewritten,
                _ => continue,
            };
            let mut out = Vec::new();
            rewrite(payload, 0x7abc, 0x5d, &mut out);
            let mut in_place = out.clone();
            let places = Places::of(capture.video, &out);
            places.replace(&mut in_place, 0, 0);
            assert_eq!(Places::of(capture.video, &in_place), places);
            places.replace(&mut in_place, 0x7abc, 0x5d);
            assert_eq!(in_place, out, "{}", capture.name);
            let after = describe(capture.video, &out);
            assert_eq!(after.picture_id, before.picture_id.map(|_| PictureId::wide(0x7abc)));
            assert_eq!(after.tl0_picture_index, before.tl0_picture_index.map(|_| 0x5d));
            let mut expected = before;
            expected.picture_id = after.picture_id;
            expected.tl0_picture_index = after.tl0_picture_index;
            assert_eq!(after, expected, "{}", capture.name);
            let mut back = Vec::new();
            rewrite(
                &out,
                before.picture_id.map_or(0, |id| id.value),
                before.tl0_picture_index.unwrap_or(0),
                &mut back,
            );
            assert_eq!(back, payload, "{}", capture.name);
        }
    }
}

#[test]
fn rtx_packets_unwrap_to_a_payload_or_are_probes() {
    let mut resent = 0;
    for capture in captures() {
        let streams: HashMap<_, _> = capture.video().map(|(packet, _)| (packet.ssrc(), ())).collect();
        assert!(!streams.is_empty());
        for (_, packet) in capture.rtp().filter(|(format, _)| *format == Format::Rtx) {
            match rtx::unwrap(packet.payload()) {
                Some((number, payload)) => {
                    resent += 1;
                    let mut again = Vec::new();
                    rtx::wrap(number, payload, &mut again);
                    assert_eq!(again, packet.payload());
                }
                None => assert!(packet.padding_len() > 0, "{}", capture.name),
            }
        }
    }
    assert!(resent > 0);
}

#[test]
fn opus_packets_play_twenty_milliseconds() {
    for capture in captures() {
        for (_, packet) in capture.rtp().filter(|(format, _)| *format == Format::Media(Codec::Opus)) {
            assert_eq!(opus::Toc::parse(packet.payload()).unwrap().ticks(), 960, "{}", capture.name);
        }
    }
}

#[test]
fn dependency_descriptors_agree_with_the_payload() {
    let mut frames = 0;
    for capture in captures() {
        let mut structures: HashMap<_, Structure> = HashMap::new();
        for (packet, described) in capture.video() {
            let Some(value) =
                capture.map.id(Kind::DependencyDescriptor).and_then(|id| packet.extension_value(id))
            else {
                continue;
            };
            let descriptor = packet.extension::<DependencyDescriptor>(&capture.map).unwrap().unwrap();
            if let Some(structure) = Structure::parse(value).unwrap() {
                structures.insert(packet.ssrc(), structure);
            }
            assert!(described.frame_start || !descriptor.start_of_frame, "{}", capture.name);
            // With H.264 the packet behind the parameter sets says so too.
            if described.key_frame && (capture.video != Codec::H264 || described.resolution.is_some()) {
                assert!(descriptor.is_key_frame_start(), "{}", capture.name);
            }
            let Some(structure) = structures.get(&packet.ssrc()) else { continue };
            let frame = structure.frame(value).unwrap();
            if let Some(spatial_id) = described.spatial_id {
                assert_eq!(frame.template.spatial_id, spatial_id, "{}", capture.name);
            }
            if let Some(temporal_id) = described.temporal_id {
                assert_eq!(frame.template.temporal_id, temporal_id, "{}", capture.name);
            }
            frames += 1;
        }
    }
    assert!(frames > 50, "{frames}");
}

#[test]
fn rtcp_of_browsers_parses_and_is_of_the_known_kinds() {
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    for capture in captures() {
        for datagram in capture.datagrams.iter().filter(|datagram| is_rtcp(datagram)) {
            for packet in rtcp::packets(datagram) {
                let kind = match packet.unwrap() {
                    rtcp::Packet::SenderReport(_) => "sender report",
                    rtcp::Packet::ReceiverReport(_) => "receiver report",
                    rtcp::Packet::Sdes(sdes) => {
                        assert_eq!(sdes.cnames().count(), 1);
                        "source description"
                    }
                    rtcp::Packet::Bye(bye) => {
                        assert_eq!(bye.sources().count(), 1);
                        "bye"
                    }
                    rtcp::Packet::TransportCc(_) => "transport-cc",
                    rtcp::Packet::ExtendedReport(report) => {
                        assert!(report.blocks().count() > 0);
                        "extended report"
                    }
                    rtcp::Packet::Remb(_) => "remb",
                    rtcp::Packet::Pli(_) => "pli",
                    rtcp::Packet::Nack(_) => "nack",
                    other => panic!("{}: {other:?}", capture.name),
                };
                *kinds.entry(kind).or_default() += 1;
            }
        }
    }
    for kind in
        ["sender report", "receiver report", "source description", "bye", "transport-cc", "extended report"]
    {
        assert!(kinds.contains_key(kind), "{kind} occurs in {kinds:?}");
    }
}

#[test]
fn transport_feedback_of_browsers_keeps_its_meaning_when_written_again() {
    let mut count = 0;
    for capture in captures() {
        for datagram in capture.datagrams.iter().filter(|datagram| is_rtcp(datagram)) {
            for packet in rtcp::packets(datagram) {
                let Ok(rtcp::Packet::TransportCc(feedback)) = packet else { continue };
                let deltas: Vec<_> = feedback.deltas().map(|(_, delta)| delta).collect();
                assert_eq!(deltas.len(), usize::from(feedback.status_count));
                let again = transport_cc::Feedback::new(
                    feedback.base,
                    feedback.reference_time,
                    feedback.feedback_count,
                    &deltas,
                );
                let mut out = Vec::new();
                Builder::new(&mut out).transport_cc(feedback.sender, feedback.media, &again);
                let Some(Ok(rtcp::Packet::TransportCc(parsed))) = rtcp::packets(&out).next() else {
                    panic!("{}: written feedback does not parse", capture.name)
                };
                assert!(parsed.statuses().eq(feedback.statuses()), "{}", capture.name);
                assert_eq!(parsed.reference_time, feedback.reference_time);
                assert!(out.len() <= datagram.len(), "no longer than the browser's own");
                count += 1;
            }
        }
    }
    assert!(count > 40);
}
