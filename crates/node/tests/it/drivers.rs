//! However datagrams are handed to the kernel, the same ones arrive: with fixed SRTP keys and simulated time, everything
//! that each viewer gets over loopback is compared, byte for byte.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use headwater_node::Config;
use headwater_sfu::rtp::{Codec, SequenceNumber};
use headwater_sfu::track::Format;
use headwater_sfu::{
    Certificate, Datagram, LocalStream, MasterKey, MediaPacket, Offering, PeerId, Sfu, Totals,
};
use headwater_udp::{Options, Outgoing, Socket};

use crate::client::{Client, PATIENCE, node_with, until};

const UNIX: Duration = Duration::from_secs(1_800_000_000);
const STEP: Duration = Duration::from_millis(5);
const STEPS: u32 = 500;
const STREAM: &str = "s";
const VIEWERS: usize = 4;
const KEY_FRAME: usize = 60;
/// Every so many datagrams of media, a viewer loses one.
const LOSES: usize = 23;

/// What a driver made of it.
#[derive(Default)]
struct Outcome {
    /// All that each viewer got.
    arrived: Vec<Vec<Vec<u8>>>,
    totals: Totals,
    /// Messages of several datagrams, and those whose last one is shorter.
    bursts: usize,
    uneven: usize,
    connected: usize,
}

struct Viewer {
    sfu: Sfu,
    address: SocketAddr,
    media: usize,
}

/// The stream's packets.
struct Source {
    stream: LocalStream,
    frame: u32,
    video: u16,
    audio: u16,
}

fn format(codec: Codec, clock_rate: u32) -> Format {
    Format { codec, clock_rate, parameters: String::new() }
}

/// The n-th viewer's keys: AES-CM for one of them.
fn give_keys(sfu: &mut Sfu, now: Instant, peer: PeerId, number: usize, is_server: bool) {
    let (profile, salt_len) = if number == 1 { (1, 14) } else { (7, 12) };
    let (ours, theirs) = ([number as u8; 16], [number as u8 + 100; 16]);
    let up = MasterKey { key: &theirs, salt: &theirs[..salt_len] };
    let down = MasterKey { key: &ours, salt: &ours[..salt_len] };
    let (inbound, outbound) = if is_server { (up, down) } else { (down, up) };
    sfu.give_keys(now, peer, profile, inbound, outbound).expect("not too late");
}

impl Source {
    /// Packets of a frame differ by a byte, as libwebrtc's do; a key frame has many.
    fn produce(&mut self, sfu: &mut Sfu, now: Instant, step: u32) {
        if step.is_multiple_of(4) {
            let payload = [0xfc; 80];
            self.audio += 1;
            let packet = MediaPacket {
                sequence: SequenceNumber(self.audio),
                timestamp: step * 240,
                marker: false,
                payload: &payload[..60 + usize::from(self.audio % 7)],
            };
            sfu.handle_media(now, self.stream, 1, &packet);
        }
        if !step.is_multiple_of(7) {
            return;
        }
        let is_key = self.frame.is_multiple_of(20);
        let packets = if is_key { KEY_FRAME } else { 3 + self.frame as usize % 9 };
        self.frame += 1;
        let mut payload = [step as u8; 1100];
        payload[1..5].copy_from_slice(&[0x80, 0x80, self.frame as u8, u8::from(!is_key)]);
        for index in 0..packets {
            payload[0] = 0x80 | u8::from(index == 0) << 4;
            self.video += 1;
            let packet = MediaPacket {
                sequence: SequenceNumber(self.video),
                timestamp: step * 450,
                marker: index + 1 == packets,
                payload: &payload[..1100 - usize::from(index >= packets / 2)],
            };
            sfu.handle_media(now, self.stream, 0, &packet);
        }
    }
}

