//! Ports in pairs, repeated requests, ICMP, and data of all sizes.

use crate::world::{Client, LISTENER, PEER, Response, World, address};
use headwater_stun::{Attempt, Message, MessageBuilder, Transport};
use headwater_turn::attribute::*;
use headwater_turn::{Error, RelayId, channel_data};

const PAIR: EvenPort = EvenPort { reserve_next: true };

fn pair(client: &mut Client, world: &mut World) -> Response {
    client.request(world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)).attribute(&PAIR))
}

fn with_token(client: &mut Client, world: &mut World, token: ReservationToken) -> Response {
    client.request(world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)).attribute(&token))
}

#[test]
fn the_next_port_is_kept_for_who_has_the_token() {
    let mut world = World::new();
    let (mut rtp, mut rtcp) = (Client::new(1), Client::new(2));
    let response = pair(&mut rtp, &mut world);
    let XorRelayedAddress(first) = response.attribute().expect("an address");
    let token: ReservationToken = response.attribute().expect("a token");
    assert_eq!(first.port() % 2, 0);
    assert_eq!(world.relays.len(), 2);

    let mut thief = Client::new(3).user("other", "word");
    assert_eq!(with_token(&mut thief, &mut world, token).code(), 508, "another user's");
    let response = with_token(&mut rtcp, &mut world, token);
    let XorRelayedAddress(second) = response.attribute().expect("an address");
    assert_eq!((second.ip(), second.port()), (first.ip(), first.port() + 1));
    assert_eq!(with_token(&mut Client::new(4), &mut world, token).code(), 508, "used up");

    let relay = world.relay_at(second);
    assert_eq!(rtcp.permit(&mut world, PEER), 0);
    assert_eq!(world.peer_sends(relay, PEER, b"x").map(|(to, _)| to), Ok(rtcp.tuple));
    world.wait(31);
    assert_eq!(world.relays.len(), 2, "the reservation's end is not the allocation's");
    assert_eq!(rtcp.refresh(&mut world, 0).code(), 0);
    assert_eq!(rtp.refresh(&mut world, 0).code(), 0);
    assert!(world.relays.is_empty());
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_reserved_port_that_nobody_wants_is_closed_after_30_s() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let token = pair(&mut client, &mut world).attribute().expect("a token");
    let relay = *world.relays.keys().find(|it| it.index == 1).expect("the next one");
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::NotAllocated), "nobody's yet");
    world.wait(29);
    assert_eq!(world.relays.len(), 2);
    world.wait(1);
    assert_eq!(world.relays.len(), 1);
    assert_eq!(with_token(&mut Client::new(2), &mut world, token).code(), 508);
}

#[test]
fn reservations_count_as_allocations() {
    let mut world = World::with(|it| it.per_user = crate::world::quota(Some(2), None));
    let mut client = Client::new(1);
    let token = pair(&mut client, &mut world).attribute().expect("a token");
    assert_eq!(Client::new(2).allocate(&mut world), Err(486));
    assert_eq!(with_token(&mut Client::new(2), &mut world, token).code(), 0, "it has its place already");
    assert_eq!(Client::new(3).allocate(&mut world), Err(486));
    assert_eq!(client.refresh(&mut world, 0).code(), 0);
    assert_eq!(pair(&mut client, &mut world).code(), 486, "one place is not enough for two");
    assert!(client.allocate(&mut world).is_ok());
    world.server.close(world.now);
    world.drain();
    assert!(world.relays.is_empty());
}

#[test]
fn reservations_end_with_the_server() {
    let mut world = World::new();
    pair(&mut Client::new(1), &mut world);
    world.server.close(world.now);
    world.drain();
    assert!(world.relays.is_empty());
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_repeated_allocate_gets_the_same_answer() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let mut attempt = Attempt::default();
    assert_eq!(client.refresh(&mut world, 0).code(), 437, "so that the nonce is known");
    let (request, _) = client.build(&mut world, &mut attempt, ALLOCATE, &|it| {
        it.attribute(&RequestedTransport(UDP)).attribute(&PAIR)
    });
    assert_eq!(world.send(client.tuple, &request), Ok(None));
    let first = world.received(client.tuple);
    let events = world.events.len();
    world.wait(5);
    for _ in 0..3 {
        assert_eq!(world.send(client.tuple, &request), Ok(None));
        assert_eq!(world.received(client.tuple), first);
    }
    assert_eq!((world.relays.len(), world.events.len()), (2, events), "nothing was made again");
    assert_eq!(client.allocate(&mut world), Err(437), "another one is another one");
}

