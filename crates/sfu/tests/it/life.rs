//! Coming, going and coming back.

use std::time::Duration;

use headwater_netsim::{Link, Nat, Verdict};
use headwater_sfu::{CloseReason, Event, SignalError, Takeover};

use crate::rig::{Rig, SECOND_ADDRESS, SERVER_ADDRESS, here};

#[test]
fn viewers_resume_by_themselves_when_the_publisher_comes_back() {
    let (mut rig, publisher, viewer) = Rig::one_viewer(Link::lan());
    rig.advance(1000);
    let now = rig.now();
    let peer = rig.net[publisher].peer.expect("offered");
    rig.net.get_mut(publisher).sfu.close(now, peer);
    rig.advance(500);
    assert_eq!(rig.net[rig.server].closed(), [CloseReason::ClosedByPeer]);
    let before = rig.net[viewer].seen().video.len();
    let last = *rig.net[viewer].seen().repaired().last().expect("it has seen something");

    rig.advance(2000);
    rig.publisher().expect("the name is free again");
    rig.advance(2000);
    let seen = rig.net[viewer].seen();
    assert!(seen.video.len() > before + 100, "{} {before}", seen.video.len());
    assert_eq!(seen.gaps(), 0, "sequence numbers go on");
    let next = seen.repaired()[before];
    assert!(next.key_frame);
    assert_eq!(next.sequence, last.sequence + 1);
    let step = next.timestamp.wrapping_sub(last.timestamp);
    // The pause lasted two and a half seconds, and so it does for the player.
    assert!((180_000..300_000).contains(&step), "{step}");
    assert_eq!(next.picture_id, last.picture_id.map(|id| id + 1));
}

#[test]
fn a_second_publisher_waits_until_the_first_has_been_silent_for_two_seconds() {
    let (mut rig, publisher, viewer) = Rig::one_viewer(Link::lan());
    rig.advance(500);
    assert_eq!(rig.publisher().err(), Some(SignalError::AlreadyPublished));
    rig.net.get_mut(publisher).mute();
    rig.advance(1900);
    assert_eq!(rig.publisher().err(), Some(SignalError::AlreadyPublished));
    rig.advance(200);
    rig.publisher().expect("the first is stale");
    rig.advance(1000);
    assert_eq!(rig.net[rig.server].closed(), [CloseReason::Replaced]);
    assert!(
        rig.net[viewer].seen().video.last().is_some_and(|seen| seen.frame < 40),
        "it is the new one's video"
    );
}

#[test]
fn takeover_always_and_never() {
    for (takeover, allowed) in [(Takeover::Always, true), (Takeover::Never, false)] {
        let mut rig = Rig::with(Link::lan(), |config| config.takeover = takeover);
        let first = rig.publisher().expect("the name is free");
        rig.until_live();
        if !allowed {
            rig.net.get_mut(first).mute();
            rig.advance(10_000);
        }
        assert_eq!(rig.publisher().is_ok(), allowed, "{takeover:?}");
    }
}

#[test]
fn an_offer_that_never_connects_takes_nothing_and_is_reaped() {
    let (mut rig, _, viewer) = Rig::one_viewer(Link::lan());
    let abandoned = rig.viewer_node().expect("the offer is good");
    drop(abandoned);
    let sessions = |rig: &Rig| rig.net[rig.server].sfu.peers(rig.now()).len();
    assert_eq!(sessions(&rig), 3);
    rig.advance(16_000);
    assert_eq!(sessions(&rig), 2);
    assert_eq!(rig.net[rig.server].closed(), [CloseReason::NeverConnected]);
    let before = rig.net[viewer].seen().video.len();
    rig.advance(500);
    assert!(rig.net[viewer].seen().video.len() > before + 30, "the others play on");
}

#[test]
fn a_peer_that_vanishes_is_let_go_after_thirty_seconds_of_silence() {
    let (mut rig, _, viewer) = Rig::one_viewer(Link::lan());
    rig.net.set_link_from(viewer, rig.server, Link::broken());
    rig.advance(25_000);
    assert!(rig.net[rig.server].closed().is_empty());
    rig.advance(10_000);
    assert_eq!(rig.net[rig.server].closed(), [CloseReason::Silent]);
}

#[test]
fn a_viewer_whose_nat_forgets_keeps_playing() {
    let mut rig = Rig::new(Link::lan());
    rig.publisher().expect("the offer is good");
    rig.until_live();
    let nat = Nat::symmetric("203.0.113.77".parse().expect("an address"));
    let nat = rig.net.add_nat(nat);
    let node = rig.viewer_node().expect("the offer is good");
    let viewer = rig.net.add_behind(nat, node, &["198.51.100.2:5000".parse().expect("an address")]);
    rig.net.run_until(|net| net[viewer].seen().video.len() > 50);
    let path = |rig: &Rig| {
        let peers = rig.net[rig.server].sfu.peers(rig.now());
        peers.iter().find(|peer| !peer.is_publisher).and_then(|peer| peer.path).expect("connected").remote
    };
    let before = path(&rig);
    rig.net.rebind(nat);
    rig.advance(12_000);
    assert_ne!(path(&rig), before);
    let seen = rig.net[viewer].seen().video.len();
    rig.advance(1000);
    assert!(rig.net[viewer].seen().video.len() > seen + 60, "media flows to the new address");
}

