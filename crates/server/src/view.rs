//! What the API shows of the node's life: JSON shapes, and how the node's values become them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use headwater_node::track::Kind;
use headwater_node::{Counters, Security, SessionInfo, StreamInfo, Totals, TrackInfo};
use serde::Serialize;
use serde_json::{Value, json};

use crate::metrics::Sample;
use crate::names;

/// A stream, for administrators; [`public`](Self::public) is what others see.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct StreamView {
    pub(crate) name: String,
    pub(crate) live: bool,
    pub(crate) live_seconds: f64,
    /// Names as in SDP: `VP8`, `H264`, `opus`.
    pub(crate) codecs: Vec<String>,
    pub(crate) viewers: usize,
    pub(crate) tracks: Vec<TrackView>,
}

/// One media line of a stream.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct TrackView {
    pub(crate) kind: &'static str,
    pub(crate) codec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u16>,
    pub(crate) key_frame_requests: u64,
    pub(crate) history_bytes: usize,
}

impl StreamView {
    /// What somebody sees who may watch but not administer.
    pub(crate) fn public(&self) -> Value {
        json!({ "name": self.name, "live": self.live, "codecs": self.codecs, "viewers": self.viewers })
    }
}

/// One publisher or viewer, for administrators.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SessionView {
    pub(crate) id: String,
    pub(crate) stream: String,
    /// `publisher` or `viewer`.
    pub(crate) kind: &'static str,
    pub(crate) connected: bool,
    pub(crate) age_seconds: f64,
    pub(crate) codecs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) security: Option<SecurityView>,
    /// The addresses in use: ours and the peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathView>,
    pub(crate) received: FlowView,
    pub(crate) sent: FlowView,
    pub(crate) lost_packets: u64,
    pub(crate) repaired_packets: u64,
    /// Of late, 0 to 1.
    pub(crate) fraction_lost: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rtt_ms: Option<f64>,
    /// Packets dropped because the publisher exceeded its bitrate.
    pub(crate) over_rate_packets: u64,
    /// Datagrams that did not authenticate or came too early.
    pub(crate) refused_datagrams: u64,
}

/// What the DTLS handshake agreed on, by IANA's names; a number that we have no name for stays one.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SecurityView {
    pub(crate) dtls: String,
    pub(crate) cipher_suite: String,
    pub(crate) group: String,
    pub(crate) srtp_profile: String,
}

/// The selected candidate pair.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PathView {
    /// `udp`, `tcp`, or `relay` for a client of our TURN server.
    pub(crate) transport: &'static str,
    pub(crate) local: String,
    pub(crate) remote: String,
}

/// RTP in one direction; `bitrate` is the session's average in bits per second.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct FlowView {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) bitrate: u64,
}

impl FlowView {
    fn new(packets: u64, bytes: u64, age: Duration) -> Self {
        let bitrate = (bytes as f64 * 8.0 / age.as_secs_f64().max(0.001)) as u64;
        Self { packets, bytes, bitrate }
    }
}

impl From<TrackInfo> for TrackView {
    fn from(info: TrackInfo) -> Self {
        Self {
            kind: if info.kind == Kind::Audio { "audio" } else { "video" },
            codec: info.codec,
            width: info.resolution.map(|(width, _)| width),
            height: info.resolution.map(|(_, height)| height),
            key_frame_requests: info.key_frame_requests,
            history_bytes: info.history_bytes,
        }
    }
}

impl From<StreamInfo> for StreamView {
    fn from(info: StreamInfo) -> Self {
        let tracks: Vec<TrackView> = info.tracks.into_iter().map(TrackView::from).collect();
        Self {
            name: info.name,
            live: info.is_live,
            live_seconds: info.live_for.as_secs_f64(),
            codecs: tracks.iter().map(|track| track.codec.clone()).collect(),
            viewers: info.viewers,
            tracks,
        }
    }
}

impl From<Security> for SecurityView {
    fn from(security: Security) -> Self {
        Self {
            dtls: security.version,
            cipher_suite: names::suite(security.cipher_suite),
            group: names::group(security.group),
            srtp_profile: names::profile(security.srtp_profile),
        }
    }
}

