//! What the network does: loses, repeats, reorders.

use std::collections::HashSet;
use std::time::Duration;

use headwater_dtls::extension::supported_groups::NamedGroup;
use headwater_dtls::{CloseReason, Config, Role, Version};

use crate::pair::{Fate, LATENCY, Pair};
use crate::wire::split;

const LIMIT: Duration = Duration::from_secs(60);

/// MTU 200 makes eight or more datagrams of the handshake.
fn small() -> Pair {
    Pair::with(|config| config.mtu = 200, |config| config.mtu = 200)
}

fn small_13() -> Pair {
    let change = |config: &mut Config| {
        config.max_version = Version::Dtls13;
        config.groups.remove(0);
        config.mtu = 200;
    };
    Pair::with(change, change)
}

fn small_post_quantum() -> Pair {
    let change = |config: &mut Config| {
        config.max_version = Version::Dtls13;
        config.mtu = 200;
    };
    Pair::with(change, change)
}

/// With a request to say hello again, and a cookie.
fn retry() -> Pair {
    let change = |config: &mut Config| config.max_version = Version::Dtls13;
    Pair::with(change, |config| {
        change(config);
        config.groups = vec![NamedGroup::SECP384R1];
        config.require_cookie = true;
    })
}

const ALL: [fn() -> Pair; 14] = [
    Pair::new,
    small,
    Pair::dtls13,
    small_13,
    Pair::post_quantum,
    small_post_quantum,
    retry,
    || Pair::new().guarded(),
    || small().guarded(),
    || Pair::dtls13().guarded(),
    || small_13().guarded(),
    || Pair::post_quantum().guarded(),
    || small_post_quantum().guarded(),
    || retry().guarded(),
];

/// Runs with one datagram's fate decided, for each datagram in both directions.
fn for_each_datagram(make: fn() -> Pair, fate: Fate, limit: Duration) {
    for role in [Role::Client, Role::Server] {
        for victim in 0..20 {
            let mut pair = make();
            pair.run_with(LIMIT, &mut |from, index, _| {
                if from == role && index == victim { fate.clone() } else { Fate::Deliver }
            });
            assert!(pair.both_connected(), "{role:?} {victim} {fate:?}");
            assert!(pair.elapsed() < limit, "{role:?} {victim} {fate:?}: {:?}", pair.elapsed());
            let client = pair.client.connected.take().unwrap();
            assert_eq!(client.srtp, pair.server.connected.take().unwrap().srtp);
            pair.client.connection.send(b"data").unwrap();
            pair.run(LIMIT);
            assert_eq!(pair.server.data, [b"data"]);
        }
    }
}

#[test]
fn any_single_datagram_may_be_lost() {
    ALL.into_iter().for_each(|make| for_each_datagram(make, Fate::Drop, Duration::from_millis(250)));
}

#[test]
fn any_single_datagram_may_come_twice() {
    ALL.into_iter().for_each(|make| for_each_datagram(make, Fate::Duplicate, Duration::from_millis(100)));
}

#[test]
fn any_single_datagram_may_be_late() {
    for late in [15, 45, 130, 700] {
        let fate = Fate::Delay(Duration::from_millis(late));
        ALL.into_iter().for_each(|make| for_each_datagram(make, fate.clone(), Duration::from_millis(1000)));
    }
}

#[test]
fn everything_may_be_reordered_and_doubled() {
    for make in ALL {
        let mut pair = make();
        pair.run_with(LIMIT, &mut |_, index, _| match index % 3 {
            0 => Fate::Delay(Duration::from_millis(9)),
            1 => Fate::Duplicate,
            _ => Fate::Delay(Duration::from_millis(3)),
        });
        assert!(pair.both_connected());
    }
}

#[test]
fn a_fragmented_handshake_connects_in_two_round_trips_and_keeps_the_mtu() {
    for make in [small, small_13, small_post_quantum] {
        let mut pair = make();
        pair.run(LIMIT);
        assert!(pair.both_connected());
        assert_eq!(pair.elapsed(), 4 * LATENCY);
        for datagram in pair.client.sent.iter().chain(&pair.server.sent) {
            assert!(datagram.len() <= 200, "{}", datagram.len());
        }
        assert!(pair.server.sent.len() >= 4);
    }
}

#[test]
fn a_lost_last_flight_is_sent_again_when_the_client_repeats_itself() {
    let mut pair = Pair::new();
    pair.run_with(LIMIT, &mut |from, index, _| {
        if from == Role::Server && (1..4).contains(&index) { Fate::Drop } else { Fate::Deliver }
    });
    assert!(pair.both_connected());
    // Flight 5 goes out at 20 ms, then after 100, 150 and 225 ms more.
    assert_eq!(pair.elapsed(), 4 * LATENCY + Duration::from_millis(475));
}

