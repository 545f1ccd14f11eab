//! What ends by itself, and when.

use crate::world::{Client, PEER, World};
use headwater_stun::Transport;
use headwater_turn::attribute::{ALLOCATE, Lifetime, REFRESH, RequestedTransport, UDP};
use headwater_turn::{EndReason, Error, Event, channel_data};
use std::time::Duration;

fn channel_message(number: u16) -> Vec<u8> {
    let mut message = Vec::new();
    channel_data::emit(Transport::Udp, number, b"x", &mut message).expect("short");
    message
}

#[test]
fn an_allocation_that_is_not_refreshed_ends_after_its_lifetime() {
    let mut world = World::new();
    let (mut client, relay) = world.allocated(1);
    assert_eq!(client.permit(&mut world, PEER), 0);
    assert_eq!(world.server.poll_timeout(), Some(world.start + Duration::from_secs(600)));
    world.wait(599);
    assert_eq!(client.permit(&mut world, PEER), 0);
    assert!(world.peer_sends(relay, PEER, b"x").is_ok());
    world.events.clear();
    world.wait(1);
    assert!(matches!(world.events[..], [Event::Ended { reason: EndReason::Expired, .. }]));
    assert!(world.relays.is_empty());
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::NotAllocated));
    assert_eq!(client.permit(&mut world, PEER), 437);
}

#[test]
fn an_allocation_ends_in_time_even_if_the_owner_is_late() {
    let mut world = World::new();
    let (mut client, relay) = world.allocated(1);
    assert_eq!(client.bind(&mut world, 0x4000, PEER), 0);
    world.now += Duration::from_secs(600);
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::NotAllocated));
    assert_eq!(world.send(client.tuple, &channel_message(0x4000)), Err(Error::NotAllocated));
}

#[test]
fn lifetimes_are_granted_between_ten_minutes_and_the_longest() {
    for (wanted, granted) in
        [(None, 600), (Some(0), 600), (Some(1), 600), (Some(1200), 1200), (Some(u32::MAX), 3600)]
    {
        let (mut world, mut client) = (World::new(), Client::new(1));
        let response = client.request(&mut world, ALLOCATE, |it| {
            let it = it.attribute(&RequestedTransport(UDP));
            match wanted {
                Some(seconds) => it.attribute(&Lifetime(seconds)),
                None => it,
            }
        });
        assert_eq!(response.attribute(), Some(Lifetime(granted)), "{wanted:?}");
        world.wait(u64::from(granted) - 1);
        assert!(!world.server.is_empty());
        world.wait(1);
        assert!(world.server.is_empty(), "{wanted:?}");
    }
    let mut short = World::with(|it| it.max_lifetime = Duration::from_secs(60));
    let mut client = Client::new(1);
    let response = client.request(&mut short, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)));
    assert_eq!(response.attribute(), Some(Lifetime(60)));
}

#[test]
fn refreshes_count_from_when_they_came() {
    let mut world = World::new();
    let (mut client, _) = world.allocated(1);
    for _ in 0..20 {
        world.wait(599);
        let response = client.request(&mut world, REFRESH, |it| it);
        assert_eq!((response.code(), response.attribute()), (0, Some(Lifetime(600))));
    }
    world.wait(600);
    assert!(world.server.is_empty());
}

#[test]
fn a_permission_lasts_five_minutes() {
    let mut world = World::new();
    let (mut client, relay) = world.allocated(1);
    assert_eq!(client.refresh(&mut world, 3600).code(), 0);
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::NotPermitted), "not asked for yet");
    assert_eq!(client.permit(&mut world, PEER), 0);
    world.wait(299);
    assert!(world.peer_sends(relay, "93.184.216.34:9", b"x").is_ok(), "any port of it");
    assert!(world.peer_sends(relay, "93.184.216.35:4000", b"x").is_err(), "no other address");
    assert!(
        world.peer_sends(relay, "[::ffff:93.184.216.34]:9", b"x").is_ok(),
        "as a dual-stack socket says it"
    );
    world.wait(1);
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::NotPermitted));
    assert_eq!(client.permit(&mut world, PEER), 0);
    world.wait(200);
    assert_eq!(client.permit(&mut world, PEER), 0, "renewed");
    world.wait(299);
    assert!(world.peer_sends(relay, PEER, b"x").is_ok());
}

