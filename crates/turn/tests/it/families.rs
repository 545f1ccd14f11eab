//! Two families, and relays between them.

use crate::world::{Client, PEER, World};
use headwater_stun::Transport;
use headwater_turn::attribute::*;
use headwater_turn::{Error, RelayError};

const PEER6: &str = "[2600:1f18::1]:4000";
const AND_V6: AdditionalAddressFamily = AdditionalAddressFamily(Some(Family::V6));

fn both(client: &mut Client, world: &mut World) -> crate::world::Response {
    client.request(world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)).attribute(&AND_V6))
}

fn relayed(response: &crate::world::Response) -> Vec<std::net::SocketAddr> {
    let message = response.message();
    message
        .attributes()
        .filter_map(|raw| match raw.kind {
            kind if kind == <XorRelayedAddress as headwater_stun::Attribute<'_>>::TYPE => {
                headwater_stun::Attribute::parse(raw).ok().map(|XorRelayedAddress(it)| it)
            }
            _ => None,
        })
        .collect()
}

#[test]
fn an_ipv4_client_reaches_ipv6_peers() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let response = client.request(&mut world, ALLOCATE, |it| {
        it.attribute(&RequestedTransport(UDP)).attribute(&RequestedAddressFamily(Some(Family::V6)))
    });
    let [address] = relayed(&response)[..] else { panic!("one address") };
    assert!(address.is_ipv6());
    let relay = world.relay_at(address);
    assert_eq!(client.permit(&mut world, PEER), 443);
    assert_eq!(client.bind(&mut world, 0x4000, PEER6), 0);
    assert_eq!(world.peer_sends(relay, PEER6, b"x").map(|(to, _)| to), Ok(client.tuple));
}

#[test]
fn an_ipv6_client_reaches_ipv4_peers() {
    let mut world = World::new();
    let mut client = Client::at(Transport::Udp, "[2600::1]:3478", "[2600:1f18::7]:5000");
    let address = client.allocate(&mut world).expect("an allocation");
    assert!(address.is_ipv4(), "the first of the families is for who names none");
    let relay = world.relay_at(address);
    assert_eq!(client.permit(&mut world, PEER), 0);
    assert_eq!(world.peer_sends(relay, PEER, b"x").map(|(to, _)| to), Ok(client.tuple));
}

#[test]
fn an_allocation_has_both_families_and_gives_one_up() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let response = both(&mut client, &mut world);
    let [v4, v6] = relayed(&response)[..] else { panic!("two addresses") };
    assert!(v4.is_ipv4() && v6.is_ipv6());
    let [relay4, relay6] = [v4, v6].map(|it| world.relay_at(it));
    assert_eq!(client.permit(&mut world, PEER), 0);
    assert_eq!(client.bind(&mut world, 0x4000, PEER6), 0);
    assert!(world.peer_sends(relay4, PEER, b"x").is_ok());
    assert!(world.peer_sends(relay6, PEER6, b"x").is_ok());

    let response = client.request(&mut world, REFRESH, |it| {
        it.attribute(&Lifetime(0)).attribute(&RequestedAddressFamily(Some(Family::V6)))
    });
    assert_eq!((response.code(), response.attribute()), (0, Some(Lifetime(0))));
    assert_eq!(world.relays.len(), 1);
    assert_eq!(world.peer_sends(relay6, PEER6, b"x"), Err(Error::NotAllocated));
    assert!(world.peer_sends(relay4, PEER, b"x").is_ok());
    assert_eq!(client.bind(&mut world, 0x4001, PEER6), 443);
    assert_eq!(client.refresh(&mut world, 0).code(), 0);
    assert!(world.relays.is_empty() && world.server.is_empty());
}

#[test]
fn one_of_two_families_is_better_than_none() {
    for (error, code) in [(RelayError::Family, 440), (RelayError::Capacity, 508)] {
        let (mut world, mut client) = (World::new(), Client::new(1));
        world.open = match error {
            RelayError::Family => {
                |family| Some(if family == Family::V6 { Err(RelayError::Family) } else { Ok(()) })
            }
            _ => |family| Some(if family == Family::V6 { Err(RelayError::Capacity) } else { Ok(()) }),
        };
        let response = both(&mut client, &mut world);
        assert_eq!(response.code(), 0);
        assert_eq!(relayed(&response).len(), 1);
        assert_eq!(response.attribute(), Some(AddressErrorCode { family: Family::V6, code }));
    }
    let mut world = World::with(|it| it.families = vec![Family::V4]);
    let response = both(&mut Client::new(1), &mut world);
    assert_eq!(response.attribute(), Some(AddressErrorCode { family: Family::V6, code: 440 }));
    let mut world = World::new();
    world.open = |_| Some(Err(RelayError::Capacity));
    assert_eq!(both(&mut Client::new(1), &mut world).code(), 508);
    assert!(world.server.is_empty());
}

#[test]
fn a_family_whose_relay_is_late_is_left_out() {
    let mut world = World::new();
    world.open = |family| if family == Family::V4 { Some(Ok(())) } else { None };
    let mut client = Client::new(1);
    let asked = client
        .try_request(&mut world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)).attribute(&AND_V6));
    assert_eq!(asked, None);
    world.wait(10);
    let response = crate::world::Response(world.received(client.tuple).pop().expect("an answer"));
    assert_eq!((response.code(), relayed(&response).len()), (0, 1));
    assert_eq!(response.attribute(), Some(AddressErrorCode { family: Family::V6, code: 508 }));
}
