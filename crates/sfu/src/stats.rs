//! Facts and figures for the owner.

use std::time::{Duration, Instant};

use headwater_ice::Path;

use crate::event::CloseReason;
use crate::peer::{Peer, Role, State};
use crate::peer_id::PeerId;
use crate::security::Security;
use crate::sfu::Sfu;
use crate::track::Kind;

/// Counters of everything since the start; each only grows.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Totals {
    /// RTP packets received that passed SRTP.
    pub received_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// RTP packets sent, resends not included.
    pub sent_packets: u64,
    /// Their bytes on the wire.
    pub sent_bytes: u64,
    /// Of those, padding that brings the packets of a frame to one size.
    pub padding_bytes: u64,
    /// Packets resent over RTX.
    pub resent_packets: u64,
    /// Datagrams for no peer known.
    pub unrouted: u64,
    /// Datagrams with an unknown first byte.
    pub unknown_datagrams: u64,
    /// SRTP and SRTCP packets that did not authenticate, or were replayed.
    pub unauthentic: u64,
    /// DTLS datagrams dropped before they were looked at.
    pub handshakes_dropped: u64,
    /// Sessions ended, by reason: closed by the peer.
    pub closed_by_peer: u64,
    /// Closed by the owner.
    pub closed_by_owner: u64,
    /// Never connected.
    pub never_connected: u64,
    /// Handshake failed.
    pub handshake_failed: u64,
    /// Silent for too long.
    pub silent: u64,
    /// Replaced by another publisher.
    pub replaced: u64,
    /// Packets handed to other units on the same port. This and the next two are the owner's to count.
    pub handed_off: u64,
    /// Packets that were to be handed over, and were dropped because the other unit did not take them in time.
    pub hand_off_drops: u64,
    /// Datagrams that arrived at the wrong unit's socket, though their session had found its unit.
    pub wrong_worker: u64,
    /// Datagrams that the kernel dropped because the receive buffer was full. The owner's to count, too.
    pub kernel_drops: u64,
}

impl Totals {
    pub(crate) fn note_closed(&mut self, reason: CloseReason) {
        *match reason {
            CloseReason::ClosedByPeer => &mut self.closed_by_peer,
            CloseReason::ClosedByOwner => &mut self.closed_by_owner,
            CloseReason::NeverConnected => &mut self.never_connected,
            CloseReason::HandshakeFailed => &mut self.handshake_failed,
            CloseReason::Silent => &mut self.silent,
            CloseReason::Replaced => &mut self.replaced,
        } += 1;
    }
}

/// One stream at a glance.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// Does media flow?
    pub is_live: bool,
    /// For how long.
    pub live_for: Duration,
    /// Is its publisher at another unit? That one's entry tells of the tracks.
    pub is_replica: bool,
    /// Connected viewers.
    pub viewers: usize,
    /// Its media lines: kind, codec name, and for video the size where the codec tells.
    pub tracks: Vec<TrackInfo>,
}

/// One media line of a stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrackInfo {
    /// Audio or video.
    pub kind: Kind,
    /// Name of the codec as SDP writes it.
    pub codec: String,
    /// Width and height in pixels.
    pub resolution: Option<(u16, u16)>,
    /// Key frames asked for.
    pub key_frame_requests: u64,
    /// Bytes of packets kept for repair and late joiners.
    pub history_bytes: usize,
}

/// One session in detail.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Which.
    pub id: PeerId,
    /// Name of the stream.
    pub stream: String,
    /// Does it publish?
    pub is_publisher: bool,
    /// Is media able to flow?
    pub is_connected: bool,
    /// For how long the session has existed.
    pub age: Duration,
    /// What carries its media: transport, our address and the peer's.
    pub path: Option<Path>,
    /// What the handshake agreed on.
    pub security: Option<Security>,
    /// RTP packets received from it.
    pub received_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// RTP packets sent to it.
    pub sent_packets: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets lost on the way: found missing in what it sends, or reported by it.
    pub lost_packets: u64,
    /// Of those, repaired: recovered by us, or resent to it.
    pub repaired_packets: u64,
    /// Fraction lost of late, 0 to 1.
    pub fraction_lost: f64,
    /// Round-trip time.
    pub rtt: Option<Duration>,
    /// Packets over the permitted rate, dropped.
    pub over_rate: u64,
    /// Datagrams refused because they did not authenticate or came from an address that was not validated.
    pub refused: u64,
    /// Codec names, audio first.
    pub codecs: Vec<String>,
}