impl From<SessionInfo> for SessionView {
    fn from(info: SessionInfo) -> Self {
        let SessionInfo { id, peer, .. } = info;
        Self {
            id: id.to_string(),
            stream: peer.stream,
            kind: if peer.is_publisher { "publisher" } else { "viewer" },
            connected: peer.is_connected,
            age_seconds: peer.age.as_secs_f64(),
            codecs: peer.codecs,
            security: peer.security.map(SecurityView::from),
            path: peer.path.map(|path| PathView {
                transport: names::transport(path.transport),
                local: path.local.to_string(),
                remote: path.remote.to_string(),
            }),
            received: FlowView::new(peer.received_packets, peer.received_bytes, peer.age),
            sent: FlowView::new(peer.sent_packets, peer.sent_bytes, peer.age),
            lost_packets: peer.lost_packets,
            repaired_packets: peer.repaired_packets,
            fraction_lost: peer.fraction_lost,
            rtt_ms: peer.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            over_rate_packets: peer.over_rate,
            refused_datagrams: peer.refused,
        }
    }
}

/// The TURN server beside the media, under the names that `headwater turn` uses.
fn of_turn(counters: &Counters) -> Vec<Sample> {
    let turn = &counters.turn;
    let both = |name, help, label: &'static str, values: [u64; 2]| {
        ["peers", "clients"]
            .into_iter()
            .zip(values)
            .map(move |(of, value)| Sample::counter(name, help, &[(label, of)], value))
    };
    let mut samples = vec![
        Sample::gauge(
            "headwater_media_connections",
            "TCP connections with media now, TURN included.",
            &[],
            counters.connections,
        ),
        Sample::gauge("headwater_turn_allocations", "Allocations now.", &[], turn.allocations),
        Sample::counter("headwater_turn_allocated_total", "Allocations made.", &[], turn.allocated),
        Sample::counter(
            "headwater_turn_failed_authentications_total",
            "Requests with wrong or expired credentials.",
            &[],
            turn.failed_authentications,
        ),
    ];
    samples.extend(both("headwater_turn_datagrams_total", "Datagrams relayed.", "to", turn.packets));
    samples.extend(both(
        "headwater_turn_bytes_total",
        "Bytes of application data relayed.",
        "to",
        turn.bytes,
    ));
    let [of_clients, for_clients] = turn.refused;
    let help = "Data refused: improper, not permitted, over a limit.";
    samples.extend(both("headwater_turn_refused_total", help, "to", [of_clients, for_clients]));
    samples
}

