//! What outsiders try.

use std::net::SocketAddr;

use headwater_netsim::Link;
use headwater_sfu::SignalError;

use crate::rig::{Rig, SERVER_ADDRESS, here};

fn server() -> SocketAddr {
    SERVER_ADDRESS.parse().expect("an address")
}

#[test]
fn garbage_from_strangers_and_in_the_viewers_name_changes_nothing() {
    let (mut rig, publisher, viewer) = Rig::one_viewer(Link::lan());
    let stranger = rig.stranger("203.0.113.200:9");
    let peer: SocketAddr = "198.51.100.2:5000".parse().expect("an address");
    for round in 0_u32..200 {
        for first in [0x00, 0x01, 0x16, 0x14, 0x2f, 0x40, 0x80, 0x90, 0xbf, 0xff] {
            for len in [0, 1, 2, 11, 12, 13, 19, 20, 21, 40, 1200] {
                let mut bytes: Vec<u8> =
                    (0..len).map(|at: u32| (at.wrapping_mul(31).wrapping_add(round * 7)) as u8).collect();
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                if round % 2 == 0 {
                    rig.net.inject(
                        stranger,
                        "203.0.113.200:9".parse().expect("an address"),
                        server(),
                        &bytes,
                    );
                } else {
                    rig.net.inject(viewer, peer, server(), &bytes);
                }
            }
        }
        rig.advance(5);
    }
    rig.advance(1000);
    assert_eq!(rig.net[viewer].seen().gaps(), 0);
    assert!(rig.net[rig.server].closed().is_empty());
    assert!(rig.net[rig.server].refused > 10_000);
    assert!(rig.net[publisher].is_connected());
}

#[test]
fn replayed_datagrams_change_nothing() {
    let (mut rig, publisher, viewer) = Rig::one_viewer(Link::lan());
    use std::cell::RefCell;
    use std::rc::Rc;
    let recorded = Rc::new(RefCell::new(Vec::new()));
    let record = Rc::clone(&recorded);
    let to = server();
    rig.net.add_filter(move |datagram| {
        if datagram.destination == to && record.borrow().len() < 2000 {
            record.borrow_mut().push(datagram.contents.to_vec());
        }
        headwater_netsim::Verdict::Pass
    });
    rig.advance(2000);
    rig.net.clear_filters();
    let received = rig.net[rig.server].sfu.counters().received_packets;
    let from: SocketAddr = "198.51.100.1:5000".parse().expect("an address");
    let mut media = 0;
    for bytes in recorded.borrow().iter() {
        media += u64::from(bytes.first().is_some_and(|first| (128..192).contains(first)));
        rig.net.inject(publisher, from, server(), bytes);
    }
    rig.net.drain();
    assert!(media > 200);
    rig.advance(20);
    let after = rig.net[rig.server].sfu.counters();
    assert!(after.received_packets - received < 20, "only what is new counts");
    assert!(after.unauthentic >= media);
    rig.advance(1000);
    assert_eq!(rig.net[viewer].seen().gaps(), 0);
}

/// S1: the ClientHello race. The stranger has the victim's own hello, and one that offers TLS_NULL_WITH_NULL_NULL alone,
/// and is faster than the victim, or comes in between, or later.
#[test]
fn a_client_hello_from_an_address_that_passed_no_check_is_dropped_in_silence() {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    let null = {
        let body = [&[254, 253][..], &[7; 32], &[0, 0, 0, 2, 0, 0, 1, 0]].concat();
        let len = body.len() as u8;
        let message = [&[1, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, len][..], &body].concat();
        [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, message.len() as u8][..], &message].concat()
    };
    let mut rig = Rig::new(Link::lan());
    let address: SocketAddr = "203.0.113.200:9".parse().expect("an address");
    let stranger = rig.stranger("203.0.113.200:9");
    let hellos = Rc::new(RefCell::new(vec![null]));
    let answers = Rc::new(Cell::new(0));
    let (record, count, to) = (Rc::clone(&hellos), Rc::clone(&answers), server());
    rig.net.add_filter(move |datagram| {
        let is_hello = datagram.contents.first() == Some(&22) && datagram.contents.get(13) == Some(&1);
        if datagram.destination == to && datagram.source != address && is_hello {
            record.borrow_mut().push(datagram.contents.to_vec());
        }
        count.set(count.get() + u32::from(datagram.destination == address));
        headwater_netsim::Verdict::Pass
    });
    let publisher = rig.publisher().expect("the offer is good");
    // A stranger's hellos each millisecond, from before the first check until long after the handshake.
    for round in 0..1_500 {
        let known = hellos.borrow().clone();
        rig.net.inject(stranger, address, server(), &known[round % known.len()]);
        rig.advance(1);
    }
    assert!(hellos.borrow().len() > 1, "the victim's hello was seen");
    assert_eq!(answers.get(), 0, "the stranger is told nothing");
    assert!(rig.net[rig.server].refused >= 1_500, "each is refused");
    assert!(rig.net[publisher].is_connected() && rig.net[rig.server].closed().is_empty());
    let viewer = rig.viewer().expect("the offer is good");
    rig.net.run_until(|net| !net[viewer].seen().video.is_empty());
}

