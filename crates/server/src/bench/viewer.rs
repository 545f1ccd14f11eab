//! One viewer: joins as a browser does, and then counts what comes.
//!
//! Until it has opened a packet of each track, and for good if it is a *full* viewer, everything goes through the
//! client. From then on the RTP header tells: the server numbers a track's packets without gaps, so one opened packet,
//! whose payload says which it is, tells which all others are.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use headwater_sfu::track::Kind;
use headwater_sfu::{Certificate, Offering, PeerId, Sfu};
use headwater_udp::{Received, Socket};

use super::link;
use super::meter::Meter;
use super::signal::STREAM;
use super::traffic::{self, formats};

/// A viewer.
pub(super) struct Viewer {
    sfu: Sfu,
    peer: PeerId,
    address: SocketAddr,
    /// Opens every packet for good?
    is_full: bool,
    /// The server's numbers of each track, once known.
    tracks: Vec<Numbers>,
    needs_turn: bool,
    offered: Instant,
}

/// Which packet of the publisher a sequence number is: the last that came, as a place to count from.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    kind: Kind,
    ssrc: u32,
    sequence: u16,
    number: u32,
}

impl Viewer {
    /// A viewer and its offer.
    pub(super) fn offer(
        address: SocketAddr,
        certificate: &Certificate,
        profile: u16,
        number: usize,
        is_full: bool,
    ) -> io::Result<(Self, String)> {
        let mut sfu = link::client(address, certificate, profile, number as u32)?;
        let (now, what) = (Instant::now(), Offering::receiving(formats()));
        let offer = sfu.offer(now, STREAM, &what).map_err(io::Error::other)?;
        let (peer, tracks) = (offer.peer, Vec::new());
        Ok((Self { sfu, peer, address, is_full, tracks, needs_turn: false, offered: now }, offer.offer))
    }

    /// Takes the answer.
    pub(super) fn accept(&mut self, answer: &str) -> io::Result<()> {
        self.needs_turn = true;
        self.sfu.accept_answer(Instant::now(), self.peer, answer).map_err(io::Error::other)
    }

    /// Does it have audio and video?
    pub(super) fn is_watching(&self) -> bool {
        self.tracks.len() == formats().len()
    }

    /// Must it be looked after at once, or is it only counting?
    pub(super) fn is_attentive(&self) -> bool {
        self.is_full || !self.is_watching()
    }

    /// Takes a datagram.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        received: Received,
        datagram: &mut [u8],
        meter: &mut Meter,
    ) {
        let header = Header::of(datagram);
        if header.is_none() || self.is_attentive() {
            self.needs_turn = true;
            if !link::hand_in(&mut self.sfu, now, self.address, received, datagram) {
                meter.refused += u64::from(header.is_some() && self.is_watching());
                return;
            }
        }
        let Some(header) = header else { return };
        if !self.is_watching() {
            self.learn(header);
            if self.is_watching() {
                meter.joining.note(self.offered.elapsed().as_nanos() as u64);
            }
        }
        let Some(track) = self.tracks.iter_mut().find(|track| track.ssrc == header.ssrc) else { return };
        let step = header.sequence.wrapping_sub(track.sequence) as i16;
        track.number = track.number.wrapping_add_signed(step.into());
        track.sequence = header.sequence;
        let stamp = received.stamp.map_or_else(traffic::wall_clock, |stamp| stamp.as_nanos() as u64);
        meter.note(track.kind, track.number, stamp);
    }

    /// Lets the client's timers run and sends what it has to say.
    pub(super) fn turn(&mut self, now: Instant, socket: &mut Socket, buf: &mut Vec<u8>) {
        if !self.needs_turn && self.sfu.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.needs_turn = false;
        self.sfu.handle_timeout(now);
        link::flush(&mut self.sfu, now, socket, buf);
        while self.sfu.poll_event().is_some() {}
    }

    /// Looks into a packet that was just opened.
    fn learn(&mut self, header: Header) {
        let tracks = self.sfu.tracks(STREAM).unwrap_or_default();
        for track in tracks {
            let Some(packet) = track.history.newest() else { continue };
            let is_it = packet.meta.sequence as u16 == header.sequence
                && packet.meta.timestamp == header.timestamp
                && self.tracks.iter().all(|known| known.kind != track.kind);
            if let Some(number) = traffic::number(track.kind, packet.payload).filter(|_| is_it) {
                let Header { ssrc, sequence, .. } = header;
                self.tracks.push(Numbers { kind: track.kind, ssrc, sequence, number });
                return;
            }
        }
    }
}

/// What an RTP header shows to everybody.
#[derive(Debug, Clone, Copy)]
struct Header {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Header {
    /// `None` if it is STUN, DTLS or RTCP (RFC 7983 §7, RFC 5761 §4).
    fn of(datagram: &[u8]) -> Option<Self> {
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *datagram.first_chunk()?;
        if !(128..192).contains(&first) || (192..224).contains(&second) {
            return None;
        }
        Some(Self {
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_media_has_a_header() {
        let mut packet = [0; 40];
        packet[..12].copy_from_slice(&[0x90, 0xe0, 1, 2, 0, 0, 3, 4, 0, 0, 5, 6]);
        let header = Header::of(&packet).expect("RTP with a marker");
        assert_eq!((header.sequence, header.timestamp, header.ssrc), (0x102, 0x304, 0x506));
        for (at, byte, what) in [(1, 200, "RTCP"), (0, 0, "STUN"), (0, 22, "DTLS")] {
            let mut other = packet;
            other[at] = byte;
            assert!(Header::of(&other).is_none(), "{what}");
        }
        assert!(Header::of(&packet[..11]).is_none());
    }
}
