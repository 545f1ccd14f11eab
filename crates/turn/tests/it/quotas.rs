//! Quotas do what their names say.

use crate::world::{Client, LISTENER, PEER, World, quota};
use headwater_stun::Transport;
use headwater_turn::{Error, channel_data};
use std::time::Duration;

#[test]
fn an_address_has_its_share_whoever_logs_in() {
    let mut world = World::with(|it| it.per_address = quota(Some(2), None));
    let at = |port: u16| Client::at(Transport::Udp, LISTENER, &format!("192.0.2.1:{port}"));
    assert!(at(1).allocate(&mut world).is_ok());
    assert!(at(2).user("other", "word").allocate(&mut world).is_ok());
    assert_eq!(at(3).allocate(&mut world), Err(486));
    assert!(Client::new(2).allocate(&mut world).is_ok(), "another address");
    assert_eq!(at(1).refresh(&mut world, 0).code(), 0);
    assert!(at(3).allocate(&mut world).is_ok());
}

#[test]
fn all_of_a_64_is_one_address() {
    let mut world = World::with(|it| it.per_address = quota(Some(2), None));
    let at = |remote: &str| Client::at(Transport::Udp, "[2600::1]:3478", remote);
    assert!(at("[2600:1f18::1]:1").allocate(&mut world).is_ok());
    assert!(at("[2600:1f18::2]:1").allocate(&mut world).is_ok());
    assert_eq!(at("[2600:1f18:0:0:ffff::]:1").allocate(&mut world), Err(486));
    assert!(at("[2600:1f18:0:1::1]:1").allocate(&mut world).is_ok());
}

#[test]
fn what_fails_takes_nothing_of_a_quota() {
    let mut world = World::with(|it| it.per_user = quota(Some(1), None));
    world.open = |_| Some(Err(headwater_turn::RelayError::Capacity));
    for number in 1..10 {
        assert_eq!(Client::new(number).allocate(&mut world), Err(508));
    }
    world.open = |_| Some(Ok(()));
    assert!(Client::new(1).allocate(&mut world).is_ok());
}

/// Sends as fast as it may for ten seconds, both ways and over two allocations, and says how many bits passed.
fn ten_seconds(world: &mut World) -> u64 {
    let mut message = Vec::new();
    channel_data::emit(Transport::Udp, 0x4000, &[0; 125], &mut message).expect("short");
    let clients: Vec<_> = (1..=2).map(|number| world.allocated(number)).collect();
    let mut clients = clients;
    for (client, _) in &mut clients {
        assert_eq!(client.bind(world, 0x4000, PEER), 0);
    }
    let mut bits = 0;
    for _ in 0..10_000 {
        world.now += Duration::from_millis(1);
        for (client, relay) in &clients {
            for passed in [
                world.send(client.tuple, &message).map(drop),
                world.peer_sends(*relay, PEER, &[0; 125]).map(drop),
            ] {
                match passed {
                    Ok(()) => bits += 1000,
                    Err(error) => assert_eq!(error, Error::OverQuota),
                }
            }
        }
    }
    bits
}

#[test]
fn bits_per_second_are_those_of_both_directions_and_all_allocations() {
    let expected = 11 * 100_000..=11 * 100_000 + 4_000;
    let bits = ten_seconds(&mut World::with(|it| it.per_user = quota(None, Some(100_000))));
    assert!(expected.contains(&bits), "a user: {bits}");
    // Two addresses.
    let bits = ten_seconds(&mut World::with(|it| it.per_address = quota(None, Some(100_000))));
    assert!((2 * expected.start()..=2 * expected.end()).contains(&bits), "two addresses: {bits}");
    let bits = ten_seconds(&mut World::new());
    assert_eq!(bits, 40_000_000, "without a limit all pass");
}

#[test]
fn who_gives_up_an_allocation_gets_no_fresh_bandwidth() {
    let mut world = World::with(|it| it.per_user = quota(None, Some(8_000)));
    let mut bits = 0;
    for _ in 0..50 {
        let (mut client, relay) = world.allocated(1);
        assert_eq!(client.permit(&mut world, PEER), 0);
        while world.peer_sends(relay, PEER, &[0; 125]).is_ok() {
            bits += 1000;
        }
        assert_eq!(client.refresh(&mut world, 0).code(), 0);
        world.now += Duration::from_millis(10);
    }
    assert!(bits <= 8_000 + 4_000 + 1_000, "half a second's worth and what was saved: {bits}");
    world.wait(2);
    assert_eq!(world.server.poll_timeout(), None, "the account is forgotten when it is whole");
}