#[test]
fn refused_offers_leave_nothing_behind() {
    let mut rig = Rig::new(Link::lan());
    let now = rig.now();
    let sfu = &mut rig.net.get_mut(rig.server).sfu;
    for (stream, offer) in [
        ("stream", ""),
        ("stream", "v=0\r\n"),
        ("stream", "hello"),
        ("", "v=0\r\n"),
        ("../etc/passwd", "v=0\r\n"),
        (".hidden", "v=0\r\n"),
        (&"x".repeat(65), "v=0\r\n"),
        ("a/b", "v=0\r\n"),
        ("a\0b", "v=0\r\n"),
    ] {
        assert!(sfu.publish(now, stream, offer, here()).is_err(), "{stream:?} {offer:?}");
        assert!(sfu.watch(now, stream, offer, here()).is_err(), "{stream:?} {offer:?}");
    }
    assert!(sfu.is_empty());
    assert!(sfu.streams(now).is_empty());
}

#[test]
fn limits_hold() {
    let mut rig = Rig::with(Link::lan(), |config| {
        config.limits.viewers_per_stream = 2;
        config.limits.sessions_per_address = 4;
        config.limits.streams = 1;
    });
    rig.publisher().expect("the first stream");
    rig.until_live();
    rig.viewer().expect("the first viewer");
    rig.viewer().expect("the second viewer");
    let refused = rig.viewer().expect_err("the third is too many");
    assert!(matches!(refused, SignalError::LimitReached(text) if text.contains("viewers")), "{refused}");
    let now = rig.now();
    let other = rig.net.get_mut(rig.server).sfu.publish(now, "other", "v=0\r\n", here());
    assert!(matches!(other, Err(SignalError::LimitReached(text)) if text.contains("streams")), "{other:?}");
}

#[test]
fn a_publisher_over_its_rate_is_cut_to_it() {
    let mut rig = Rig::with(Link::lan(), |config| config.limits.publish_bitrate = 300_000);
    rig.publisher().expect("the offer is good");
    rig.until_live();
    rig.advance(10_000);
    let info = rig.net[rig.server].sfu.peers(rig.now()).remove(0);
    assert!(info.over_rate > 100, "{}", info.over_rate);
    // The rate over ten seconds and one second's burst.
    assert!(info.received_bytes * 8 < 300_000 * 12, "{}", info.received_bytes);
}

#[test]
fn a_session_of_ones_own_and_a_forged_source_address_silence_nobody() {
    let (mut rig, publisher, viewer) = Rig::one_viewer(Link::lan());
    let mut attacker = rig.viewer_node().expect("anybody may watch");
    let forged: SocketAddr = "198.51.100.1:5000".parse().expect("the publisher's address");
    let before = rig.net[rig.server].sfu.counters();
    for _ in 0..20 {
        // The attacker's checks are authentic, for its own session.
        let now = rig.now();
        attacker.sfu.handle_timeout(now);
        let mut check = Vec::new();
        while attacker.sfu.poll_transmit(now, &mut check).is_some() {
            rig.net.inject(publisher, forged, server(), &check);
            check.clear();
        }
        rig.advance(50);
    }
    rig.advance(1000);
    let after = rig.net[rig.server].sfu.counters();
    assert_eq!((after.unauthentic, after.unrouted), (before.unauthentic, before.unrouted));
    assert_eq!(rig.net[viewer].seen().gaps(), 0);
}
