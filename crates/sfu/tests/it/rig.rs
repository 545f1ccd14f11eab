//! A server, publishers and viewers on one simulated network.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use headwater_netsim::{Endpoint, EndpointId, Link, Network, Transmit};
use headwater_rtp::{Codec, SequenceNumber};
use headwater_sfu::history::{Cursor, Read};
use headwater_sfu::track::{Format, Kind};
use headwater_sfu::{
    Certificate, Config, Datagram, Event, LocalStream, MediaPacket, Offering, PeerId, Sfu, SignalError,
};

pub(crate) const SERVER_ADDRESS: &str = "192.0.2.1:8189";
/// Another one, of servers with two.
pub(crate) const SECOND_ADDRESS: &str = "192.0.2.2:8189";
/// A video frame of the test source every 33 ms, an audio packet every 20 ms.
const FRAME: Duration = Duration::from_millis(33);
const AUDIO: Duration = Duration::from_millis(20);
/// Packets of a video frame; a key frame has three times as many.
const PACKETS: usize = 3;
const UNIX: Duration = Duration::from_secs(1_800_000_000);

/// One end of the network.
pub(crate) struct Node {
    pub(crate) sfu: Sfu,
    pub(crate) events: Vec<Event>,
    pub(crate) refused: u64,
    source: Option<Source>,
    pub(crate) watching: Option<Watching>,
    pub(crate) peer: Option<PeerId>,
    now: Instant,
}

/// Makes VP8 and Opus packets by the clock.
struct Source {
    stream: LocalStream,
    next_frame: Instant,
    next_audio: Instant,
    video_sequence: u16,
    audio_sequence: u16,
    frame: u32,
    audio: u32,
    wants_key: bool,
    has_audio: bool,
    has_video: bool,
    started: Instant,
}

/// Reads what a viewer receives.
#[derive(Default)]
pub(crate) struct Watching {
    cursors: Vec<Cursor>,
    pub(crate) video: Vec<Seen>,
    pub(crate) audio: Vec<Seen>,
}

/// A packet as a viewer got it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) key_frame: bool,
    pub(crate) marker: bool,
    pub(crate) picture_id: Option<u16>,
    pub(crate) at: Instant,
    /// Number of the frame in the source, from the payload.
    pub(crate) frame: u32,
}

pub(crate) fn vp8() -> Format {
    Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() }
}

pub(crate) fn opus() -> Format {
    Format { codec: Codec::Opus, clock_rate: 48_000, parameters: "minptime=10;useinbandfec=1".into() }
}

pub(crate) fn here() -> IpAddr {
    IpAddr::from([203, 0, 113, 9])
}

impl Node {
    fn new(address: &str, seed: u8, now: Instant, configure: impl FnOnce(&mut Config)) -> Self {
        // One certificate for all: making one takes longer than everything else in a test.
        static CERTIFICATE: std::sync::LazyLock<Certificate> =
            std::sync::LazyLock::new(|| Certificate::generate().expect("a certificate"));
        let mut config = Config::new(CERTIFICATE.clone(), vec![address.parse().expect("an address")]);
        config.limits.sessions_per_address = 1000;
        configure(&mut config);
        let sfu = Sfu::new(config, [seed; 32], now, UNIX).expect("the settings can work");
        Self { sfu, events: Vec::new(), refused: 0, source: None, watching: None, peer: None, now }
    }

