//! Several units that share their streams, wired by hand: one has the publisher, viewers are at any.

use std::time::Duration;

use headwater_sfu::{CloseReason, SignalError};

use crate::wired::Units;

#[test]
fn viewers_of_every_unit_see_the_same_stream() {
    let mut units = Units::new(3);
    units.publisher(1, 0);
    let viewers = [units.viewer(0, 0), units.viewer(0, 1), units.viewer(2, 1), units.viewer(1, 2)];
    units.run(3000);
    for viewer in viewers {
        let seen = units.seen(viewer);
        assert!(seen[0].key_frame && seen.len() > 240, "{}", seen.len());
        assert_eq!(units.gaps(viewer), 0);
        let frames = (seen[0].frame, seen.last().expect("something").frame);
        assert!(frames.1 - frames.0 >= 80, "{frames:?}");
    }
    assert_eq!(units.viewers(), [1, 2, 1], "each is where its datagrams arrive");
    assert_eq!(units.key_frame_requests(0), 0, "one key frame was there for all");
}

#[test]
fn a_late_joiner_at_a_unit_without_viewers_starts_at_the_cached_key_frame() {
    let mut units = Units::new(2);
    let publisher = units.publisher(0, 0);
    units.run(600);
    let before = units.key_frame_requests(publisher);
    let viewer = units.viewer(1, 1);
    units.run(300);
    assert!(units.seen(viewer)[0].key_frame);
    assert_eq!(units.gaps(viewer), 0);
    assert!(units.seen(viewer).len() > 50, "it has caught up: {}", units.seen(viewer).len());
    assert_eq!(units.key_frame_requests(publisher), before, "nobody asked for another");
}

#[test]
fn without_a_fresh_key_frame_one_is_asked_for_once_by_all_units() {
    let mut units = Units::new(3);
    let publisher = units.publisher(0, 0);
    units.run(4000);
    let before = units.key_frame_requests(publisher);
    let viewers: Vec<_> = (0..9).map(|n| units.viewer(n % 3, (n + 1) % 3)).collect();
    units.run(900);
    assert_eq!(units.key_frame_requests(publisher), before + 1);
    for viewer in viewers {
        assert!(units.seen(viewer)[0].key_frame);
        assert_eq!(units.gaps(viewer), 0);
    }
}

#[test]
fn what_a_viewer_misses_is_resent_from_the_replicas_history() {
    let mut units = Units::new(2);
    units.publisher(0, 0);
    let viewer = units.viewer(0, 1);
    units.run(500);
    units.clients[viewer].drops = Some(|datagram| datagram % 10 == 3);
    units.run(3000);
    units.clients[viewer].drops = None;
    units.run(300);
    assert_eq!(units.gaps(viewer), 0);
    let resent = [0, 1].map(|unit: usize| units.units[unit].counters().resent_packets);
    assert!(resent[0] == 0 && resent[1] > 20, "{resent:?}");
}

#[test]
fn a_dropped_batch_is_a_loss_that_a_key_frame_ends() {
    let mut units = Units::new(2);
    let publisher = units.publisher(0, 0);
    let (near, far) = (units.viewer(0, 0), units.viewer(0, 1));
    units.run(1500);
    let before = units.key_frame_requests(publisher);
    units.wires[0][1].room = 0;
    units.run(200);
    let stopped = units.seen(far).len();
    units.wires[0][1].room = 64;
    units.run(1500);
    assert!(units.wires[0][1].dropped > 10, "{}", units.wires[0][1].dropped);
    // One at once, and perhaps one by the viewer, whose requests for the lost packets were in vain.
    assert!((1..=2).contains(&(units.key_frame_requests(publisher) - before)));
    let key = units.seen(far)[stopped..].iter().position(|seen| seen.key_frame);
    assert!(key.is_some_and(|at| at < 15), "a key frame follows soon: {key:?}");
    assert!(units.seen(far).len() > stopped + 100);
    // The viewers are told of the loss by the numbers, and those of other units notice nothing.
    assert_eq!(units.gaps(far), units.wires[0][1].dropped);
    assert_eq!(units.gaps(near), 0);
}

#[test]
fn viewers_play_on_when_the_publisher_comes_back_at_another_unit() {
    let mut units = Units::new(3);
    let publisher = units.publisher(0, 0);
    let viewers = [units.viewer(0, 0), units.viewer(1, 1), units.viewer(2, 2)];
    units.run(1000);
    for unit in [1, 2, 0] {
        let before = viewers.map(|viewer| units.seen(viewer).len());
        units.leave(publisher);
        units.run(400);
        assert!(!units.is_live());
        units.publisher(0, unit);
        units.run(1000);
        for (viewer, before) in viewers.into_iter().zip(before) {
            let seen = units.seen(viewer);
            assert!(seen.len() > before + 80, "{} {before}, publisher at {unit}", seen.len());
            assert!(seen[before..].iter().take(30).any(|seen| seen.key_frame));
            assert_eq!(units.gaps(viewer), 0, "numbers go on");
        }
        let last = units.clients.len() - 1;
        units.leave(last);
        units.run(300);
    }
}

