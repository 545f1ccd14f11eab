//! What a viewer holds, and what a packet costs, in allocations: the counter's allocator is the whole binary's, and counts by thread.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use headwater_rtp::{Codec, SequenceNumber};
use headwater_sfu::track::Format;
use headwater_sfu::{
    Batch, Certificate, Config, Datagram, LocalStream, MediaPacket, Offering, PeerId, Sfu, Transmit,
};

/// What a connected viewer of sound and pictures may hold, in bytes.
const BYTES_PER_VIEWER: i64 = 10 << 10;
/// Packets of a frame at 2.5 Mbit/s and 30 frames a second.
const PACKETS: u16 = 9;
const TICK: Duration = Duration::from_millis(10);

/// A unit that counts what happens inside of it.
struct Counted {
    sfu: Sfu,
    /// Bytes that it holds.
    bytes: i64,
    /// Allocations by datagrams and calls to poll, since the last reset.
    allocations: u64,
}

impl Counted {
    fn call<T>(&mut self, call: impl FnOnce(&mut Sfu) -> T) -> T {
        let mut result = None;
        let AllocationInfo { bytes_current, count_total, .. } =
            measure(|| result = Some(call(&mut self.sfu)));
        self.bytes += bytes_current;
        self.allocations += count_total;
        result.expect("it was called")
    }

    /// An SDP text that it has handed out is not its own any more.
    fn hand_out(&mut self, text: &String) {
        self.bytes -= text.capacity() as i64;
    }
}

struct Client {
    sfu: Sfu,
    peer: PeerId,
    address: SocketAddr,
}

struct Rig {
    server: Counted,
    publisher: Client,
    stream: LocalStream,
    viewers: Vec<Client>,
    certificate: Certificate,
    start: Instant,
    now: Instant,
    frames: u32,
    sounds: u32,
    buf: Vec<u8>,
}

fn formats() -> Vec<Format> {
    vec![
        Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() },
        Format { codec: Codec::Opus, clock_rate: 48_000, parameters: "minptime=10;useinbandfec=1".into() },
    ]
}

fn unit(certificate: &Certificate, address: SocketAddr, now: Instant) -> Sfu {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&address.port().to_be_bytes());
    let config = Config::new(certificate.clone(), vec![address]);
    Sfu::new(config, seed, now, Duration::from_secs(1_800_000_000)).expect("it can work")
}

fn here() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 8189))
}

const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

impl Rig {
    /// A live stream, and so many who watch.
    fn new(viewers: u16) -> Self {
        let certificate = Certificate::generate().expect("a certificate");
        let now = Instant::now();
        let mut server = Counted { sfu: unit(&certificate, here(), now), bytes: 0, allocations: 0 };
        let address = SocketAddr::from(([127, 1, 0, 1], 5000));
        let mut sfu = unit(&certificate, address, now);
        let stream = sfu.open_stream(now, "stream", &formats()).expect("a new stream");
        let offered = sfu.offer(now, "stream", &Offering::sending(formats())).expect("a good offer");
        let accepted =
            server.call(|sfu| sfu.publish(now, "stream", &offered.offer, LOCALHOST)).expect("a good offer");
        sfu.accept_answer(now, offered.peer, &accepted.answer).expect("a good answer");
        server.hand_out(&accepted.answer);
        let publisher = Client { sfu, peer: offered.peer, address };
        let mut rig = Self {
            server,
            publisher,
            stream,
            viewers: Vec::new(),
            certificate,
            start: now,
            now,
            frames: 0,
            sounds: 0,
            buf: Vec::with_capacity(64 << 10),
        };
        rig.until("the stream is live", |rig| rig.server.sfu.streams(rig.now).iter().any(|it| it.is_live));
        for viewer in 0..viewers {
            rig.watch(SocketAddr::from(([127, 2, 0, 1], 5001 + viewer)));
        }
        rig.until("everybody watches", |rig| {
            let connected = |viewer: &Client| viewer.sfu.contains(viewer.peer);
            rig.viewers.iter().all(connected) && {
                let streams = rig.server.sfu.streams(rig.now);
                streams.iter().any(|it| it.viewers == usize::from(viewers))
            }
        });
        rig
    }