#[test]
fn closing_tells_the_peer() {
    let (mut rig, _, viewer) = Rig::one_viewer(Link::lan());
    let now = rig.now();
    let peers = rig.net[rig.server].sfu.peers(now);
    let peer = peers.iter().find(|peer| !peer.is_publisher).expect("there is one").id;
    assert!(rig.net.get_mut(rig.server).sfu.close(now, peer));
    rig.advance(500);
    assert!(!rig.net.get_mut(rig.server).sfu.close(now, peer));
    assert_eq!(rig.net[viewer].closed(), [CloseReason::ClosedByPeer]);
}

#[test]
fn live_and_offline_are_told_once_each() {
    let mut rig = Rig::new(Link::lan());
    let publisher = rig.publisher().expect("the offer is good");
    rig.until_live();
    let now = rig.now();
    let peer = rig.net[publisher].peer.expect("offered");
    rig.net.get_mut(publisher).sfu.close(now, peer);
    rig.advance(1000);
    let told: Vec<_> = rig.net[rig.server]
        .events
        .iter()
        .filter(|event| matches!(event, Event::Live { .. } | Event::Offline { .. }))
        .cloned()
        .collect();
    let stream = || "stream".to_owned();
    assert_eq!(told, [Event::Live { stream: stream() }, Event::Offline { stream: stream() }]);
    let streams = rig.net[rig.server].sfu.streams(rig.now());
    assert!(streams.is_empty(), "nothing stays behind: {streams:?}");
    let gone = rig.net.get_mut(rig.server).sfu.watch(now, "stream", "v=0\r\n", here());
    assert_eq!(gone, Err(SignalError::NotLive));
}

#[test]
fn a_silent_publisher_is_replaced_though_nobody_watches() {
    let mut rig = Rig::new(Link::lan());
    let first = rig.publisher().expect("the name is free");
    rig.until_live();
    rig.net.get_mut(first).mute();
    rig.advance(2100);
    rig.publisher().expect("the first is stale");
    rig.advance(1000);
    assert_eq!(rig.net[rig.server].closed(), [CloseReason::Replaced]);
    let streams = rig.net[rig.server].sfu.streams(rig.now());
    assert!(streams.iter().any(|stream| stream.is_live), "{streams:?}");
    let viewer = rig.viewer().expect("the stream is live");
    rig.advance(1000);
    assert!(!rig.net[viewer].seen().video.is_empty());
}

#[test]
fn a_server_with_two_addresses_keeps_hearing_a_client_who_uses_one_of_them() {
    // Far enough away that checks of both are on their way before the first answer.
    let far = Link::lan().latency(Duration::from_millis(150));
    let mut rig = Rig::with(far, |config| {
        config.candidates.push(SECOND_ADDRESS.parse().expect("an address"));
    });
    let addresses = [SERVER_ADDRESS, SECOND_ADDRESS].map(|address| address.parse().expect("an address"));
    rig.net.set_addresses(rig.server, &addresses);
    rig.publisher().expect("the offer is good");
    rig.until_live();
    // The client checks both at first, and then only the one that it uses, as browsers do.
    let used = rig.net[rig.server].sfu.peers(rig.now())[0].path.expect("connected").local;
    rig.net.add_filter(move |datagram| match addresses.contains(&datagram.destination) {
        true if datagram.destination != used => Verdict::Drop,
        _ => Verdict::Pass,
    });
    let received = |rig: &Rig| rig.net[rig.server].sfu.counters().received_packets;
    for second in 1..=60 {
        let before = received(&rig);
        rig.advance(1000);
        assert!(received(&rig) > before + 100, "in second {second}");
    }
}

#[test]
fn goodbye_is_said_though_a_timer_comes_first() {
    let (mut rig, _, viewer) = Rig::one_viewer(Link::lan());
    let now = rig.now();
    let peers = rig.net[rig.server].sfu.peers(now);
    let peer = peers.iter().find(|peer| !peer.is_publisher).expect("there is one").id;
    let server = rig.server;
    let sfu = &mut rig.net.get_mut(server).sfu;
    sfu.close(now, peer);
    // The loop was busy; the viewer's next sender report is due by now.
    sfu.handle_timeout(now + Duration::from_millis(150));
    rig.advance(500);
    assert_eq!(rig.net[viewer].closed(), [CloseReason::ClosedByPeer]);
}

#[test]
fn a_failed_handshake_is_told() {
    let mut rig = Rig::new(Link::lan());
    rig.spoil_fingerprint = true;
    let publisher = rig.publisher().expect("the offer is good");
    rig.advance(3000);
    assert_eq!(rig.net[rig.server].closed(), [CloseReason::HandshakeFailed]);
    assert_eq!(rig.net[publisher].closed(), [CloseReason::HandshakeFailed]);
}

#[test]
fn a_publisher_who_comes_back_without_video_is_watched_without() {
    let (mut rig, publisher, _) = Rig::one_viewer(Link::lan());
    let now = rig.now();
    let peer = rig.net[publisher].peer.expect("offered");
    rig.net.get_mut(publisher).sfu.close(now, peer);
    rig.advance(500);
    rig.publisher_of(false, true).expect("the name is free again");
    rig.advance(500);
    let viewer = rig.viewer().expect("there is sound to hear");
    rig.advance(500);
    let seen = rig.net[viewer].seen();
    assert_eq!((seen.video.is_empty(), seen.audio.is_empty()), (true, false));
    let tracks = &rig.net[rig.server].sfu.streams(rig.now())[0].tracks;
    assert_eq!(tracks.len(), 1, "{tracks:?}");
}
