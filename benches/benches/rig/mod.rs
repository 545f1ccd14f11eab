//! A forwarding unit without a network: a stream of our own making, and viewers who are all there is of a client.

#![allow(dead_code, reason = "each bench uses its part")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::{self as dtls, Connection, Role};
use headwater_rtp::{Codec, Packet, SequenceNumber, Ssrc};
use headwater_sfu::track::Format;
use headwater_sfu::{Batch, Certificate, Config, Datagram, LocalStream, MediaPacket, Offered, Offering, Sfu};
use headwater_srtp::{Context, Profile};
use headwater_stun::attribute::Username;
use headwater_stun::{Key, MessageBuilder, Method, TransactionId};

/// Packets of a frame at 2.5 Mbit/s and 30 frames a second.
pub(crate) const PACKETS: usize = 9;
pub(crate) const FRAME: Duration = Duration::from_millis(33);
pub(crate) const STREAM: &str = "bench";
/// Bytes of a packet's payload.
pub(crate) const PAYLOAD: usize = 1160;

pub(crate) struct Rig {
    pub(crate) server: Sfu,
    pub(crate) now: Instant,
    pub(crate) viewers: Vec<Viewer>,
    pub(crate) buf: Vec<u8>,
    /// Payload sizes of a frame's packets.
    pub(crate) sizes: Vec<usize>,
    pub(crate) certificate: Certificate,
    /// Between two frames; short while viewers connect, so that the first are not taken for gone before the last come.
    interval: Duration,
    here: SocketAddr,
    stream: LocalStream,
    /// The unit that has the stream, if that is another, and what it hands over.
    primary: Option<(Sfu, Batch)>,
    frame: u32,
    sequence: u16,
}

/// The number of the unit that has the viewers, where another has the stream.
const REPLICA: usize = 1;

impl Rig {
    /// This many viewers, whose SRTP has this profile.
    pub(crate) fn new(viewers: usize, profile: Profile) -> Self {
        Self::with(viewers, profile, false)
    }

    /// The viewers are at another unit than the stream.
    pub(crate) fn of_two_units(viewers: usize) -> Self {
        Self::with(viewers, Profile::AeadAes128Gcm, true)
    }

    fn with(viewers: usize, profile: Profile, is_shared: bool) -> Self {
        let certificate = Certificate::generate().expect("a certificate");
        let (now, here) = (Instant::now(), SocketAddr::from(([192, 0, 2, 1], 8189)));
        let mut config = Config::new(certificate.clone(), vec![here]);
        config.srtp_profiles = vec![profile.iana()];
        config.limits.sessions_per_address = usize::MAX;
        config.shares_streams = is_shared;
        let unit = |seed| {
            Sfu::new(config.clone(), [seed; 32], now, Duration::from_secs(1_800_000_000))
                .expect("it can work")
        };
        let mut server = unit(0);
        let mut primary = is_shared.then(|| (unit(3), Batch::new()));
        let owner = primary.as_mut().map_or(&mut server, |(primary, _)| primary);
        let stream = owner.open_stream(now, STREAM, &[vp8()]).expect("a new stream");
        let mut rig = Self {
            server,
            now,
            viewers: Vec::new(),
            buf: Vec::with_capacity(64 << 10),
            sizes: vec![PAYLOAD; PACKETS],
            certificate,
            interval: Duration::from_millis(1),
            here,
            stream,
            primary,
            frame: 0,
            sequence: 0,
        };
        rig.frame(true);
        for number in 1..=viewers as u16 {
            let viewer = Viewer::connect(&mut rig, number);
            rig.viewers.push(viewer);
        }
        rig.interval = FRAME;
        // The first reports and key frames are out of the way.
        for _ in 0..90 {
            rig.frame(false);
        }
        rig
    }

    /// A frame comes in and goes out; returns the packets sent.
    pub(crate) fn frame(&mut self, key: bool) -> usize {
        self.take_frame(key);
        self.hand_off();
        self.agree();
        self.send(|_, _| ())
    }