    fn watch(&mut self, address: SocketAddr) {
        let now = self.now;
        let mut sfu = unit(&self.certificate, address, now);
        let offered = sfu.offer(now, "stream", &Offering::receiving(formats())).expect("a good offer");
        let accepted = self.server.call(|sfu| sfu.watch(now, "stream", &offered.offer, LOCALHOST));
        let accepted = accepted.expect("a good offer");
        sfu.accept_answer(now, offered.peer, &accepted.answer).expect("a good answer");
        self.server.hand_out(&accepted.answer);
        self.viewers.push(Client { sfu, peer: offered.peer, address });
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if done(self) {
                return;
            }
            self.tick();
        }
        panic!("in vain: {what}");
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick();
        }
    }

    /// Ten milliseconds: what is due is sent, and arrives.
    fn tick(&mut self) {
        self.now += TICK;
        let now = self.now;
        self.produce();
        self.publisher.sfu.handle_timeout(now);
        Self::deliver(now, &mut self.publisher, &mut self.server, &mut self.buf);
        self.server.call(|sfu| sfu.handle_timeout(now));
        self.deliver_from_server();
        for viewer in &mut self.viewers {
            viewer.sfu.handle_timeout(now);
            Self::deliver(now, viewer, &mut self.server, &mut self.buf);
        }
        self.deliver_from_server();
    }

    fn produce(&mut self) {
        let time = self.now - self.start;
        let mut send = |line, sequence, timestamp, marker, payload: &[u8]| {
            let packet = MediaPacket { sequence: SequenceNumber(sequence), timestamp, marker, payload };
            self.publisher.sfu.handle_media(self.now, self.stream, line, &packet);
        };
        while Duration::from_millis(20) * self.sounds < time {
            send(1, self.sounds as u16, self.sounds * 960, false, &[0xfc; 80]);
            self.sounds += 1;
        }
        while Duration::from_millis(33) * self.frames < time {
            // A key frame each second: the history fills up with what a late join needs.
            let is_key = self.frames.is_multiple_of(30);
            let mut payload = [0_u8; 1160];
            payload[1..4].copy_from_slice(&[0x80, 0x80 | (self.frames >> 8 & 0x7f) as u8, self.frames as u8]);
            for index in 0..PACKETS {
                payload[0] = 0x80 | u8::from(index == 0) << 4;
                payload[4] = u8::from(!is_key);
                let sequence = (self.frames as u16).wrapping_mul(PACKETS).wrapping_add(index);
                send(0, sequence, self.frames * 2970, index + 1 == PACKETS, &payload);
            }
            self.frames += 1;
        }
    }

    fn deliver(now: Instant, from: &mut Client, to: &mut Counted, buf: &mut Vec<u8>) {
        buf.clear();
        while let Some(Transmit { len, segment_size, .. }) = from.sfu.poll_transmit(now, buf) {
            for datagram in buf.chunks_mut(segment_size.map_or(len, usize::from)) {
                let datagram = Datagram::new(here(), from.address, now, datagram);
                let _ = to.call(|sfu| sfu.handle_datagram(now, datagram));
            }
            buf.clear();
        }
        while from.sfu.poll_event().is_some() {}
    }

    fn deliver_from_server(&mut self) {
        let Self { server, publisher, viewers, now, buf, .. } = self;
        buf.clear();
        while let Some(transmit) = server.call(|sfu| sfu.poll_transmit(*now, buf)) {
            let to = match transmit.remote.port() {
                5000 => &mut *publisher,
                port => &mut viewers[usize::from(port - 5001)],
            };
            for datagram in buf.chunks_mut(transmit.segment_size.map_or(transmit.len, usize::from)) {
                let datagram = Datagram::new(transmit.remote, here(), *now, datagram);
                let _ = to.sfu.handle_datagram(*now, datagram);
            }
            buf.clear();
        }
        while server.call(Sfu::poll_event).is_some() {}
    }
}

#[test]
fn a_connected_viewer_holds_a_few_kilobytes() {
    let held = |viewers| {
        let mut rig = Rig::new(viewers);
        let connected = rig.server.bytes;
        rig.run(Duration::from_secs(5));
        (connected, rig.server.bytes)
    };
    let (few, many) = (held(4), held(20));
    let (at_once, later) = ((many.0 - few.0) / 16, (many.1 - few.1) / 16);
    println!("{at_once} bytes a viewer just after the handshake, {later} after five seconds");
    assert!(later <= BYTES_PER_VIEWER, "{later} bytes a viewer");
}