#[test]
fn a_publisher_at_another_unit_takes_the_stream_over() {
    let mut units = Units::new(2);
    let first = units.publisher(0, 0);
    let viewers = [units.viewer(0, 0), units.viewer(0, 1)];
    units.run(500);
    let before = viewers.map(|viewer| units.seen(viewer).len());
    units.publisher(1, 1);
    units.run(1000);
    assert_eq!(units.closed, [CloseReason::Replaced]);
    assert!(units.has_ended(first));
    for (viewer, before) in viewers.into_iter().zip(before) {
        assert_eq!(units.gaps(viewer), 0);
        assert!(units.seen(viewer).len() > before + 80);
    }
    let infos = [0, 1].map(|unit: usize| units.units[unit].streams(units.now));
    assert!(infos.iter().all(|streams| streams.len() == 1 && streams[0].is_live), "{infos:?}");
    assert!(infos[0][0].is_replica && !infos[1][0].is_replica);
}

#[test]
fn a_replica_that_nobody_watches_holds_nothing_and_goes_with_its_stream() {
    let mut units = Units::new(2);
    let publisher = units.publisher(0, 0);
    let held = |units: &Units| {
        let streams = units.units[1].streams(units.now);
        streams.iter().flat_map(|stream| &stream.tracks).map(|track| track.history_bytes).sum::<usize>()
    };
    units.run(500);
    assert_eq!((held(&units), units.wires[0][1].handed_off), (0, 0), "nobody asked");
    let viewer = units.viewer(1, 1);
    units.run(500);
    assert!(held(&units) > 0);
    units.leave(viewer);
    units.run(300);
    let handed_off = units.wires[0][1].handed_off;
    units.run(500);
    assert_eq!((held(&units), units.wires[0][1].handed_off), (0, handed_off));
    units.leave(publisher);
    units.run(300);
    assert!(units.units.iter().all(|unit| unit.streams(units.now).is_empty()));
    assert_eq!(units.join(1, 1, false).err(), Some(SignalError::NotLive));
}

#[test]
fn a_session_may_move_in_the_middle_of_its_handshake() {
    let mut units = Units::new(3);
    units.publisher(2, 1);
    for start in 0..6 {
        // Its address is heard by another unit every few milliseconds until it stays.
        let viewer = units.viewer(start % 3, 0);
        for ms in 0..40 {
            units.clients[viewer].unit = (start + ms / 2) % 3;
            units.run(1);
        }
        units.run(1500);
        assert!(units.seen(viewer).len() > 60, "start {start}: {}", units.seen(viewer).len());
        assert_eq!(units.gaps(viewer), 0);
    }
}

#[test]
fn what_the_publishers_link_loses_is_repaired_for_everybody() {
    let mut units = Units::new(2);
    let publisher = units.publisher(0, 0);
    let viewers = [units.viewer(0, 0), units.viewer(0, 1)];
    units.run(500);
    units.clients[publisher].loses = Some(|datagram| datagram % 13 == 5);
    units.run(3000);
    units.clients[publisher].loses = None;
    units.run(500);
    for viewer in viewers {
        assert_eq!(units.gaps(viewer), 0);
        assert!(units.seen(viewer).len() > 300);
    }
}

#[test]
fn a_session_moves_before_its_handshake_and_never_after() {
    let mut units = Units::new(3);
    units.publisher(2, 1);
    let viewer = units.viewer(0, 2);
    units.run(500);
    assert_eq!(units.viewers(), [0, 0, 1]);
    assert!(units.units[0].is_empty(), "nothing stays behind");
    // Its address changes, and with it the socket that hears it: it stays where it is.
    units.clients[viewer].unit = 1;
    units.run(3000);
    assert_eq!(units.viewers(), [0, 0, 1]);
    assert_eq!(units.gaps(viewer), 0);
}

#[test]
fn a_unit_that_begins_anew_costs_the_others_nothing() {
    let mut units = Units::new(3);
    units.publisher(0, 0);
    let viewers = [units.viewer(0, 0), units.viewer(0, 2)];
    units.viewer(1, 1);
    units.run(500);
    units.restart(1);
    units.run(1000);
    assert!(units.is_live(), "it has learnt what is live");
    for viewer in viewers {
        assert_eq!(units.gaps(viewer), 0);
    }
    let late = units.viewer(1, 1);
    units.run(500);
    assert!(units.seen(late).len() > 30);

    // The one with the publisher: the others wait for the next.
    units.restart(0);
    units.run(100);
    assert!(!units.is_live());
    let before = units.seen(late).len();
    units.publisher(1, 2);
    units.run(Duration::from_secs(1).as_millis() as u64);
    assert!(units.seen(late).len() > before + 60);
    assert_eq!(units.gaps(late), 0);
}