#[test]
fn a_channel_lasts_ten_minutes_and_its_permission_five() {
    let mut world = World::new();
    let (mut client, relay) = world.allocated(1);
    assert_eq!(client.refresh(&mut world, 3600).code(), 0);
    assert_eq!(client.bind(&mut world, 0x4000, PEER), 0);
    let message = channel_message(0x4000);
    world.wait(299);
    assert!(world.send(client.tuple, &message).is_ok());
    world.wait(1);
    assert_eq!(world.send(client.tuple, &message), Err(Error::NotPermitted));
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::NotPermitted));
    assert_eq!(client.permit(&mut world, "93.184.216.34:0"), 0);
    assert!(world.send(client.tuple, &message).is_ok(), "the permission is one for all of an address");
    let (_, bytes) = world.peer_sends(relay, PEER, b"x").expect("permitted");
    assert_eq!(bytes[0], 0x40, "by the channel");
    world.wait(299);
    assert!(world.send(client.tuple, &message).is_ok());
    assert_eq!(client.permit(&mut world, PEER), 0);
    world.wait(1);
    assert_eq!(world.send(client.tuple, &message), Err(Error::NotAllocated));
    let (_, bytes) = world.peer_sends(relay, PEER, b"x").expect("permitted");
    assert_ne!(bytes[0], 0x40, "as an indication again");
    assert_eq!(client.bind(&mut world, 0x4001, PEER), 0, "the peer may have another number");
    assert_eq!(client.bind(&mut world, 0x4000, "8.8.8.8:1"), 0, "and the number another peer");
    assert!(world.send(client.tuple, &channel_message(0x4001)).is_ok());
}

#[test]
fn a_relay_that_is_not_opened_in_time_is_answered_for() {
    let mut world = World::new();
    world.open = |_| None;
    let mut client = Client::new(1);
    assert_eq!(client.try_request(&mut world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP))), None);
    assert_eq!(client.permit(&mut world, PEER), 437, "it is none yet");
    assert_eq!(client.allocate(&mut world), Err(437), "another one");
    world.wait(10);
    let answer = crate::world::Response(world.received(client.tuple).pop().expect("an answer"));
    assert_eq!(answer.code(), 508);
    assert!(world.server.is_empty());
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_broken_connection_ends_its_allocation() {
    let mut world = World::new();
    let mut client = Client::at(Transport::Tcp, "198.51.100.1:3478", "192.0.2.1:5000");
    let relayed = client.allocate(&mut world).expect("an allocation");
    assert!(world.server.has_allocation(&client.tuple));
    let relay = world.relay_at(relayed);
    world.server.client_closed(world.now, client.tuple);
    world.drain();
    assert!(world.events.iter().any(|it| matches!(it, Event::Ended { reason: EndReason::Disconnected, .. })));
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::NotAllocated));
    assert!(!world.server.has_allocation(&client.tuple));
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn close_ends_everything() {
    let mut world = World::new();
    (1..=5).for_each(|number| drop(world.allocated(number)));
    world.events.clear();
    world.server.close(world.now);
    world.drain();
    assert_eq!(world.events.len(), 5);
    assert!(world.events.iter().all(|it| matches!(it, Event::Ended { reason: EndReason::Shutdown, .. })));
    assert!(world.relays.is_empty() && world.server.is_empty());
    assert_eq!(world.server.poll_timeout(), None);
    assert_eq!(Client::new(9).allocate(&mut world), Err(508));
}