    pub(crate) fn closed(&self) -> Vec<headwater_sfu::CloseReason> {
        let reason = |event: &Event| match event {
            Event::Closed { reason, .. } => Some(*reason),
            _ => None,
        };
        self.events.iter().filter_map(reason).collect()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Connected(_)))
    }

    /// A publisher stops making media, without a word.
    pub(crate) fn mute(&mut self) {
        self.source = None;
    }

    /// Only one kind of media from here on.
    pub(crate) fn mute_video(&mut self, muted: bool) {
        if let Some(source) = &mut self.source {
            source.has_video = !muted;
        }
    }

    fn produce(&mut self, now: Instant) {
        let Some(source) = &mut self.source else { return };
        while source.next_audio <= now {
            let timestamp = source.audio * 960;
            if source.has_audio {
                let payload = [&[0xfc_u8][..], &source.audio.to_be_bytes(), &[0; 60]].concat();
                let packet = MediaPacket {
                    sequence: SequenceNumber(source.audio_sequence),
                    timestamp,
                    marker: false,
                    payload: &payload,
                };
                self.sfu.handle_media(now, source.stream, 1, &packet);
                source.audio_sequence = source.audio_sequence.wrapping_add(1);
            }
            source.audio += 1;
            source.next_audio += AUDIO;
        }
        while source.next_frame <= now {
            let key = source.wants_key || source.frame == 0;
            let timestamp = ((now - source.started).as_micros() as u64 * 90 / 1000) as u32;
            let packets = if key { 3 * PACKETS } else { PACKETS };
            for index in 0..packets {
                if source.has_video {
                    let payload = vp8_payload(source.frame, index, key);
                    let packet = MediaPacket {
                        sequence: SequenceNumber(source.video_sequence),
                        timestamp,
                        marker: index + 1 == packets,
                        payload: &payload,
                    };
                    self.sfu.handle_media(now, source.stream, 0, &packet);
                    source.video_sequence = source.video_sequence.wrapping_add(1);
                }
            }
            source.wants_key &= !source.has_video;
            source.frame += 1;
            source.next_frame += FRAME;
        }
    }

    fn collect(&mut self) {
        while let Some(event) = self.sfu.poll_event() {
            if let (Event::KeyFrameWanted { .. }, Some(source)) = (&event, &mut self.source) {
                source.wants_key = true;
            }
            self.events.push(event);
        }
        let Some(watching) = &mut self.watching else { return };
        let Some(tracks) = self.sfu.tracks("stream") else { return };
        watching.cursors.resize(tracks.len(), Cursor::default());
        for (track, cursor) in tracks.iter().zip(&mut watching.cursors) {
            while let Read::Packet(packet) = track.history.read(cursor) {
                let video = track.kind == Kind::Video;
                let at = if video { VP8_DESCRIPTOR } else { 1 };
                let frame = packet.payload.get(at..at + 4).and_then(|bytes| bytes.first_chunk::<4>());
                let seen = Seen {
                    sequence: packet.meta.sequence,
                    timestamp: packet.meta.timestamp,
                    key_frame: packet.meta.descriptor.key_frame,
                    marker: packet.meta.marker,
                    picture_id: packet.meta.descriptor.picture_id.map(|id| id.value),
                    at: packet.meta.received,
                    // Key frames carry the number behind their start code and size.
                    frame: frame.map_or(0, |bytes| u32::from_be_bytes(*bytes)),
                };
                if video {
                    watching.video.push(seen);
                } else {
                    watching.audio.push(seen);
                };
            }
        }
    }
}

/// Extended control bits, picture id of 15 bits, TL0PICIDX.
const VP8_DESCRIPTOR: usize = 5;

