//! Time jumps, and runs that don't end fail.

use crate::probe::Probe;
use headwater_netsim::{FIRST, FIRST_ADDRESS, Network, SECOND, SECOND_ADDRESS};
use std::time::{Duration, Instant};

fn network() -> Network<Probe> {
    Network::pair(Probe::default(), Probe::default())
}

#[test]
fn a_timeout_is_called_at_its_time_and_once() {
    let mut net = network();
    let at = net.now() + Duration::from_secs(30);
    net[FIRST].timeout = Some(at);
    net.run_until_silent();
    assert_eq!(net[FIRST].fired, [at]);
    assert_eq!(net.elapsed(), Duration::from_secs(30));
}

#[test]
fn a_timeout_in_the_past_is_called_now() {
    let start = Instant::now();
    let mut net = Network::starting_at(start + Duration::from_secs(5));
    let id = net.add(Probe::default(), &[FIRST_ADDRESS]);
    net[id].timeout = Some(start);
    net.run_until_silent();
    assert_eq!(net[id].fired, [start + Duration::from_secs(5)]);
}

#[test]
fn advance_stops_at_its_end() {
    let mut net = network();
    net[FIRST].timeout = Some(net.now() + Duration::from_millis(11));
    net.advance(Duration::from_millis(10));
    assert!(net[FIRST].fired.is_empty());
    assert_eq!(net.elapsed(), Duration::from_millis(10));
    net.advance(Duration::from_millis(1));
    assert_eq!(net[FIRST].fired.len(), 1);
}

#[test]
#[should_panic(expected = "time stands still")]
fn asking_for_a_moment_that_has_passed_fails_the_run() {
    let mut net = network();
    net[FIRST].is_stubborn = true;
    net[FIRST].timeout = Some(net.now());
    net.run_until_silent();
}

#[test]
#[should_panic(expected = "don't fall silent")]
fn endless_echoes_fail_the_run() {
    let mut net = network();
    net[FIRST].echoes = true;
    net[SECOND].echoes = true;
    net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, b"x");
    net.run_until_silent();
}

#[test]
#[should_panic(expected = "all endpoints are silent")]
fn a_condition_that_cannot_come_true_fails_the_run() {
    network().run_until(|n| !n[SECOND].heard.is_empty());
}

#[test]
#[should_panic(expected = "none of its addresses")]
fn sending_from_a_foreign_address_fails_the_test() {
    let mut net = network();
    net[FIRST].say(SECOND_ADDRESS, FIRST_ADDRESS, b"x");
    net.run_until_silent();
}
