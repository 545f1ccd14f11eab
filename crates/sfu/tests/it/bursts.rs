//! How packets leave together: sizes made equal, frames held for their last packet, a pace for what is much.

use std::time::{Duration, Instant};

use headwater_netsim::{EndpointId, Link};
use headwater_rtp::SequenceNumber;
use headwater_sfu::history::{Cursor, Read};
use headwater_sfu::track::{Kind, Track};
use headwater_sfu::{COALESCE, Config, Datagram, LocalStream, MediaPacket, Transmit};

use crate::rig::{Rig, Watching, opus, vp8};

/// A viewer of a stream that the test makes, packet by packet.
struct Bench {
    rig: Rig,
    viewer: EndpointId,
    stream: LocalStream,
    now: Instant,
    sequence: u16,
    cursor: Cursor,
}

impl Bench {
    fn new(configure: impl FnOnce(&mut Config)) -> Self {
        let mut rig = Rig::with(Link::lan(), configure);
        let now = rig.now();
        let server = rig.server;
        let sfu = &mut rig.net.get_mut(server).sfu;
        let stream = sfu.open_stream(now, "stream", &[vp8(), opus()]).expect("a new stream");
        let mut bench = Self { rig, viewer: server, stream, now, sequence: 100, cursor: Cursor::default() };
        bench.send(0, &[100], true);
        bench.viewer = bench.rig.viewer().expect("the offer is good");
        let viewer = bench.viewer;
        bench.rig.net.get_mut(viewer).watching = Some(Watching::default());
        bench.rig.net.run_until(|net| !net[viewer].seen().video.is_empty());
        bench.now = bench.rig.now() + Duration::from_secs(1);
        // What is due beside media is out of the way.
        bench.sent();
        bench.cursor = bench.video().history.end();
        bench
    }

    /// What the viewer has of the video.
    fn video(&self) -> &Track {
        let tracks = self.rig.net[self.viewer].sfu.tracks("stream").expect("it watches");
        tracks.iter().find(|track| track.kind == Kind::Video).expect("it has video")
    }

    /// Packets of one frame with these payload sizes; with its end, or without.
    fn send(&mut self, frame: u32, sizes: &[usize], ends: bool) {
        for (index, &size) in sizes.iter().enumerate() {
            let mut payload = vec![7; size];
            payload[..5].copy_from_slice(&[0x80, 0x80, 0x80, frame as u8, u8::from(frame > 0)]);
            payload[0] |= u8::from(index == 0) << 4;
            let packet = MediaPacket {
                sequence: SequenceNumber(self.sequence),
                timestamp: frame * 3000,
                marker: ends && index + 1 == sizes.len(),
                payload: &payload,
            };
            self.sequence = self.sequence.wrapping_add(1);
            let server = self.rig.server;
            assert!(self.rig.net.get_mut(server).sfu.handle_media(self.now, self.stream, 0, &packet));
        }
    }

    /// What leaves now; the viewer gets it. Reports and the like are left out.
    fn sent(&mut self) -> Vec<Transmit> {
        let (server, viewer, now) = (self.rig.server, self.viewer, self.now);
        let mut all = Vec::new();
        let mut buf = Vec::new();
        self.rig.net.get_mut(server).sfu.handle_timeout(now);
        while let Some(transmit) = self.rig.net.get_mut(server).sfu.poll_transmit(now, &mut buf) {
            let is_media = (128..192).contains(&buf[0]) && !(192..224).contains(&buf[1]);
            if is_media {
                all.push(transmit);
            }
            let segment = transmit.segment_size.map_or(transmit.len, usize::from);
            for datagram in buf.chunks_mut(segment) {
                let datagram = Datagram::new(transmit.remote, transmit.local, now, datagram);
                let got = self.rig.net.get_mut(viewer).sfu.handle_datagram(now, datagram);
                assert!(got.is_ok() || !is_media, "{got:?}");
            }
            buf.clear();
        }
        all
    }

    /// Payload sizes that the viewer received since the last time.
    fn received(&mut self) -> Vec<usize> {
        let (mut sizes, mut cursor) = (Vec::new(), self.cursor);
        while let Read::Packet(packet) = self.video().history.read(&mut cursor) {
            sizes.push(packet.payload.len());
        }
        self.cursor = cursor;
        sizes
    }
}

fn segments(transmit: &Transmit) -> usize {
    transmit.segment_size.map_or(1, |segment| transmit.len.div_ceil(usize::from(segment)))
}