#[test]
fn back_off_stays_at_300_ms_for_5_s_and_a_dead_peer_is_given_up_at_30_s() {
    let mut pair = Pair::new();
    let mut times = Vec::new();
    let start = pair.start;
    for _ in 0..100 {
        while pair.client.connection.poll_transmit(pair.now, &mut Vec::new()).is_some() {
            times.push((pair.now - start).as_millis());
        }
        let Some(next) = pair.client.connection.poll_timeout() else { break };
        pair.now = next;
        pair.client.connection.handle_timeout(next);
        pair.client.connection.handle_timeout(next); // repeated calls are harmless
    }
    pair.client.drain_events();
    assert_eq!(times[..6], [0, 100, 250, 475, 775, 1075]);
    assert!(times.windows(2).filter(|pair| pair[1] < 5000).all(|pair| pair[1] - pair[0] <= 300));
    assert_eq!(times.len(), 25, "doubling again after 5 s: {times:?}");
    assert_eq!(pair.elapsed(), Duration::from_secs(30));
    assert_eq!(pair.client.closed, Some(CloseReason::TimedOut));
}

#[test]
fn heavy_loss_ends_connected_and_no_nonce_is_used_twice() {
    let guarded: [fn() -> Pair; 2] = [|| small().guarded(), || small_post_quantum().guarded()];
    for make in [small, small_13, small_post_quantum].into_iter().chain(guarded) {
        let mut connected = 0;
        for seed in 0..60_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut pair = make();
            pair.run_with(Duration::from_secs(40), &mut |_, _, _| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                if state % 100 < 30 { Fate::Drop } else { Fate::Deliver }
            });
            let is_over = |end: &crate::pair::End| end.connected.is_some() || end.closed.is_some();
            assert!(is_over(&pair.client) && is_over(&pair.server), "seed {seed}");
            connected += u32::from(pair.both_connected());
            for sent in [&pair.client.sent, &pair.server.sent] {
                numbers_are_used_once(sent);
            }
        }
        assert!(connected >= 59, "{connected} of 60");
    }
}

/// S5. In DTLS 1.3 the number of a record is masked; that two are the same would show in the header and the ciphertext,
/// whose first bytes make the mask: the same plaintext under the same nonce is the same record.
fn numbers_are_used_once(sent: &[Vec<u8>]) {
    let mut numbers = HashSet::new();
    let mut sealed = HashSet::new();
    for datagram in sent {
        let (plain, protected) = split(datagram);
        for record in plain {
            let number = u64::from(record.epoch) << 48 | record.sequence_number;
            assert!(numbers.insert(number), "a record number is used twice");
            if record.epoch == 1 {
                assert_eq!(record.fragment[..8], number.to_be_bytes(), "the nonce is the number");
            }
        }
        for record in protected {
            assert!(sealed.insert(record.ciphertext.to_vec()), "a flight is sealed anew each time");
        }
    }
}

#[test]
fn a_cookie_is_asked_for_and_returned() {
    let mut pair = Pair::with(|_| (), |config| config.require_cookie = true);
    pair.run(LIMIT);
    assert!(pair.both_connected());
    assert_eq!(pair.elapsed(), 6 * LATENCY);
    assert!(pair.server.sent[0].len() < pair.client.sent[0].len());
    let make = || Pair::with(|_| (), |config| config.require_cookie = true);
    for_each_datagram(make, Fate::Drop, Duration::from_millis(300));
}

/// RFC 9147 §4.4: a path that swallows large datagrams says nothing about it.
#[test]
fn where_large_datagrams_vanish_smaller_ones_are_tried() {
    for (path, limit) in [(1000, 2), (600, 5)] {
        for make in [Pair::new, Pair::dtls13, Pair::post_quantum] {
            let mut pair = make();
            pair.run_with(LIMIT, &mut |_, _, bytes| {
                if bytes.len() > path { Fate::Drop } else { Fate::Deliver }
            });
            assert!(pair.both_connected(), "{path}: {:?} {:?}", pair.client.closed, pair.server.closed);
            assert!(pair.elapsed() < Duration::from_secs(limit), "{path}: {:?}", pair.elapsed());
        }
    }
}

#[test]
fn the_first_time_out_follows_the_round_trip() {
    for (round_trip, first) in [(1, 50), (40, 60), (100, 150), (300, 400), (5000, 400)] {
        let mut pair = Pair::new();
        pair.client.connection.set_round_trip(Duration::from_millis(round_trip));
        while pair.client.connection.poll_transmit(pair.now, &mut Vec::new()).is_some() {}
        let timeout = pair.client.connection.poll_timeout().unwrap() - pair.now;
        assert_eq!(timeout, Duration::from_millis(first), "{round_trip} ms");
    }
}
