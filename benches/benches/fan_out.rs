//! One video frame from a publisher to N viewers: history, rewriting, headers, SRTP; everything but the kernel.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headwater_rtp::{Codec, SequenceNumber};
use headwater_sfu::track::Format;
use headwater_sfu::{Certificate, Config, Datagram, LocalStream, MediaPacket, Offering, Sfu};

/// Packets of a frame at 2.5 Mbit/s and 30 frames a second.
const PACKETS: u16 = 9;
const FRAME: Duration = Duration::from_millis(33);

struct Rig {
    server: Sfu,
    stream: LocalStream,
    now: Instant,
    frame: u32,
    buf: Vec<u8>,
}

impl Rig {
    fn new(viewers: usize) -> Self {
        let certificate = Certificate::generate().expect("a certificate");
        let now = Instant::now();
        let sfu = |address: SocketAddr, seed: u16| {
            let mut random = [0; 32];
            random[..2].copy_from_slice(&seed.to_be_bytes());
            let config = Config::new(certificate.clone(), vec![address]);
            Sfu::new(config, random, now, Duration::from_secs(1_800_000_000)).expect("it can work")
        };
        let here = SocketAddr::from(([192, 0, 2, 1], 8189));
        let format = Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() };
        let mut server = sfu(here, 0);
        let stream = server.open_stream(now, "bench", std::slice::from_ref(&format)).expect("a new stream");
        let mut rig = Self { server, stream, now, frame: 0, buf: Vec::with_capacity(64 << 10) };
        rig.frame(true);
        for viewer in 1..=viewers as u16 {
            let there = SocketAddr::from(([127, 1, (viewer >> 8) as u8, viewer as u8], 5000));
            let mut client = sfu(there, viewer);
            let offered =
                client.offer(now, "bench", &Offering::receiving(vec![format.clone()])).expect("a good offer");
            let accepted = rig
                .server
                .watch(now, "bench", &offered.offer, IpAddr::from([127, 0, 0, 1]))
                .expect("a good offer");
            client.accept_answer(now, offered.peer, &accepted.answer).expect("a good answer");
            rig.connect(&mut client);
        }
        // The first reports and key frames are out of the way.
        for _ in 0..90 {
            rig.frame(false);
        }
        rig
    }

    fn connect(&mut self, client: &mut Sfu) {
        for _ in 0..200 {
            self.now += Duration::from_millis(5);
            client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
            for forth in [true, false] {
                let (from, to) =
                    if forth { (&mut *client, &mut self.server) } else { (&mut self.server, &mut *client) };
                self.buf.clear();
                while let Some(transmit) = from.poll_transmit(self.now, &mut self.buf) {
                    let segment = transmit.segment_size.map_or(transmit.len, usize::from);
                    for datagram in self.buf.chunks_mut(segment) {
                        let datagram = Datagram::new(transmit.remote, transmit.local, self.now, datagram);
                        // A viewer connected before refuses nothing here: it is not listening any more.
                        let _ = to.handle_datagram(self.now, datagram);
                    }
                    self.buf.clear();
                }
            }
            if client.peers(self.now).iter().any(|peer| peer.is_connected) {
                return;
            }
        }
        panic!("a viewer did not connect");
    }

    /// A frame comes in and goes out; returns the packets sent.
    fn frame(&mut self, key: bool) -> usize {
        self.now += FRAME;
        self.frame += 1;
        let mut payload = [0_u8; 1160];
        payload[..5].copy_from_slice(&[
            0x80,
            0x80,
            0x80 | (self.frame >> 8 & 0x7f) as u8,
            self.frame as u8,
            0,
        ]);
        for index in 0..PACKETS {
            payload[0] = 0x80 | u8::from(index == 0) << 4;
            payload[4] = u8::from(!key);
            let packet = MediaPacket {
                sequence: SequenceNumber((self.frame as u16).wrapping_mul(PACKETS).wrapping_add(index)),
                timestamp: self.frame * 3000,
                marker: index + 1 == PACKETS,
                payload: &payload,
            };
            self.server.handle_media(self.now, self.stream, 0, &packet);
        }
        let mut packets = 0;
        self.buf.clear();
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut self.buf) {
            packets += transmit.segment_size.map_or(1, |segment| transmit.len.div_ceil(usize::from(segment)));
            self.buf.clear();
        }
        packets
    }
}

fn fan_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan-out of a frame");
    for viewers in [1, 10, 100] {
        let mut rig = Rig::new(viewers);
        let packets = rig.frame(false);
        assert!(packets >= viewers * usize::from(PACKETS), "everybody gets the frame: {packets}");
        group.throughput(Throughput::Elements((viewers * usize::from(PACKETS)) as u64));
        group.bench_with_input(BenchmarkId::from_parameter(viewers), &viewers, |b, _| {
            b.iter(|| rig.frame(false));
        });
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
