//! Units with rings, messages and clients between them, without sockets: what the node does with threads.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use headwater_rtp::SequenceNumber;
use headwater_sfu::history::{Cursor, Read};
use headwater_sfu::{
    Batch, Certificate, CloseReason, Config, Datagram, Error, Event, LocalStream, MediaPacket, Notice,
    Offering, Path, PeerId, Sfu, SignalError, Transport, Wish, ufrag_of_request,
};

use crate::rig::{here, opus, vp8};

const STREAM: &str = "stream";
/// Milliseconds between two frames, and packets of each.
const FRAME: u64 = 33;
const PACKETS: u16 = 3;
const UNIX: Duration = Duration::from_secs(1_800_000_000);

/// What is on its way from one unit to another.
pub(crate) struct Wire {
    notices: VecDeque<Notice>,
    wishes: VecDeque<Wish>,
    batches: VecDeque<Batch>,
    /// Batches that fit; further ones are dropped.
    pub(crate) room: usize,
    is_after_loss: bool,
    /// Packets.
    pub(crate) handed_off: usize,
    pub(crate) dropped: usize,
}

/// A publisher or viewer.
pub(crate) struct Client {
    sfu: Sfu,
    address: SocketAddr,
    peer: PeerId,
    /// The unit that its datagrams arrive at.
    pub(crate) unit: usize,
    cursor: Cursor,
    seen: Vec<Seen>,
    media: Option<LocalStream>,
    /// Which of the datagrams for it are lost, by number.
    pub(crate) drops: Option<fn(usize) -> bool>,
    /// Which of its own are.
    pub(crate) loses: Option<fn(usize) -> bool>,
    datagrams: usize,
    sent: usize,
    key_frame_requests: usize,
    has_ended: bool,
}

/// A packet as a viewer got it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    sequence: u64,
    pub(crate) key_frame: bool,
    pub(crate) frame: u32,
}

pub(crate) struct Units {
    pub(crate) units: Vec<Sfu>,
    /// By who gives and who takes.
    pub(crate) wires: Vec<Vec<Wire>>,
    pub(crate) clients: Vec<Client>,
    pub(crate) now: Instant,
    /// How sessions of publishers ended.
    pub(crate) closed: Vec<CloseReason>,
    publishers: Vec<(usize, PeerId)>,
    elapsed: u64,
    frame: u32,
    sequence: u16,
    generation: u32,
    wants_key: bool,
    restarts: u8,
}

fn certificate() -> Certificate {
    static CERTIFICATE: LazyLock<Certificate> =
        LazyLock::new(|| Certificate::generate().expect("a certificate"));
    CERTIFICATE.clone()
}

fn server() -> SocketAddr {
    "192.0.2.1:8189".parse().expect("an address")
}

fn unit(number: usize, restarts: u8, now: Instant) -> Sfu {
    let mut config = Config::new(certificate(), vec![server()]);
    config.shares_streams = true;
    config.worker = number as u8;
    Sfu::new(config, [number as u8 + 100 + 10 * restarts; 32], now, UNIX).expect("the settings can work")
}

impl Units {
    pub(crate) fn new(units: usize) -> Self {
        let now = Instant::now();
        let wire = || Wire {
            notices: VecDeque::new(),
            wishes: VecDeque::new(),
            batches: VecDeque::new(),
            room: 64,
            is_after_loss: false,
            handed_off: 0,
            dropped: 0,
        };
        Self {
            units: (0..units).map(|number| unit(number, 0, now)).collect(),
            wires: (0..units).map(|_| (0..units).map(|_| wire()).collect()).collect(),
            clients: Vec::new(),
            now,
            closed: Vec::new(),
            publishers: Vec::new(),
            elapsed: 0,
            frame: 0,
            sequence: 65_500,
            generation: 0,
            wants_key: true,
            restarts: 0,
        }
    }

    /// A client whose offer unit `by` answers, and whose datagrams arrive at unit `unit`.
    pub(crate) fn join(&mut self, by: usize, unit: usize, publishes: bool) -> Result<usize, SignalError> {
        let now = self.now;
        let number = self.clients.len() as u8 + 1;
        let address = SocketAddr::from(([198, 51, 100, number], 5000));
        let config = Config::new(certificate(), vec![address]);
        let mut sfu = Sfu::new(config, [number; 32], now, UNIX).expect("the settings can work");
        let formats = vec![vp8(), opus()];
        let media = publishes.then(|| sfu.open_stream(now, STREAM, &formats).expect("a new stream"));
        let what = if publishes { Offering::sending(formats) } else { Offering::receiving(formats) };
        let offered = sfu.offer(now, STREAM, &what)?;
        let accepted = match publishes {
            true => self.units[by].publish(now, STREAM, &offered.offer, here())?,
            false => self.units[by].watch(now, STREAM, &offered.offer, here())?,
        };
        sfu.accept_answer(now, offered.peer, &accepted.answer)?;
        self.clients.push(Client {
            sfu,
            address,
            peer: offered.peer,
            unit,
            cursor: Cursor::default(),
            seen: Vec::new(),
            media,
            drops: None,
            loses: None,
            datagrams: 0,
            sent: 0,
            key_frame_requests: 0,
            has_ended: false,
        });
        Ok(self.clients.len() - 1)
    }