impl Sfu {
    /// All streams.
    pub fn streams(&self, now: Instant) -> Vec<StreamInfo> {
        let info = |broadcast: &crate::broadcast::Broadcast| StreamInfo {
            name: broadcast.name.clone(),
            is_live: broadcast.live_since.is_some(),
            live_for: broadcast
                .live_since
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            is_replica: broadcast.shared.remote.is_some(),
            viewers: broadcast
                .viewers
                .iter()
                .filter(|id| self.peer(**id).is_some_and(Peer::is_connected))
                .count(),
            tracks: broadcast
                .tracks
                .iter()
                .filter(|track| track.has_started())
                .map(|track| TrackInfo {
                    kind: track.kind,
                    codec: track
                        .live_format()
                        .map_or_else(String::new, |format| format.codec.name().to_owned()),
                    resolution: track.resolution(),
                    key_frame_requests: track.key_frames.sent,
                    history_bytes: track.history.bytes(),
                })
                .collect(),
        };
        self.broadcasts.iter().map(|(_, broadcast)| info(broadcast)).collect()
    }

    /// All sessions.
    pub fn peers(&self, now: Instant) -> Vec<PeerInfo> {
        let id = |index: usize, serial: u32| PeerId { index: index as u32, serial };
        self.peers.iter().map(|(index, (serial, peer))| self.info(now, id(index, *serial), peer)).collect()
    }

    /// One session.
    pub fn peer_info(&self, now: Instant, id: PeerId) -> Option<PeerInfo> {
        self.peer(id).map(|peer| self.info(now, id, peer))
    }

    /// Counters of everything since the start.
    pub fn counters(&self) -> Totals {
        *self.totals()
    }

    /// How many DTLS handshakes were finished since the start, by what they agreed on.
    pub fn handshakes(&self) -> &[(Security, u64)] {
        self.agreed.kinds()
    }

    fn info(&self, now: Instant, id: PeerId, peer: &Peer) -> PeerInfo {
        let broadcast = self.broadcasts.get(peer.broadcast);
        let mut info = PeerInfo {
            id,
            stream: broadcast.map_or_else(String::new, |broadcast| broadcast.name.clone()),
            is_publisher: matches!(peer.role, Role::Publisher(_)),
            is_connected: peer.state == State::Connected,
            age: now.saturating_duration_since(peer.created),
            path: peer.path,
            security: peer.security.clone(),
            received_packets: 0,
            received_bytes: 0,
            sent_packets: peer.sent_packets,
            sent_bytes: peer.sent_bytes,
            lost_packets: 0,
            repaired_packets: 0,
            fraction_lost: 0.0,
            rtt: None,
            over_rate: 0,
            refused: peer.refused.srtp + peer.refused.dtls + peer.refused.stun,
            codecs: Vec::new(),
        };
        if let Some(broadcast) = broadcast {
            let mut live: Vec<_> = broadcast.live_formats().collect();
            live.sort_by_key(|(kind, _)| *kind);
            info.codecs = live.into_iter().map(|(_, format)| format.codec.name().to_owned()).collect();
        }
        match &peer.role {
            Role::Publisher(publisher) => {
                let received = publisher.received();
                info.received_packets = received.packets;
                info.received_bytes = received.bytes;
                info.lost_packets = publisher.lost();
                info.repaired_packets = received.repaired;
                info.over_rate = received.over_rate;
                info.rtt = publisher.rtt();
            }
            Role::Viewer(viewer) => {
                let reported = viewer.reported();
                info.lost_packets = reported.lost;
                info.fraction_lost = f64::from(reported.fraction_lost) / 256.0;
                info.rtt = reported.rtt;
                info.repaired_packets = viewer.lines().iter().map(|line| line.forwarder.sent().resent).sum();
            }
        }
        info
    }
}