    /// A frame comes in.
    pub(crate) fn take_frame(&mut self, key: bool) {
        self.now += self.interval;
        self.frame += 1;
        let mut payload = [0_u8; 1400];
        payload[..5].copy_from_slice(&[
            0x80,
            0x80,
            0x80 | (self.frame >> 8 & 0x7f) as u8,
            self.frame as u8,
            0,
        ]);
        let last = self.sizes.len() - 1;
        for (index, size) in self.sizes.iter().enumerate() {
            payload[0] = 0x80 | u8::from(index == 0) << 4;
            payload[4] = u8::from(!key);
            self.sequence = self.sequence.wrapping_add(1);
            let packet = MediaPacket {
                sequence: SequenceNumber(self.sequence),
                timestamp: self.frame * 3000,
                marker: index == last,
                payload: &payload[..*size],
            };
            let owner = self.primary.as_mut().map_or(&mut self.server, |(primary, _)| primary);
            owner.handle_media(self.now, self.stream, 0, &packet);
        }
        if self.primary.is_some() && self.interval < FRAME {
            self.hand_off();
            self.agree();
        }
    }

    /// What is new goes from the unit that has the stream to the one that has the viewers; returns how much.
    pub(crate) fn hand_off(&mut self) -> usize {
        let Some((primary, batch)) = &mut self.primary else { return 0 };
        batch.clear();
        primary.hand_off(self.now, REPLICA, batch);
        self.server.handle_batch(self.now, batch);
        batch.packets()
    }

    /// What the two units have to tell each other besides.
    pub(crate) fn agree(&mut self) {
        let Some((primary, _)) = &mut self.primary else { return };
        while let Some(notice) = primary.poll_notice(self.now) {
            self.server.handle_notice(self.now, 0, &notice);
        }
        while let Some((_, wish)) = self.server.poll_wish(self.now) {
            primary.handle_wish(self.now, REPLICA, wish);
        }
    }

    /// What waits goes out, datagram by datagram; returns how many there were.
    pub(crate) fn send(&mut self, mut each: impl FnMut(SocketAddr, &mut [u8])) -> usize {
        let mut packets = 0;
        self.buf.clear();
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut self.buf) {
            let segment = transmit.segment_size.map_or(transmit.len, usize::from);
            for datagram in self.buf.chunks_mut(segment) {
                each(transmit.remote, datagram);
                packets += 1;
            }
            self.buf.clear();
        }
        packets
    }

    /// What one viewer gets, opened.
    pub(crate) fn send_to(&mut self, viewer: usize) -> Vec<Vec<u8>> {
        let address = self.viewers[viewer].address;
        let mut datagrams = Vec::new();
        self.send(|to, datagram| {
            if to == address {
                datagrams.push(datagram.to_vec());
            }
        });
        let viewer = &mut self.viewers[viewer];
        datagrams.iter_mut().filter_map(|datagram| viewer.open(datagram)).collect()
    }

    /// A datagram of a viewer arrives.
    pub(crate) fn handle(&mut self, viewer: usize, contents: &mut [u8]) {
        let datagram = Datagram::new(self.here, self.viewers[viewer].address, self.now, contents);
        self.server.handle_datagram(self.now, datagram).expect("an authentic datagram");
    }
}

/// A viewer: its keys, and what it saw of the stream.
pub(crate) struct Viewer {
    pub(crate) address: SocketAddr,
    /// For what it sends.
    pub(crate) outbound: Context,
    inbound: Context,
    /// Of the picture towards it.
    pub(crate) ssrc: Ssrc,
    pub(crate) highest: SequenceNumber,
}