/// RFC 7741: a descriptor with a picture id and TL0PICIDX, then a frame header.
fn vp8_payload(frame: u32, index: usize, key: bool) -> Vec<u8> {
    let mut payload = vec![0x80, 0xc0, 0x80 | (frame >> 8 & 0x7f) as u8, frame as u8, frame as u8];
    if index == 0 {
        // S bit: the first packet of a partition.
        payload[0] |= 0x10;
    }
    // A frame header is three bytes, the lowest bit says "not a key frame". The number goes into the first four
    // bytes of every packet but the first, where it makes up the size field.
    if index == 0 {
        payload.extend_from_slice(&[u8::from(!key), 0, 0, 0x9d]);
        payload.extend_from_slice(&[0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    } else {
        payload.extend_from_slice(&frame.to_be_bytes());
    }
    payload.resize(if key { 1000 } else { 700 }, frame as u8);
    payload
}

impl Endpoint for Node {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        self.now = now;
        if self.sfu.handle_datagram(now, Datagram::new(local, remote, now, contents)).is_err() {
            self.refused += 1;
        }
        self.collect();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.produce(now);
        self.sfu.handle_timeout(now);
        self.collect();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let transmit = self.sfu.poll_transmit(now, buf);
        self.collect();
        let transmit = transmit?;
        Some(Transmit {
            local: transmit.local,
            remote: transmit.remote,
            len: transmit.len,
            segment_size: transmit.segment_size,
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let source = self.source.as_ref().map(|source| source.next_frame.min(source.next_audio));
        self.sfu.poll_timeout().into_iter().chain(source).min()
    }
}

/// The network with the server in it.
pub(crate) struct Rig {
    pub(crate) net: Network<Node>,
    pub(crate) server: EndpointId,
    /// The last answer to a viewer.
    pub(crate) answer: String,
    /// Publishers' offers name another certificate than theirs.
    pub(crate) spoil_fingerprint: bool,
    /// Clients offer Cryptex.
    pub(crate) offers_cryptex: bool,
    /// Clients offer these SRTP profiles; without any, the usual ones.
    pub(crate) srtp_profiles: Vec<u16>,
    start: Instant,
    clients: u8,
}

impl Rig {
    pub(crate) fn new(link: Link) -> Self {
        Self::with(link, |_| {})
    }

    pub(crate) fn with(link: Link, configure: impl FnOnce(&mut Config)) -> Self {
        let start = Instant::now();
        let mut net = Network::starting_at(start).link(link).seed(11);
        let server = Node::new(SERVER_ADDRESS, 1, start, configure);
        let server = net.add(server, &[SERVER_ADDRESS.parse().expect("an address")]);
        Self {
            net,
            server,
            answer: String::new(),
            spoil_fingerprint: false,
            offers_cryptex: false,
            srtp_profiles: Vec::new(),
            start,
            clients: 0,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + self.net.elapsed()
    }

    fn client(&mut self) -> (Node, String) {
        self.clients += 1;
        let address = format!("198.51.100.{}:5000", self.clients);
        let profiles = self.srtp_profiles.clone();
        let configure = |config: &mut Config| {
            if !profiles.is_empty() {
                config.srtp_profiles = profiles;
            }
        };
        (Node::new(&address, 10 + self.clients, self.now(), configure), address)
    }

    /// A publisher that has posted its offer and got the answer.
    pub(crate) fn publisher(&mut self) -> Result<EndpointId, SignalError> {
        self.publisher_of(true, true)
    }

    pub(crate) fn publisher_of(&mut self, video: bool, audio: bool) -> Result<EndpointId, SignalError> {
        let now = self.now();
        let (mut node, address) = self.client();
        let formats = vec![vp8(), opus()];
        let stream = node.sfu.open_stream(now, "stream", &formats).expect("a new stream");
        let offered: Vec<_> = formats
            .into_iter()
            .filter(|format| if format.codec.is_video() { video } else { audio })
            .collect();
        let mut offering = Offering::sending(offered);
        offering.cryptex = self.offers_cryptex;
        let mut offered = node.sfu.offer(now, "stream", &offering)?;
        if self.spoil_fingerprint {
            let at = offered.offer.find("a=fingerprint:sha-256 ").expect("every offer has one") + 22;
            let other = if offered.offer[at..].starts_with("00") { "11" } else { "00" };
            offered.offer.replace_range(at..at + 2, other);
        }
        let accepted = self.net.get_mut(self.server).sfu.publish(now, "stream", &offered.offer, here())?;
        node.sfu.accept_answer(now, offered.peer, &accepted.answer)?;
        node.peer = Some(offered.peer);
        node.source = Some(Source {
            stream,
            next_frame: now,
            next_audio: now,
            // Close to the wrap, so that every test goes over it.
            video_sequence: 65_500,
            audio_sequence: 65_500,
            frame: 0,
            audio: 0,
            wants_key: false,
            has_audio: audio,
            has_video: video,
            started: now,
        });
        Ok(self.net.add(node, &[address.parse().expect("an address")]))
    }

    /// A viewer that has posted its offer and got the answer.
    pub(crate) fn viewer(&mut self) -> Result<EndpointId, SignalError> {
        let node = self.viewer_node()?;
        let address = format!("198.51.100.{}:5000", self.clients);
        Ok(self.net.add(node, &[address.parse().expect("an address")]))
    }

    /// The same, not yet put into the network.
    pub(crate) fn viewer_node(&mut self) -> Result<Node, SignalError> {
        let now = self.now();
        let (mut node, _) = self.client();
        let mut offering = Offering::receiving(vec![vp8(), opus()]);
        offering.cryptex = self.offers_cryptex;
        let offered = node.sfu.offer(now, "stream", &offering)?;
        let accepted = self.net.get_mut(self.server).sfu.watch(now, "stream", &offered.offer, here())?;
        node.sfu.accept_answer(now, offered.peer, &accepted.answer)?;
        self.answer = accepted.answer;
        node.peer = Some(offered.peer);
        node.watching = Some(Watching::default());
        Ok(node)
    }

    /// Somebody with an address and nothing else.
    pub(crate) fn stranger(&mut self, address: &str) -> EndpointId {
        let node = Node::new(address, 200, self.now(), |_| {});
        self.net.add(node, &[address.parse().expect("an address")])
    }

    /// A live stream and one viewer who has a picture.
    pub(crate) fn one_viewer(link: Link) -> (Self, EndpointId, EndpointId) {
        let mut rig = Self::new(link);
        let publisher = rig.publisher().expect("the offer is good");
        rig.until_live();
        let viewer = rig.viewer().expect("the offer is good");
        rig.net.run_until(|net| !net[viewer].seen().video.is_empty());
        (rig, publisher, viewer)
    }

    pub(crate) fn until_live(&mut self) {
        let server = self.server;
        self.net.run_until(|net| net[server].sfu.streams(Instant::now()).iter().any(|stream| stream.is_live));
    }

    pub(crate) fn advance(&mut self, ms: u64) {
        self.net.advance(Duration::from_millis(ms));
    }
}

impl Node {
    pub(crate) fn seen(&self) -> &Watching {
        self.watching.as_ref().expect("a viewer")
    }
}

impl Watching {
    /// Video packets in the order of their numbers, each once: what a decoder gets after repair.
    pub(crate) fn repaired(&self) -> Vec<Seen> {
        let mut packets = self.video.clone();
        packets.sort_by_key(|seen| seen.sequence);
        packets
    }

    /// Numbers missing between the first and the last packet.
    pub(crate) fn gaps(&self) -> usize {
        self.repaired().windows(2).map(|pair| (pair[1].sequence - pair[0].sequence) as usize - 1).sum()
    }
}