#[test]
fn an_allocate_repeated_while_the_relay_opens_is_answered_once() {
    let mut world = World::new();
    world.open = |_| None;
    let mut client = Client::new(1);
    assert_eq!(client.refresh(&mut world, 0).code(), 437);
    let (request, _) = client
        .build(&mut world, &mut Attempt::default(), ALLOCATE, &|it| it.attribute(&RequestedTransport(UDP)));
    for _ in 0..3 {
        assert_eq!(world.send(client.tuple, &request), Ok(None));
    }
    assert_eq!(world.server.allocations(), 1);
    let relay = RelayId { index: 0, serial: 1 };
    world.server.relay_opened(world.now, relay, Ok(address("198.51.100.1:50000")));
    world.server.relay_opened(world.now, relay, Ok(address("198.51.100.1:50002")));
    world.drain();
    let answers = world.received(client.tuple);
    assert_eq!(answers.len(), 1);
    let answer = Response(answers[0].clone());
    assert_eq!(answer.attribute(), Some(XorRelayedAddress(address("198.51.100.1:50000"))));
}

#[test]
fn icmp_is_told_to_who_has_a_permission() {
    let icmp = |kind, code| Icmp { kind, code, error_data: 0 };
    let mut world = World::new();
    let (mut client, relay) = world.allocated(1);
    let tell = |world: &mut World, icmp| {
        world.server.handle_icmp(world.now, relay, address(PEER), icmp);
        world.drain();
        world.received(client.tuple)
    };
    assert!(tell(&mut world, icmp(3, 3)).is_empty(), "nobody asked");
    assert_eq!(client.permit(&mut world, PEER), 0);
    let tell = |world: &mut World, icmp| {
        world.server.handle_icmp(world.now, relay, address(PEER), icmp);
        world.drain();
        world.received(client.tuple)
    };
    let told = tell(&mut world, Icmp { kind: 3, code: 4, error_data: 1400 });
    let [told] = &told[..] else { panic!("one indication") };
    let told = Message::parse(told).expect("a message");
    assert_eq!(told.method(), DATA);
    assert_eq!(told.attribute(), Ok(Some(XorPeerAddress(address(PEER)))));
    assert_eq!(told.attribute(), Ok(Some(Icmp { kind: 3, code: 4, error_data: 1400 })));
    assert_eq!(told.attribute::<Data<'_>>(), Ok(None));
    assert!(tell(&mut world, icmp(8, 0)).is_empty(), "an echo is no news");
    for _ in 0..1000 {
        world.server.handle_icmp(world.now, relay, address(PEER), icmp(3, 1));
    }
    world.drain();
    assert_eq!(world.received(client.tuple).len(), 128, "answers of others keep their room");
}

#[test]
fn dont_fragment_goes_with_the_data() {
    let mut world = World::new();
    let (mut client, _) = world.allocated(1);
    assert_eq!(client.permit(&mut world, PEER), 0);
    for (wanted, with) in [(false, 0), (true, 1)] {
        let mut send = Vec::new();
        let mut message = MessageBuilder::indication(SEND, world.fresh_id(), &mut send)
            .attribute(&XorPeerAddress(address(PEER)))
            .attribute(&Data(b"x"));
        if with == 1 {
            message = message.attribute(&DontFragment);
        }
        message.finish();
        let datagram =
            headwater_stun::Datagram::new(Transport::Udp, client.tuple.local, client.tuple.remote, &send);
        let to_peer = world.server.handle_datagram(world.now, datagram).expect("permitted").expect("data");
        assert_eq!(to_peer.dont_fragment, wanted);
    }
}

#[test]
fn data_of_any_size_passes_or_is_refused_whole() {
    let mut world = World::new();
    for (transport, limits) in [(Transport::Udp, [65_503, 65_456]), (Transport::Tcp, [65_531, 65_484])] {
        let mut client = Client::at(transport, LISTENER, "192.0.2.7:5000");
        let relayed = client.allocate(&mut world).expect("an allocation");
        let relay = world.relay_at(relayed);
        assert_eq!(client.permit(&mut world, PEER), 0);
        assert_eq!(client.bind(&mut world, 0x4000, "93.184.216.34:1"), 0);
        for (peer, limit) in [("93.184.216.34:1", limits[0]), (PEER, limits[1])] {
            for len in [0, 1, 2, 3, 4, 1200, limit] {
                let data: Vec<u8> = (0..len).map(|it| it as u8).collect();
                let (_, bytes) = world.peer_sends(relay, peer, &data).expect("it fits");
                if peer == PEER {
                    let message = Message::parse(&bytes).expect("a message");
                    assert_eq!(message.attribute(), Ok(Some(Data(&data))));
                } else {
                    let message = channel_data::ChannelData::parse(&bytes).expect("ChannelData");
                    assert_eq!(message.data, data);
                    assert_eq!(bytes.len() % 4 == 0, transport == Transport::Tcp || len % 4 == 0);
                }
            }
            let long = vec![0; limit + 1];
            assert!(matches!(world.peer_sends(relay, peer, &long), Err(Error::Malformed(_))), "{limit}");
        }
    }
}
