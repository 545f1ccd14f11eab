//! Allocations move with their owner and with nobody else (RFC 8016, field class S28).

use crate::world::{Client, LISTENER, PEER, Response, World};
use headwater_stun::{Attempt, Transport};
use headwater_turn::attribute::{ALLOCATE, Lifetime, MobilityTicket, REFRESH, RequestedTransport, TCP, UDP};
use headwater_turn::{EndReason, Error, Event, FiveTuple, PeerPolicy, RelayId};

fn mobile(world: &mut World, client: &mut Client) -> (RelayId, Vec<u8>) {
    let response = client.request(world, ALLOCATE, |it| {
        it.attribute(&RequestedTransport(UDP)).attribute(&MobilityTicket(&[]))
    });
    assert_eq!(response.code(), 0);
    let relayed = response.attribute::<headwater_turn::attribute::XorRelayedAddress>().expect("an address").0;
    (world.relay_at(relayed), ticket_of(&response))
}

fn ticket_of(response: &Response) -> Vec<u8> {
    response.attribute::<MobilityTicket<'_>>().expect("a ticket").0.to_vec()
}

fn refresh_with(world: &mut World, client: &mut Client, ticket: &[u8]) -> Response {
    client.request(world, REFRESH, |it| it.attribute(&MobilityTicket(ticket)))
}

