//! A viewer at a server with a public address, which is what most sessions are.

use headwater_nat::{FIRST, LATENCY, Surroundings, World};
use headwater_stun::Transport;
use std::time::Duration;

/// How the viewer sends to the server, and after how many latencies the server has a path, and again after the viewer's
/// NAT was rebound.
///
/// Over UDP a check and its answer, and the nomination; over TCP a connection is opened before. After a rebinding the
/// next consent check, at most 6 s away, shows the new address; a connection breaks at once and is opened again.
const VIEWERS: &[(Surroundings, &str)] = &[
    (Surroundings::Open, "udp"),
    (Surroundings::FullCone, "udp"),
    (Surroundings::AddressRestricted, "udp"),
    (Surroundings::PortRestricted, "udp"),
    (Surroundings::Symmetric, "udp"),
    (Surroundings::UdpBlocked, "tcp"),
    (Surroundings::Only443, "tcp"),
];

fn transport(world: &World) -> String {
    format!("{:?}", world.peer(FIRST).selected_path().expect("connected").transport).to_lowercase()
}

#[test]
fn a_viewer_connects_from_everywhere_without_a_relay() {
    assert_eq!(VIEWERS.len(), Surroundings::ALL.len());
    for (surroundings, expected) in VIEWERS {
        let mut world = World::with_server(*surroundings, true);
        let took = world.connect().unwrap_or_else(|| panic!("{surroundings:?} doesn't connect"));
        let longest = if *expected == "udp" { 5 * LATENCY } else { 10 * LATENCY };
        assert!(took <= longest, "{surroundings:?} took {took:?}");
        assert_eq!(transport(&world), *expected, "{surroundings:?}");
        assert!(world.exchange_media(Duration::from_millis(100)).is_some());
    }
}

#[test]
fn a_rebound_viewer_is_found_again() {
    for (surroundings, expected) in VIEWERS {
        let mut world = World::with_server(*surroundings, true);
        world.connect().expect("connects");
        world.advance(Duration::from_secs(20));
        let Some(nat) = world.nats[FIRST] else { continue };
        let before = world.server().selected_path();
        world.net.rebind(nat);
        let longest = if *expected == "udp" { 6_500 } else { 1_000 };
        let took = world.exchange_media(Duration::from_millis(longest));
        assert!(took.is_some(), "{surroundings:?}: {:?}", world.peer(FIRST));
        assert_ne!(world.server().selected_path(), before, "{surroundings:?}");
        assert_eq!(transport(&world), *expected);
        // And it lasts.
        world.advance(Duration::from_secs(60));
        assert!(world.exchange_media(Duration::from_millis(100)).is_some(), "{surroundings:?}");
        assert!(!world.peer(FIRST).has_failed() && !world.server().is_closed());
    }
}

#[test]
fn a_server_without_tcp_is_reached_by_a_relay_where_there_is_no_udp() {
    for surroundings in [Surroundings::UdpBlocked, Surroundings::Only443] {
        let mut world = World::with_server(surroundings, false);
        let took = world.connect().expect("connects");
        assert!(took <= Duration::from_secs(1), "{surroundings:?} took {took:?}");
        assert_eq!(world.peer(FIRST).relays_over(), Some(Transport::Tcp));
        assert!(world.exchange_media(Duration::from_millis(200)).is_some());
    }
}
