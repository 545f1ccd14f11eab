//! Nobody is sent to who hasn't agreed within 30 s (RFC 7675).

use std::time::{Duration, Instant};

use headwater_ice::{CloseReason, Error, Event, Role};
use headwater_netsim::{FIRST, FIRST_ADDRESS, Link, Network, SECOND, SECOND_ADDRESS, Verdict};
use headwater_stun::{Datagram, Transport};

use crate::peer::{Peer, is_connected};

const EXPIRED: Event = Event::Closed { reason: CloseReason::ConsentExpired };

fn connected(link: Link) -> Network<Peer> {
    let now = Instant::now();
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    client.agent().set_remote_is_lite();
    client.signal(2, &[SECOND_ADDRESS]);
    let mut network = Network::pair(client, Peer::lite(2, Some(1), now)).link(link).seed(5);
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    network
}

#[test]
fn checks_go_out_every_4_to_6_seconds() {
    let mut network = connected(Link::default());
    network.advance(Duration::from_secs(1));
    let before = network[SECOND].heard.len();
    network.advance(Duration::from_secs(600));
    let checks = network[SECOND].heard.len() - before;
    assert!((110..=130).contains(&checks), "{checks}");
}

#[test]
fn a_third_of_all_datagrams_lost_does_not_end_consent() {
    let mut network = connected(Link::default().loss(0.2));
    network.advance(Duration::from_secs(300));
    assert!(!network[FIRST].has_told(&EXPIRED) && !network[SECOND].has_told(&EXPIRED));
}

#[test]
fn a_dead_path_closes_both_sides_after_30_seconds() {
    let mut network = connected(Link::default());
    network.set_link(Link::broken());
    let broken = network.elapsed();
    network.run_until(|n| n[FIRST].has_told(&EXPIRED) && n[SECOND].has_told(&EXPIRED));
    let silence = network.elapsed() - broken;
    assert!(silence <= Duration::from_secs(30), "{silence:?}");
    assert!(silence >= Duration::from_secs(24), "the last answer was at most 6 s before: {silence:?}");
    network.run_until_silent();

    // The end is the end.
    let now = network.now();
    for id in [FIRST, SECOND] {
        assert_eq!(network[id].selected(), None);
        let datagram = Datagram::new(Transport::Udp, FIRST_ADDRESS, SECOND_ADDRESS, &[]);
        let peer = network.get_mut(id);
        let result = match id {
            FIRST => peer.agent().handle_datagram(now, datagram),
            _ => peer.lite_agent().handle_datagram(now, datagram),
        };
        assert_eq!(result, Err(Error::Closed));
    }
}

#[test]
fn media_keeps_a_lite_agent_alive_and_not_a_full_one() {
    let mut network = connected(Link::default());
    let (first, second) = (network[FIRST].selected(), network[SECOND].selected());
    let (first, second) = (first.expect("connected"), second.expect("connected"));
    // Checks are lost; media (which the network doesn't see) comes through.
    network.add_filter(|_| Verdict::Drop);
    for _ in 0..40 {
        network.advance(Duration::from_secs(1));
        let now = network.now();
        network.get_mut(FIRST).note_received(now, &first);
        network.get_mut(SECOND).note_received(now, &second);
    }
    assert!(!network[SECOND].has_told(&EXPIRED));
    assert!(network[FIRST].has_told(&EXPIRED));
}

#[test]
fn closing_tells_and_silences() {
    let mut network = connected(Link::default());
    network.get_mut(FIRST).agent().close();
    network.get_mut(SECOND).lite_agent().close();
    let sent = network.counters().sent;
    network.run_until_silent();
    assert_eq!(network.counters().sent, sent);
    for id in [FIRST, SECOND] {
        let peer = network.get_mut(id);
        let event = match id {
            FIRST => peer.agent().poll_event(),
            _ => peer.lite_agent().poll_event(),
        };
        let closed = Event::Closed { reason: CloseReason::Local };
        assert!(event == Some(closed.clone()) || peer.has_told(&closed));
    }
}