/// The node's counters for `/metrics`: by kind, never by session or stream name.
pub(crate) fn samples(counters: &Counters) -> Vec<Sample> {
    let sessions = "Sessions now.";
    let mut samples = vec![
        Sample::gauge("headwater_streams", "Live streams now.", &[], counters.streams),
        Sample::gauge("headwater_sessions", sessions, &[("kind", "publisher")], counters.publishers),
        Sample::gauge("headwater_sessions", sessions, &[("kind", "viewer")], counters.viewers),
        Sample::gauge("headwater_sessions", sessions, &[("kind", "pending")], counters.pending),
    ];
    let (name, help) = ("headwater_sessions_by_security", "Connected sessions by transport security.");
    let now = by_security(&counters.security);
    samples.extend(now.into_iter().map(|(labels, count)| Sample::gauge(name, help, &labels, count)));
    let (name, help) = ("headwater_handshakes_total", "DTLS handshakes finished, by what they agreed on.");
    let all = by_security(&counters.handshakes);
    samples.extend(all.into_iter().map(|(labels, count)| Sample::counter(name, help, &labels, count)));
    samples.push(Sample::counter(
        "headwater_worker_panics_total",
        "Media workers begun anew.",
        &[],
        counters.panics,
    ));
    samples.extend(of_workers(counters));
    samples.extend(of_turn(counters));
    let sum = |value: fn(&Totals) -> u64| counters.totals.iter().map(value).sum::<u64>();
    let ended = "Sessions ended, by reason.";
    let name = "headwater_sessions_ended_total";
    type Figure = fn(&Totals) -> u64;
    let reasons: [(&'static str, Figure); 6] = [
        ("closed_by_peer", |totals| totals.closed_by_peer),
        ("closed_by_owner", |totals| totals.closed_by_owner),
        ("never_connected", |totals| totals.never_connected),
        ("handshake_failed", |totals| totals.handshake_failed),
        ("silent", |totals| totals.silent),
        ("replaced", |totals| totals.replaced),
    ];
    samples.extend(
        reasons.map(|(reason, value)| Sample::counter(name, ended, &[("reason", reason)], sum(value))),
    );
    let packets = "RTP packets by direction; resends count by themselves.";
    let name = "headwater_rtp_packets_total";
    samples.extend([
        Sample::counter(name, packets, &[("direction", "in")], sum(|totals| totals.received_packets)),
        Sample::counter(name, packets, &[("direction", "out")], sum(|totals| totals.sent_packets)),
        Sample::counter(name, packets, &[("direction", "resent")], sum(|totals| totals.resent_packets)),
    ]);
    let bytes = "RTP bytes by direction.";
    let name = "headwater_rtp_bytes_total";
    samples.extend([
        Sample::counter(name, bytes, &[("direction", "in")], sum(|totals| totals.received_bytes)),
        Sample::counter(name, bytes, &[("direction", "out")], sum(|totals| totals.sent_bytes)),
    ]);
    let padding = "Bytes of padding sent, to let the packets of a frame leave as one message.";
    let name = "headwater_rtp_padding_bytes_total";
    samples.push(Sample::counter(name, padding, &[], sum(|totals| totals.padding_bytes)));
    let refused = "Datagrams that changed nothing, by reason.";
    let name = "headwater_datagrams_refused_total";
    samples.extend([
        Sample::counter(name, refused, &[("reason", "unrouted")], sum(|totals| totals.unrouted)),
        Sample::counter(name, refused, &[("reason", "unknown")], sum(|totals| totals.unknown_datagrams)),
        Sample::counter(name, refused, &[("reason", "unauthentic")], sum(|totals| totals.unauthentic)),
        Sample::counter(name, refused, &[("reason", "handshake")], sum(|totals| totals.handshakes_dropped)),
    ]);
    samples
}

/// Counts with their labels, of which there are few whatever peers do.
fn by_security(
    counts: &HashMap<(String, u16, u16), u64>,
) -> BTreeMap<[(&'static str, &'static str); 3], u64> {
    let mut labelled = BTreeMap::new();
    for ((version, group, profile), count) in counts {
        let labels = [
            ("dtls", names::version_label(version)),
            ("group", names::group_label(*group)),
            ("srtp", names::profile_label(*profile)),
        ];
        *labelled.entry(labels).or_default() += count;
    }
    labelled
}

/// What tells whether the workers share the work evenly, and what it costs them to work together.
fn of_workers(counters: &Counters) -> Vec<Sample> {
    type Figure = fn(&Totals) -> u64;
    let mut samples = Vec::new();
    for (worker, viewers) in counters.viewers_by_worker.iter().enumerate() {
        let (name, help) = ("headwater_worker_viewers", "Viewers now, by media worker.");
        samples.push(Sample::gauge(name, help, &[], *viewers).of_worker(worker));
    }
    let figures: [(&'static str, &'static str, Figure); 5] = [
        ("headwater_worker_sent_packets_total", "RTP packets sent, by media worker.", |totals| {
            totals.sent_packets
        }),
        ("headwater_handed_off_packets_total", "RTP packets handed to other workers.", |totals| {
            totals.handed_off
        }),
        (
            "headwater_hand_off_drops_total",
            "RTP packets that another worker did not take in time.",
            |totals| totals.hand_off_drops,
        ),
        (
            "headwater_wrong_worker_datagrams_total",
            "Datagrams of placed sessions that arrived at another worker's socket.",
            |totals| totals.wrong_worker,
        ),
        (
            "headwater_kernel_drops_total",
            "Datagrams that the kernel dropped because a receive buffer was full, by media worker.",
            |totals| totals.kernel_drops,
        ),
    ];
    for (name, help, figure) in figures {
        for (worker, totals) in counters.totals.iter().enumerate() {
            samples.push(Sample::counter(name, help, &[], figure(totals)).of_worker(worker));
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_counted_by_version_group_and_profile_with_few_labels() {
        let mut counters = Counters::default();
        for (group, count) in [(4588, 5), (29, 2), (60_000, 1), (60_001, 1)] {
            counters.handshakes.insert(("1.3".to_owned(), group, 7), count);
        }
        counters.security.insert(("1.2".to_owned(), 23, 1), 3);
        let text: Vec<String> = samples(&counters).iter().map(|sample| format!("{sample:?}")).collect();
        let found = |words: &[&str]| text.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found(&[
            "headwater_handshakes_total",
            "\"1.3\"",
            "X25519MLKEM768",
            "AES_128_GCM",
            "value: 5"
        ]));
        assert!(found(&["headwater_handshakes_total", "\"X25519\"", "value: 2"]));
        assert!(found(&["headwater_handshakes_total", "\"other\"", "value: 2"]), "{text:#?}");
        assert!(found(&["headwater_sessions_by_security", "\"1.2\"", "secp256r1", "SHA1_80", "value: 3"]));
    }
}