#[test]
fn a_frame_of_nearly_equal_packets_is_one_message_and_arrives_as_it_was() {
    let mut bench = Bench::new(|_| {});
    // As libwebrtc splits: about equal, the longer ones last.
    let sizes = [1157, 1157, 1157, 1158, 1158, 1158, 1158, 1158, 1158];
    bench.send(1, &sizes, true);
    let sent = bench.sent();
    assert_eq!(sent.iter().map(segments).collect::<Vec<_>>(), [9]);
    assert_eq!(bench.received(), sizes);
    // A short last one needs no padding; one that is much longer than the first begins another message.
    let sizes = [1100, 1100, 200];
    bench.send(2, &sizes, true);
    assert_eq!(bench.sent().iter().map(segments).collect::<Vec<_>>(), [3]);
    assert_eq!(bench.received(), sizes);
    let sizes = [500, 1100, 1090, 1069, 1067];
    bench.send(3, &sizes, true);
    assert_eq!(bench.sent().iter().map(segments).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(bench.received(), sizes);
}

#[test]
fn padding_never_exceeds_what_a_message_saved_is_worth() {
    let mut bench = Bench::new(|_| {});
    bench.send(1, &[1000, 1033, 1000, 1033], true);
    let sent = bench.sent();
    let total: usize = sent.iter().map(|transmit| transmit.len).sum();
    assert_eq!(bench.received(), [1000, 1033, 1000, 1033]);
    let bare = sent.len();
    assert!(bare > 1, "33 bytes are more than is padded");
    bench.send(2, &[1000, 1032, 1000, 1032], true);
    let sent = bench.sent();
    assert_eq!(sent.iter().map(segments).collect::<Vec<_>>(), [4]);
    assert_eq!(sent[0].len, total - 2 + 2 * 32);
    let server = bench.rig.server;
    assert_eq!(bench.rig.net[server].sfu.counters().padding_bytes, 2 * 32);
    assert_eq!(bench.received(), [1000, 1032, 1000, 1032]);
}

#[test]
fn a_frame_waits_for_its_last_packet_and_no_longer_than_the_window() {
    let mut bench = Bench::new(|_| {});
    bench.send(1, &[1000, 1000], false);
    assert_eq!(bench.sent(), []);
    bench.now += Duration::from_millis(2);
    bench.send(1, &[1000], true);
    assert_eq!(bench.sent().iter().map(segments).collect::<Vec<_>>(), [3]);

    // The end is lost.
    bench.send(2, &[1000, 1000], false);
    assert_eq!(bench.sent(), []);
    let server = bench.rig.server;
    let due = bench.rig.net[server].sfu.poll_timeout().expect("it waits");
    assert!(due <= bench.now + COALESCE, "{:?}", due - bench.now);
    bench.now += COALESCE - Duration::from_micros(1);
    assert_eq!(bench.sent(), []);
    bench.now += Duration::from_micros(1);
    assert_eq!(bench.sent().iter().map(segments).collect::<Vec<_>>(), [2]);
    assert_eq!(bench.received(), [1000; 5]);
}

#[test]
fn without_a_window_nothing_waits() {
    let mut bench = Bench::new(|config| config.coalesce = Duration::ZERO);
    for _ in 0..3 {
        bench.send(1, &[1000], false);
        assert_eq!(bench.sent().iter().map(segments).collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn a_huge_key_frame_leaves_in_bursts_at_a_pace() {
    let mut bench = Bench::new(|_| {});
    bench.send(1, &[1150; 200], true);
    let start = bench.now;
    let mut bytes = Vec::new();
    let mut received = Vec::new();
    loop {
        let sent = bench.sent();
        assert!(sent.iter().all(|transmit| segments(transmit) <= 16));
        bytes.push(sent.iter().map(|transmit| transmit.len).sum::<usize>());
        received.extend(bench.received());
        if received.len() == 200 {
            break;
        }
        let server = bench.rig.server;
        bench.now = bench.rig.net[server].sfu.poll_timeout().expect("it waits").max(bench.now);
        assert!(bench.now < start + Duration::from_millis(60), "{bytes:?}");
    }
    // 5 ms at 5 MB/s, and the burst that went over it.
    assert!(bytes[0] <= 25_000 + 20_000, "{bytes:?}");
    assert!(bench.now >= start + Duration::from_millis(30), "{:?}", bench.now - start);
    assert_eq!(received, [1150; 200]);
}