impl Viewer {
    fn connect(rig: &mut Rig, number: u16) -> Self {
        let address = SocketAddr::from(([127, 1, (number >> 8) as u8, number as u8], 5000));
        let (_, Offered { offer, .. }) = offer(&rig.certificate, rig.now, address, number);
        let from = IpAddr::from([127, 0, 0, 1]);
        let answer = rig.server.watch(rig.now, STREAM, &offer, from).expect("a good offer").answer;

        let mut check = Vec::new();
        let username = format!("{}:{}", value(&answer, "ice-ufrag"), value(&offer, "ice-ufrag"));
        let key = Key::short_term(value(&answer, "ice-pwd"));
        MessageBuilder::request(Method::BINDING, TransactionId::new([number as u8; 12]), &mut check)
            .attribute(&Username(&username))
            .integrity(&key)
            .fingerprint();
        let here = rig.here;
        let arrive = |rig: &mut Rig, contents: &mut [u8]| {
            let _ = rig.server.handle_datagram(rig.now, Datagram::new(here, address, rig.now, contents));
        };
        arrive(rig, &mut check);

        let config = Arc::new(dtls::Config::new(rig.certificate.clone()));
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        let expected = vec![rig.certificate.fingerprint()];
        let mut dtls = Connection::new(config, Role::Client, expected, seed, rig.now).expect("it can work");
        for _ in 0..100 {
            let mut flight = Vec::new();
            while dtls.poll_transmit(rig.now, &mut flight).is_some() {
                arrive(rig, &mut flight);
                flight.clear();
            }
            rig.now += Duration::from_millis(1);
            rig.server.handle_timeout(rig.now);
            let now = rig.now;
            rig.send(|to, datagram| {
                if to == address && (20..64).contains(&datagram[0]) {
                    let _ = dtls.handle_datagram(now, datagram);
                }
            });
            while let Some(event) = dtls.poll_event() {
                let dtls::Event::Connected(connected) = event else { continue };
                // In DTLS 1.3 the client has its keys first, and the server with this flight.
                while dtls.poll_transmit(rig.now, &mut flight).is_some() {
                    arrive(rig, &mut flight);
                    flight.clear();
                }
                let keys = connected.srtp.expect("a common profile");
                let profile = Profile::from_iana(keys.profile).expect("one of ours");
                let context = |key: &[u8], salt: &[u8]| Context::new(profile, key, salt).expect("they fit");
                let mut viewer = Self {
                    address,
                    outbound: context(&keys.client_key, &keys.client_salt),
                    inbound: context(&keys.server_key, &keys.server_salt),
                    ssrc: Ssrc(0),
                    highest: SequenceNumber(0),
                };
                for _ in 0..3 {
                    rig.take_frame(true);
                    rig.send(|to, datagram| {
                        if to == address {
                            viewer.open(datagram);
                        }
                    });
                }
                assert!(viewer.ssrc != Ssrc(0), "media flows");
                return viewer;
            }
        }
        panic!("a viewer did not connect");
    }

    /// Opens a packet of media, and notes it.
    fn open(&mut self, datagram: &mut [u8]) -> Option<Vec<u8>> {
        let is_media = datagram[0] >> 6 == 2 && !(64..96).contains(&(datagram[1] & 0x7f));
        let len = self.inbound.unprotect_rtp(datagram).ok().filter(|_| is_media)?;
        let packet = Packet::parse(&datagram[..len]).ok()?;
        (self.ssrc, self.highest) = (packet.ssrc(), packet.sequence_number());
        Some(datagram[..len].to_vec())
    }

    /// Protects a report.
    pub(crate) fn report(&mut self, write: impl FnOnce(&mut headwater_rtp::rtcp::Builder<'_>)) -> Vec<u8> {
        let mut report = Vec::new();
        write(&mut headwater_rtp::rtcp::Builder::new(&mut report));
        self.outbound.protect_rtcp(&mut report, 0).expect("a fresh index");
        report
    }
}

pub(crate) fn vp8() -> Format {
    Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() }
}

/// A viewer's offer, and who made it.
pub(crate) fn offer(
    certificate: &Certificate,
    now: Instant,
    address: SocketAddr,
    number: u16,
) -> (Sfu, Offered) {
    let mut seed = [2; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    let config = Config::new(certificate.clone(), vec![address]);
    let mut client = Sfu::new(config, seed, now, Duration::from_secs(1_800_000_000)).expect("it can work");
    let offered = client.offer(now, STREAM, &Offering::receiving(vec![vp8()])).expect("a good offer");
    (client, offered)
}

/// The value of an attribute in a description.
fn value<'a>(sdp: &'a str, name: &str) -> &'a str {
    let mut lines = sdp.lines().filter_map(|line| line.strip_prefix("a=")?.split_once(':'));
    lines.find(|(it, _)| *it == name).expect("a session has it").1
}