/// S6: ten thousand hellos a second from addresses that nobody knows, for three seconds: nothing is kept, nothing is
/// answered, nothing is even allocated.
#[test]
fn ten_thousand_spoofed_hellos_a_second_leave_memory_flat() {
    let mut rig = Rig::new(2);
    rig.run(Duration::from_secs(6));
    // The first fragment of a hello as a browser sends it; the server's media keeps going out between them.
    let mut hello = vec![0; 1200];
    hello[..25].copy_from_slice(&[
        22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 4, 163, 1, 0, 5, 220, 0, 0, 0, 0, 0, 0, 4, 151,
    ]);
    hello[25..27].copy_from_slice(&[254, 253]);
    rig.server.allocations = 0;
    let (before, now) = (rig.server.bytes, rig.now);
    let mut buf = Vec::with_capacity(64 << 10);
    for spoofed in 0_u32..30_000 {
        let address =
            SocketAddr::from(([100, 64, (spoofed >> 8) as u8, spoofed as u8], 1024 + spoofed as u16));
        hello[5..11].copy_from_slice(&u64::from(spoofed).to_be_bytes()[2..]);
        let datagram = Datagram::new(address, here(), now, &mut hello);
        assert!(rig.server.call(|sfu| sfu.handle_datagram(now, datagram)).is_err());
        if spoofed % 100 == 0 {
            let answered = rig.server.call(|sfu| sfu.poll_transmit(now, &mut buf));
            assert!(answered.is_none_or(|transmit| transmit.remote.port() <= 5002), "nobody is answered");
            buf.clear();
        }
    }
    assert_eq!(rig.server.allocations, 0);
    assert_eq!(rig.server.bytes, before);
    rig.run(Duration::from_secs(1));
    assert_eq!(rig.server.sfu.streams(rig.now)[0].viewers, 2, "and those who watch go on");
}

#[test]
fn forwarding_allocates_nothing() {
    let mut rig = Rig::new(8);
    // Histories and queues have their size by then.
    rig.run(Duration::from_secs(6));
    let before = rig.server.sfu.counters();
    rig.server.allocations = 0;
    rig.run(Duration::from_secs(3));
    let after = rig.server.sfu.counters();
    let forwarded = after.sent_packets - before.sent_packets;
    assert!(forwarded > 8 * 800, "{forwarded}");
    assert_eq!(rig.server.allocations, 0, "for {forwarded} packets, with their checks and reports");
}

#[test]
fn handing_packets_to_another_unit_allocates_nothing() {
    let (certificate, mut now) = (Certificate::generate().expect("a certificate"), Instant::now());
    let [mut primary, mut replica] = [0, 1].map(|worker| {
        let mut config = Config::new(certificate.clone(), vec![here()]);
        (config.shares_streams, config.worker) = (true, worker);
        Sfu::new(config, [worker; 32], now, Duration::from_secs(1_800_000_000)).expect("it can work")
    });
    let stream = primary.open_stream(now, "stream", &formats()).expect("a new stream");
    let mut client = unit(&certificate, SocketAddr::from(([127, 1, 0, 1], 5000)), now);
    let mut batch = Batch::new();
    let (mut handed_off, mut allocations) = (0, 0);
    let payload = [0x90; 1100];
    for frame in 0..600_u16 {
        now += Duration::from_millis(33);
        let mut turn = || {
            primary.handle_timeout(now);
            for index in 0..PACKETS {
                let packet = MediaPacket {
                    sequence: SequenceNumber(frame * PACKETS + index),
                    timestamp: u32::from(frame) * 2970,
                    marker: index + 1 == PACKETS,
                    payload: &payload,
                };
                primary.handle_media(now, stream, 0, &packet);
            }
            primary.hand_off(now, 1, &mut batch);
            handed_off += batch.packets();
            replica.handle_batch(now, &batch);
            batch.clear();
            while let Some(notice) = primary.poll_notice(now) {
                replica.handle_notice(now, 0, &notice);
            }
            while let Some((_, wish)) = replica.poll_wish(now) {
                primary.handle_wish(now, 1, wish);
            }
        };
        let counted = measure(&mut turn);
        // By then the histories are as long as they get.
        if frame >= 300 {
            allocations += counted.count_total;
        }
        if frame == 0 {
            let offered = client.offer(now, "stream", &Offering::receiving(formats())).expect("a good offer");
            replica.watch(now, "stream", &offered.offer, LOCALHOST).expect("the stream is live there too");
        }
    }
    assert!(handed_off > 590 * usize::from(PACKETS), "{handed_off}");
    assert_eq!(allocations, 0);
}
