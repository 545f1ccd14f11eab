//! What `--metrics` tells.

use axum::http::header::CONTENT_TYPE;
use headwater_relay::Relay;

use crate::metrics::{self, Sample};

/// The counters as Prometheus wants them.
pub(super) fn exposition(relay: &Relay) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], samples(relay))
}

fn samples(relay: &Relay) -> String {
    let c = relay.counters();
    let gauge = |name, help, value| Sample::gauge(name, help, &[], value);
    let counter = |name, help, value| Sample::counter(name, help, &[], value);
    let ended = |reason: &'static str, value| {
        let help = "Allocations ended, by reason.";
        Sample::counter("headwater_turn_allocations_ended_total", help, &[("reason", reason)], value)
    };
    let direction = |name, help, [to_peers, to_clients]: [u64; 2]| {
        [("peers", to_peers), ("clients", to_clients)]
            .map(|(to, value)| Sample::counter(name, help, &[("to", to)], value))
    };
    let mut samples = vec![
        gauge("headwater_turn_allocations", "Allocations now.", c.allocations),
        gauge("headwater_turn_relays", "Sockets of relays now.", c.relays),
        gauge("headwater_turn_connections", "TCP and TLS connections of clients now.", c.connections),
        gauge("headwater_turn_associations", "DTLS associations of clients now.", c.associations),
        gauge("headwater_turn_peer_connections", "TCP connections with peers now.", c.peer_connections),
        counter("headwater_turn_allocated_total", "Allocations made.", c.allocated),
        ended("client", c.ended_by_client),
        ended("expired", c.expired),
        ended("disconnected", c.disconnected),
        counter("headwater_turn_moved_total", "Allocations that moved to another address.", c.moved),
        counter("headwater_turn_no_relay_total", "Relays refused for want of ports or files.", c.no_relay),
        counter("headwater_turn_over_quota_total", "Allocations refused by quota.", c.over_quota),
        counter(
            "headwater_turn_failed_authentications_total",
            "Requests with credentials that are wrong, unknown or expired.",
            c.failed_authentications,
        ),
        counter(
            "headwater_turn_withheld_answers_total",
            "Answers kept back, as their receiver may not be the one who asked.",
            c.withheld_answers,
        ),
        counter("headwater_turn_refused_total", "Improper datagrams of clients.", c.refused),
        counter(
            "headwater_turn_connections_refused_total",
            "Connections over a limit.",
            c.connections_refused,
        ),
    ];
    let name = "headwater_turn_datagrams_total";
    samples.extend(direction(name, "Datagrams relayed.", [c.to_peers, c.to_clients]));
    let name = "headwater_turn_bytes_total";
    samples.extend(direction(
        name,
        "Bytes of application data relayed.",
        [c.to_peers_bytes, c.to_clients_bytes],
    ));
    samples.extend([
        counter(
            "headwater_turn_not_permitted_total",
            "Datagrams of peers without permission.",
            c.not_permitted,
        ),
        counter(
            "headwater_turn_over_bitrate_total",
            "Datagrams beyond the bits per second of a user or an address.",
            c.over_bitrate,
        ),
        counter(
            "headwater_turn_dropped_total",
            "Datagrams that found a full socket or a slow client.",
            c.dropped,
        ),
        counter("headwater_turn_unreachable_total", "Datagrams to peers that ICMP told of.", c.unreachable),
    ]);
    metrics::render(&samples)
}
