//! Delay, loss, order, duplicates, rate, size.

use crate::probe::Probe;
use headwater_netsim::{FIRST, FIRST_ADDRESS, Link, Network, SECOND, SECOND_ADDRESS, Verdict};
use std::time::Duration;

fn network(link: Link) -> Network<Probe> {
    Network::pair(Probe::default(), Probe::default()).link(link).seed(3)
}

/// Sends `count` numbered datagrams of 100 bytes at once and returns their numbers as they arrived.
fn arrivals(link: Link, count: u32) -> (Vec<u32>, Network<Probe>) {
    let mut net = network(link);
    for number in 0..count {
        let mut contents = number.to_be_bytes().to_vec();
        contents.resize(100, 0);
        net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, &contents);
    }
    net.run_until_silent();
    let number = |contents: &[u8]| u32::from_be_bytes(contents[..4].try_into().unwrap());
    let numbers = net[SECOND].heard.iter().map(|heard| number(&heard.contents)).collect();
    (numbers, net)
}

fn is_sorted(numbers: &[u32]) -> bool {
    numbers.windows(2).all(|pair| pair[0] < pair[1])
}

#[test]
fn latency_is_exact_and_addresses_are_kept() {
    let mut net = network(Link::default().latency(Duration::from_millis(30)));
    let start = net.now();
    net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, b"x");
    net.run_until(|n| !n[SECOND].heard.is_empty());
    let heard = &net[SECOND].heard[0];
    assert_eq!(heard.at - start, Duration::from_millis(30));
    assert_eq!((heard.local, heard.remote), (SECOND_ADDRESS, FIRST_ADDRESS));
}

#[test]
fn jitter_keeps_the_order() {
    let (numbers, net) = arrivals(Link::default().jitter(Duration::from_millis(50)), 500);
    assert_eq!(numbers.len(), 500);
    assert!(is_sorted(&numbers));
    assert!(net.elapsed() > Duration::from_millis(45));
}

#[test]
fn loss_takes_its_share_and_the_seed_repeats_it() {
    let (numbers, net) = arrivals(Link::default().loss(0.1), 5_000);
    assert!((4_400..4_600).contains(&numbers.len()), "{}", numbers.len());
    assert_eq!(net.counters().lost, 5_000 - numbers.len() as u64);
    assert_eq!(numbers, arrivals(Link::default().loss(0.1), 5_000).0);
}

#[test]
fn bursts_keep_the_share_and_come_in_a_row() {
    let runs = |numbers: &[u32]| numbers.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
    let (single, _) = arrivals(Link::default().loss(0.1), 20_000);
    let (bursts, _) = arrivals(Link::default().loss(0.1).loss_burst(5.0), 20_000);
    assert!((17_500..18_500).contains(&bursts.len()), "{}", bursts.len());
    assert!(runs(&bursts) * 3 < runs(&single), "{} of {}", runs(&bursts), runs(&single));
}

#[test]
fn reordered_datagrams_arrive_later_but_arrive() {
    let mut net = network(Link::default().reorder(0.1));
    for number in 0..200u32 {
        net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, &number.to_be_bytes());
        net.advance(Duration::from_millis(1));
    }
    net.run_until_silent();
    assert_eq!(net[SECOND].heard.len(), 200);
    assert!(!net[SECOND].heard.is_sorted_by(|a, b| a.contents <= b.contents));
}

#[test]
fn duplicates_arrive_twice() {
    let (numbers, net) = arrivals(Link::default().duplicate(1.0), 10);
    assert_eq!(numbers.len(), 20);
    assert_eq!(net.counters().delivered, 20);
}

#[test]
fn a_rate_spreads_datagrams_and_a_full_queue_drops_the_last() {
    // 128 bytes with headers, at 1,024 bits a millisecond.
    let link = Link::default().latency(Duration::ZERO).rate(1_024_000).queue(1280);
    let (numbers, net) = arrivals(link, 25);
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert_eq!(net.elapsed().as_millis(), 10);
    assert_eq!(net.counters().queue_full, 15);
}

#[test]
fn what_exceeds_the_mtu_is_dropped() {
    let mut net = network(Link::default().mtu(1280));
    net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, &[0; 1252]);
    net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, &[0; 1253]);
    net.run_until_silent();
    assert_eq!(net[SECOND].heard.len(), 1);
    assert_eq!(net.counters().too_large, 1);
}

#[test]
fn segments_arrive_as_datagrams() {
    let mut net = network(Link::lan());
    net[FIRST].outgoing.push_back((FIRST_ADDRESS, SECOND_ADDRESS, vec![7; 2500], Some(1000)));
    net.run_until_silent();
    let lengths: Vec<_> = net[SECOND].heard.iter().map(|heard| heard.contents.len()).collect();
    assert_eq!(lengths, [1000, 1000, 500]);
}

#[test]
fn one_direction_can_be_broken_alone() {
    let mut net = network(Link::lan());
    net[SECOND].echoes = true;
    net.set_link_from(SECOND, FIRST, Link::broken());
    net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, b"x");
    net.run_until_silent();
    assert_eq!((net[FIRST].heard.len(), net[SECOND].heard.len()), (0, 1));
}

#[test]
fn drop_next_drops_one_match_and_filters_see_all() {
    let mut net = network(Link::lan());
    net.drop_next(|datagram| datagram.contents.as_slice() == b"b");
    net.add_filter(|datagram| match datagram.contents[0] {
        b'c' => Verdict::Drop,
        b'd' => Verdict::Delay(Duration::from_secs(1)),
        _ => {
            datagram.contents.push(b'!');
            Verdict::Pass
        }
    });
    for contents in [b"a", b"b", b"b", b"c", b"d", b"a"] {
        net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, contents);
    }
    net.run_until_silent();
    let heard: Vec<_> = net[SECOND].heard.iter().map(|heard| heard.contents.clone()).collect();
    assert_eq!(heard, [b"a!".to_vec(), b"b!".to_vec(), b"a!".to_vec(), b"d".to_vec()]);
    assert_eq!(net.counters().dropped_by_filter, 2);
}

#[test]
fn who_moves_is_reached_at_the_new_address_only() {
    let mut net = network(Link::lan());
    let moved = "203.0.113.9:6000".parse().unwrap();
    net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, b"late");
    net.drain();
    net.set_addresses(SECOND, &[moved]);
    net[FIRST].say(FIRST_ADDRESS, moved, b"new");
    net.run_until_silent();
    assert_eq!(net[SECOND].heard.len(), 1);
    assert_eq!(net[SECOND].heard[0].local, moved);
    assert_eq!(net.counters().unroutable, 1);
}