/// Two and a half seconds of a stream towards viewers at `sockets`, sent as `options` say.
fn run(options: &Options, sockets: &[UdpSocket], certificate: &Certificate, start: Instant) -> Outcome {
    let here: SocketAddr = "127.0.0.1:8189".parse().expect("an address");
    let unit = |address, seed| {
        let config = headwater_sfu::Config::new(certificate.clone(), vec![address]);
        Sfu::new(config, [seed; 32], start, UNIX).expect("the settings can work")
    };
    let mut server = unit(here, 0);
    let formats = [format(Codec::Vp8, 90_000), format(Codec::Opus, 48_000)];
    let stream = server.open_stream(start, STREAM, &formats).expect("a new stream");
    let mut source = Source { stream, frame: 0, video: 0, audio: 0 };
    source.produce(&mut server, start, 0);
    let mut socket = Socket::bind("127.0.0.1:0".parse().expect("an address"), options).expect("loopback");
    let mut viewers: Vec<Viewer> = Vec::new();
    for (number, socket_of) in sockets.iter().enumerate() {
        socket_of.connect(socket.local_addr()).expect("it is there");
        let address = socket_of.local_addr().expect("it is bound");
        let mut sfu = unit(address, number as u8 + 1);
        let offering = Offering::receiving(formats.to_vec());
        let offered = sfu.offer(start, STREAM, &offering).expect("can be offered");
        let accepted = server.watch(start, STREAM, &offered.offer, address.ip()).expect("a good offer");
        give_keys(&mut server, start, accepted.peer, number, true);
        give_keys(&mut sfu, start, offered.peer, number, false);
        sfu.accept_answer(start, offered.peer, &accepted.answer).expect("a good answer");
        viewers.push(Viewer { sfu, address, media: 0 });
    }

    let mut outcome = Outcome { arrived: vec![Vec::new(); sockets.len()], ..Outcome::default() };
    let (mut bytes, mut messages, mut buf) = (Vec::new(), Vec::new(), vec![0; 1 << 16]);
    for step in 1..STEPS {
        let now = start + STEP * step;
        source.produce(&mut server, now, step);
        for viewer in &mut viewers {
            viewer.sfu.handle_timeout(now);
            buf.clear();
            while let Some(transmit) = viewer.sfu.poll_transmit(now, &mut buf) {
                for datagram in buf.chunks_mut(transmit.segment_size.map_or(transmit.len, usize::from)) {
                    let datagram = Datagram::new(here, viewer.address, now, datagram);
                    server.handle_datagram(now, datagram).expect("authentic");
                }
                buf.clear();
            }
        }
        server.handle_timeout(now);
        bytes.clear();
        messages.clear();
        let mut expected: Vec<Vec<Vec<u8>>> = vec![Vec::new(); viewers.len()];
        while let Some(transmit) = server.poll_transmit(now, &mut bytes) {
            let (start, len) = (bytes.len() - transmit.len, transmit.len);
            let segment = transmit.segment_size.map_or(len, usize::from);
            let to =
                viewers.iter().position(|viewer| viewer.address == transmit.remote).expect("one of ours");
            expected[to].extend(bytes[start..].chunks(segment).map(<[u8]>::to_vec));
            outcome.bursts += usize::from(len > segment);
            outcome.uneven += usize::from(len > segment && len % segment > 0);
            let segment_size = transmit.segment_size;
            messages.push(Outgoing { local: None, remote: transmit.remote, start, len, segment_size });
        }
        let mut done = 0;
        while done < messages.len() {
            done += socket.send(&bytes, &mut messages[done..]);
        }
        for (number, expected) in expected.into_iter().enumerate() {
            for expected in expected {
                buf.resize(1 << 16, 0);
                let len = sockets[number].recv(&mut buf).expect("it arrives");
                assert!(
                    buf[..len] == expected,
                    "as the unit said: {options:?}, step {step}, viewer {number}"
                );
                outcome.arrived[number].push(expected);
                let viewer = &mut viewers[number];
                let is_media = buf[0] >> 6 == 2 && !(64..96).contains(&(buf[1] & 0x7f));
                viewer.media += usize::from(is_media);
                if is_media && viewer.media.is_multiple_of(LOSES) {
                    continue;
                }
                let datagram = Datagram::new(viewer.address, here, now, &mut buf[..len]);
                viewer.sfu.handle_datagram(now, datagram).expect("what the server sends can be opened");
            }
        }
    }
    outcome.totals = server.counters();
    outcome.connected = server.peers(start).iter().filter(|peer| peer.is_connected).count();
    outcome
}

#[test]
fn every_driver_sends_the_same_datagrams() {
    let certificate = Certificate::generate().expect("a certificate");
    let start = Instant::now();
    let socket = |_| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
        socket.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        socket
    };
    let sockets: Vec<UdpSocket> = (0..VIEWERS).map(socket).collect();
    let outcomes = [(true, false), (false, false), (true, true)].map(|(segmentation, portable)| {
        let mut options = Options::default();
        (options.segmentation, options.portable) = (segmentation, portable);
        run(&options, &sockets, &certificate, start)
    });
    let [fast, others @ ..] = &outcomes;
    // It was a stream that has everything.
    assert_eq!(fast.connected, VIEWERS);
    assert!(fast.totals.resent_packets >= 20, "{:?}", fast.totals);
    assert!(fast.bursts > 100 && fast.uneven > 10, "{} {}", fast.bursts, fast.uneven);
    assert!(fast.arrived.iter().all(|datagrams| datagrams.len() > 700));
    for other in others {
        for (number, (ours, theirs)) in fast.arrived.iter().zip(&other.arrived).enumerate() {
            assert_eq!(ours.len(), theirs.len(), "viewer {number}");
            let differs = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
            assert_eq!(differs, None, "viewer {number}");
        }
    }
}

#[test]
fn viewers_play_without_segmentation_and_over_the_portable_path() {
    type Configure = fn(&mut Config);
    let settings: [Configure; 2] = [|config| config.segmentation = false, |config| config.portable = true];
    for configure in settings {
        let node = node_with(configure);
        let mut clients = vec![Client::publisher(&node, STREAM)];
        until(&mut clients, "going live", |_| node.counters().streams == 1);
        clients.extend((0..3).map(|_| Client::viewer(&node, STREAM)));
        until(&mut clients, "watching", |clients| clients[1..].iter().all(|viewer| viewer.received > 20));
        node.shutdown(Duration::from_secs(1));
    }
}