#[test]
fn the_owner_takes_all_of_it_along() {
    let mut world = World::new();
    let mut old = Client::new(1);
    let (relay, ticket) = mobile(&mut world, &mut old);
    assert_eq!(old.bind(&mut world, 0x4000, PEER), 0);
    assert_eq!(old.refresh(&mut world, 600).attribute::<MobilityTicket<'_>>(), Some(MobilityTicket(&ticket)));

    let mut new = Client::new(2);
    let response = refresh_with(&mut world, &mut new, &ticket);
    assert_eq!((response.code(), response.attribute()), (0, Some(Lifetime(600))));
    let next = ticket_of(&response);
    assert_ne!(next, ticket);
    assert!(world.events.contains(&Event::Moved { from: old.tuple, to: new.tuple }));
    let (to, bytes) = world.peer_sends(relay, PEER, b"x").expect("permitted");
    assert_eq!((to, bytes[0]), (new.tuple, 0x40), "by the same channel");
    assert_eq!(world.send(old.tuple, &[0x40, 0, 0, 1, 7]), Err(Error::NotAllocated));
    assert!(world.send(new.tuple, &[0x40, 0, 0, 1, 7]).is_ok());
    assert_eq!(old.refresh(&mut world, 600).code(), 437);
    assert_eq!(
        refresh_with(&mut world, &mut Client::new(3), &ticket).code(),
        437,
        "a ticket is for one journey"
    );
    assert_eq!(refresh_with(&mut world, &mut old, &next).code(), 0, "and back");
    assert_eq!(world.server.counters().moved, 2);
    assert_eq!(old.refresh(&mut world, 0).code(), 0);
    assert!(world.server.is_empty());
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn nobody_else_takes_it() {
    let mut world = World::new();
    let mut owner = Client::new(1);
    let (relay, ticket) = mobile(&mut world, &mut owner);
    let mut thief = Client::new(2).user("other", "word");
    assert_eq!(refresh_with(&mut world, &mut thief, &ticket).code(), 441, "another user with the ticket");
    let mut stranger = Client::new(3).user("matrix", "wrong");
    assert_eq!(refresh_with(&mut world, &mut stranger, &ticket).code(), 401);
    for place in 0..ticket.len() {
        let mut forged = ticket.clone();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        assert_eq!(refresh_with(&mut world, &mut Client::new(4), &forged).code(), 437, "byte {place}");
    }
    for forged in [&[][..], &ticket[1..], &[0; 28], b"AAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(refresh_with(&mut world, &mut Client::new(4), forged).code(), 437);
    }
    let response = thief
        .request(&mut world, REFRESH, |it| it.attribute(&MobilityTicket(&ticket)).attribute(&Lifetime(0)));
    assert_eq!(response.code(), 441, "nor may anybody end it");
    assert_eq!(owner.permit(&mut world, PEER), 0);
    assert_eq!(world.peer_sends(relay, PEER, b"x").map(|(to, _)| to), Ok(owner.tuple));
}

#[test]
fn the_ticket_of_one_allocation_moves_no_other() {
    let mut world = World::new();
    let (mut first, mut second) = (Client::new(1), Client::new(2));
    let (_, ticket) = mobile(&mut world, &mut first);
    mobile(&mut world, &mut second);
    assert_eq!(refresh_with(&mut world, &mut second, &ticket).code(), 437, "it has one of its own");
    // The key of one, the secret of the other: the first five digits hold the key.
    let mut mixed = ticket.clone();
    mixed[..6].copy_from_slice(b"AAAAAQ");
    assert_eq!(refresh_with(&mut world, &mut Client::new(3), &mixed).code(), 437);
    let (mut plain, _) = world.allocated(4);
    assert_eq!(plain.refresh(&mut world, 600).attribute::<MobilityTicket<'_>>(), None, "nobody asked");
    world.open = |_| None;
    let mut opening = Client::new(5);
    opening.try_request(&mut world, ALLOCATE, |it| {
        it.attribute(&RequestedTransport(UDP)).attribute(&MobilityTicket(&[]))
    });
    assert_eq!(opening.refresh(&mut world, 600).code(), 437);
}

#[test]
fn a_repeated_move_gets_the_same_answer() {
    let mut world = World::new();
    let mut old = Client::new(1);
    let (_, ticket) = mobile(&mut world, &mut old);
    let mut new = Client::new(2);
    assert_eq!(new.refresh(&mut world, 600).code(), 437, "so that the nonce is known");
    let (request, _) =
        new.build(&mut world, &mut Attempt::default(), REFRESH, &|it| it.attribute(&MobilityTicket(&ticket)));
    assert_eq!(world.send(new.tuple, &request), Ok(None));
    let first = world.received(new.tuple);
    assert_eq!(Response(first[0].clone()).code(), 0);
    assert_eq!(world.send(new.tuple, &request), Ok(None));
    assert_eq!(world.received(new.tuple), first);
    assert_eq!(world.server.counters().moved, 1);
}

#[test]
fn quotas_are_those_of_the_new_address() {
    let mut world = World::with(|it| it.per_address = crate::world::quota(Some(1), None));
    let mut old = Client::new(1);
    let (_, ticket) = mobile(&mut world, &mut old);
    world.allocated(2);
    let at =
        |number: u8, port: u16| Client::at(Transport::Udp, LISTENER, &format!("192.0.2.{number}:{port}"));
    assert_eq!(refresh_with(&mut world, &mut at(2, 9), &ticket).code(), 486);
    let response = refresh_with(&mut world, &mut at(1, 9), &ticket);
    assert_eq!(response.code(), 0, "the same address, another port");
    assert_eq!(refresh_with(&mut world, &mut at(3, 9), &ticket_of(&response)).code(), 0);
    assert!(at(1, 7).allocate(&mut world).is_ok(), "its old place is free");
    assert_eq!(at(3, 7).allocate(&mut world), Err(486));
}

#[test]
fn mobility_may_be_forbidden() {
    let mut world = World::with(|it| it.mobility = false);
    let response = Client::new(1).request(&mut world, ALLOCATE, |it| {
        it.attribute(&RequestedTransport(UDP)).attribute(&MobilityTicket(&[]))
    });
    assert_eq!(response.code(), 405);
    assert!(world.server.is_empty());
    assert_eq!(refresh_with(&mut world, &mut Client::new(1), &[1; 28]).code(), 405);
}

#[test]
fn a_mobile_allocation_survives_its_connection_for_a_minute() {
    let mut world = World::with(|it| it.peers = PeerPolicy::public());
    let mut old = Client::at(Transport::Tcp, LISTENER, "192.0.2.1:5000");
    let (relay, ticket) = mobile(&mut world, &mut old);
    assert_eq!(old.bind(&mut world, 0x4000, PEER), 0);
    let closed = |world: &mut World, client: FiveTuple| {
        world.server.client_closed(world.now, client);
        world.drain();
    };
    closed(&mut world, old.tuple);
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::NotAllocated), "nobody is there");
    assert!(!world.server.has_allocation(&old.tuple));
    world.wait(59);
    let mut new = Client::new(2);
    assert_eq!(refresh_with(&mut world, &mut new, &ticket).code(), 0);
    assert_eq!(world.peer_sends(relay, PEER, b"x").map(|(to, _)| to), Ok(new.tuple));
    world.wait(599);
    assert!(!world.server.is_empty(), "it has a whole lifetime again");
    world.wait(1);
    assert!(world.server.is_empty());

    let (_, _) = mobile(&mut world, &mut old);
    closed(&mut world, old.tuple);
    // The same connection's addresses, another client.
    assert!(old.allocate(&mut world).is_ok());
    world.events.clear();
    world.wait(60);
    assert!(matches!(world.events[..], [Event::Ended { reason: EndReason::Expired, .. }]));
    assert!(world.server.has_allocation(&old.tuple), "the newer one is still there");
    closed(&mut world, old.tuple);
    assert!(world.server.is_empty());
}

#[test]
fn a_tcp_relay_moves_to_connections_only() {
    let mut world = World::new();
    let mut old = Client::at(Transport::Tcp, LISTENER, "192.0.2.1:5000");
    let response = old.request(&mut world, ALLOCATE, |it| {
        it.attribute(&RequestedTransport(TCP)).attribute(&MobilityTicket(&[]))
    });
    let ticket = ticket_of(&response);
    assert_eq!(refresh_with(&mut world, &mut Client::new(2), &ticket).code(), 400);
    let mut new = Client::at(Transport::Tcp, LISTENER, "192.0.2.2:5000");
    assert_eq!(refresh_with(&mut world, &mut new, &ticket).code(), 0);
}