    pub(crate) fn publisher(&mut self, by: usize, unit: usize) -> usize {
        let client = self.join(by, unit, true).expect("a good offer");
        self.wants_key = true;
        self.run(300);
        assert!(self.is_live(), "it publishes");
        client
    }

    pub(crate) fn viewer(&mut self, by: usize, unit: usize) -> usize {
        self.join(by, unit, false).expect("a good offer")
    }

    pub(crate) fn leave(&mut self, client: usize) {
        let client = &mut self.clients[client];
        client.sfu.close(self.now, client.peer);
        client.media = None;
    }

    /// A unit fails and begins anew; its owner tells the others.
    pub(crate) fn restart(&mut self, number: usize) {
        self.restarts += 1;
        self.units[number] = unit(number, self.restarts, self.now);
        for other in (0..self.units.len()).filter(|other| *other != number) {
            self.units[other].forget_unit(self.now, number);
            self.units[other].renew_notices();
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.units.iter().all(|unit| unit.streams(self.now).iter().any(|stream| stream.is_live))
    }

    /// Connected viewers of each unit.
    pub(crate) fn viewers(&self) -> Vec<usize> {
        let viewers = |unit: &Sfu| {
            unit.peers(self.now).iter().filter(|peer| peer.is_connected && !peer.is_publisher).count()
        };
        self.units.iter().map(viewers).collect()
    }

    pub(crate) fn seen(&self, client: usize) -> &[Seen] {
        &self.clients[client].seen
    }

    /// Numbers missing between the first and the last packet that a viewer got.
    pub(crate) fn gaps(&self, client: usize) -> usize {
        let mut numbers: Vec<_> = self.clients[client].seen.iter().map(|seen| seen.sequence).collect();
        numbers.sort_unstable();
        numbers.windows(2).map(|pair| (pair[1] - pair[0]) as usize - 1).sum()
    }

    pub(crate) fn key_frame_requests(&self, client: usize) -> usize {
        self.clients[client].key_frame_requests
    }

    pub(crate) fn has_ended(&self, client: usize) -> bool {
        self.clients[client].has_ended
    }

    pub(crate) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += Duration::from_millis(1);
            self.elapsed += 1;
            if self.elapsed.is_multiple_of(FRAME) {
                self.produce();
            }
            (0..self.clients.len()).for_each(|client| self.turn_client(client));
            (0..self.units.len()).for_each(|unit| self.turn_unit(unit));
        }
    }

    fn produce(&mut self) {
        let key = std::mem::take(&mut self.wants_key);
        self.frame += 1;
        for client in &mut self.clients {
            let Some(stream) = client.media else { continue };
            for index in 0..PACKETS {
                let packet = MediaPacket {
                    sequence: SequenceNumber(self.sequence.wrapping_add(index)),
                    timestamp: self.frame * FRAME as u32 * 90,
                    marker: index + 1 == PACKETS,
                    payload: &payload(self.frame, index, key),
                };
                client.sfu.handle_media(self.now, stream, 0, &packet);
            }
        }
        self.sequence = self.sequence.wrapping_add(PACKETS);
    }

    fn turn_client(&mut self, index: usize) {
        let now = self.now;
        let client = &mut self.clients[index];
        client.sfu.handle_timeout(now);
        while let Some(event) = client.sfu.poll_event() {
            match event {
                Event::KeyFrameWanted { .. } => {
                    self.wants_key = true;
                    client.key_frame_requests += 1;
                }
                Event::Closed { .. } => client.has_ended = true,
                _ => {}
            }
        }
        if client.media.is_none()
            && let Some(track) = client.sfu.tracks(STREAM).and_then(|tracks| {
                tracks.iter().find(|track| track.kind == headwater_sfu::track::Kind::Video)
            })
        {
            while let Read::Packet(packet) = track.history.read(&mut client.cursor) {
                let frame = packet.payload.get(14..18).and_then(|bytes| bytes.first_chunk());
                client.seen.push(Seen {
                    sequence: packet.meta.sequence,
                    key_frame: packet.meta.descriptor.key_frame,
                    frame: frame.map_or(0, |bytes| u32::from_be_bytes(*bytes)),
                });
            }
        }
        let (address, unit) = (client.address, client.unit);
        let mut out = Vec::new();
        while let Some(transmit) = self.clients[index].sfu.poll_transmit(now, &mut out) {
            let segment = transmit.segment_size.map_or(transmit.len, usize::from);
            for datagram in out.chunks_mut(segment) {
                let client = &mut self.clients[index];
                client.sent += 1;
                if !client.loses.is_some_and(|loses| loses(client.sent)) {
                    self.hear(unit, address, datagram);
                }
            }
            out.clear();
        }
    }

    /// A datagram arrives at a unit's socket.
    fn hear(&mut self, unit: usize, remote: SocketAddr, bytes: &mut [u8]) {
        let now = self.now;
        let mut handle = |units: &mut Vec<Sfu>, at: usize| {
            units[at].handle_datagram(now, Datagram::new(server(), remote, now, bytes))
        };
        if handle(&mut self.units, unit) != Err(Error::Unrouted) {
            return;
        }
        // A stray: whoever knows the session takes it, and gives it away if it can.
        let Some(owner) = (0..self.units.len())
            .find(|other| *other != unit && handle(&mut self.units, *other) != Err(Error::Unrouted))
        else {
            return;
        };
        if ufrag_of_request(bytes).is_some()
            && let Some(peer) = self.units[owner].peer_of_request(bytes)
            && let path = Path::new(Transport::Udp, server(), remote)
            && let Some(parcel) = self.units[owner].release(peer, &path)
        {
            assert_eq!(parcel.paths(), [path]);
            self.units[unit].adopt(now, parcel);
        }
    }

    fn turn_unit(&mut self, index: usize) {
        let now = self.now;
        for from in 0..self.units.len() {
            let (unit, wire) = (&mut self.units[index], &mut self.wires[from][index]);
            wire.notices.drain(..).for_each(|notice| unit.handle_notice(now, from, &notice));
            wire.wishes.drain(..).for_each(|wish| unit.handle_wish(now, from, wish));
            wire.batches.drain(..).for_each(|batch| unit.handle_batch(now, &batch));
        }
        let unit = &mut self.units[index];
        unit.handle_timeout(now);
        for (to, wire) in self.wires[index].iter_mut().enumerate().filter(|(to, _)| *to != index) {
            let mut has_more = true;
            while has_more {
                let mut batch = Batch::new();
                has_more = unit.hand_off(now, to, &mut batch);
                if batch.is_empty() {
                    break;
                }
                if wire.batches.len() >= wire.room {
                    wire.is_after_loss = true;
                    wire.dropped += batch.packets();
                    continue;
                }
                if std::mem::take(&mut wire.is_after_loss) {
                    batch.note_loss();
                }
                wire.handed_off += batch.packets();
                wire.batches.push_back(batch);
            }
        }
        let mut out = Vec::new();
        while let Some(transmit) = unit.poll_transmit(now, &mut out) {
            let client = self.clients.iter_mut().find(|client| client.address == transmit.remote);
            let client = client.expect("nobody else is there");
            let segment = transmit.segment_size.map_or(transmit.len, usize::from);
            for datagram in out.chunks_mut(segment) {
                client.datagrams += 1;
                if client.drops.is_some_and(|drops| drops(client.datagrams)) {
                    continue;
                }
                let datagram = Datagram::new(client.address, server(), now, datagram);
                let _ = client.sfu.handle_datagram(now, datagram);
            }
            out.clear();
        }
        while let Some(event) = unit.poll_event() {
            match event {
                Event::Connected(peer) if unit.peer_info(now, peer).is_some_and(|info| info.is_publisher) => {
                    self.generation += 1;
                    assert!(unit.begin_publishing(now, peer, self.generation));
                    self.publishers.push((index, peer));
                }
                Event::Closed { peer, reason } if self.publishers.contains(&(index, peer)) => {
                    self.closed.push(reason);
                }
                _ => {}
            }
        }
        while let Some(notice) = unit.poll_notice(now) {
            for (_, wire) in self.wires[index].iter_mut().enumerate().filter(|(to, _)| *to != index) {
                wire.notices.push_back(notice.clone());
            }
        }
        while let Some((to, wish)) = unit.poll_wish(now) {
            self.wires[index][to].wishes.push_back(wish);
        }
    }
}

/// VP8 with a picture id of 15 bits; the frame's number is in bytes 14 to 17.
fn payload(frame: u32, index: u16, key: bool) -> Vec<u8> {
    let mut payload = vec![0x80, 0x80, 0x80 | (frame >> 8 & 0x7f) as u8, frame as u8];
    payload[0] |= u8::from(index == 0) << 4;
    payload.extend_from_slice(&[u8::from(!key || index > 0), 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
    payload.extend_from_slice(&frame.to_be_bytes());
    payload.resize(700, 0);
    payload
}
