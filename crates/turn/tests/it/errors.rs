//! Each error code, by the requests that get it.

use crate::world::{Client, LISTENER, PEER, World, address, quota};
use headwater_stun::attribute::{AlternateServer, UnknownAttributes};
use headwater_stun::{
    Attribute, AttributeType, MessageBuilder, Method, ParseError, RawAttribute, TransactionId, Transport,
};
use headwater_turn::RelayError;
use headwater_turn::attribute::*;

/// An attribute of any type and value.
struct Any(u16, &'static [u8]);

impl<'a> Attribute<'a> for Any {
    const TYPE: AttributeType = AttributeType(0);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Err(raw.malformed())
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.1);
    }

    fn kind(&self) -> AttributeType {
        AttributeType(self.0)
    }
}

type Attributes = for<'b> fn(MessageBuilder<'b>) -> MessageBuilder<'b>;
const V4: RequestedAddressFamily = RequestedAddressFamily(Some(Family::V4));
const V6: RequestedAddressFamily = RequestedAddressFamily(Some(Family::V6));
const AND_V6: AdditionalAddressFamily = AdditionalAddressFamily(Some(Family::V6));
const TOKEN: ReservationToken = ReservationToken([1; 8]);
const PAIR: EvenPort = EvenPort { reserve_next: true };
const EVEN: EvenPort = EvenPort { reserve_next: false };

fn peer(text: &str) -> XorPeerAddress {
    XorPeerAddress(address(text))
}

#[test]
fn allocate_is_refused_with_the_code_of_its_fault() {
    let table: &[(&str, u16, Attributes)] = &[
        ("nothing is asked for", 400, |it| it),
        ("a malformed transport", 400, |it| it.attribute(&Any(0x0019, &[17]))),
        ("SCTP", 442, |it| it.attribute(&RequestedTransport(132))),
        ("TCP over UDP", 400, |it| it.attribute(&RequestedTransport(TCP))),
        ("token and even port", 400, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&TOKEN).attribute(&EVEN)
        }),
        ("token and family", 400, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&TOKEN).attribute(&V4)
        }),
        ("token and two families", 400, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&TOKEN).attribute(&AND_V6)
        }),
        ("a token that nobody gave", 508, |it| it.attribute(&RequestedTransport(UDP)).attribute(&TOKEN)),
        ("one family and two", 400, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&V4).attribute(&AND_V6)
        }),
        ("IPv4 in addition", 400, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&AdditionalAddressFamily(Some(Family::V4)))
        }),
        ("a pair of ports in two families", 400, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&PAIR).attribute(&AND_V6)
        }),
        ("a family that nobody knows", 440, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&RequestedAddressFamily(None))
        }),
        ("an attribute that nobody knows", 420, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&Any(0x7FFF, &[]))
        }),
        ("a malformed lifetime", 400, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&Any(0x000D, &[1]))
        }),
        ("another's ticket", 400, |it| {
            it.attribute(&RequestedTransport(UDP)).attribute(&MobilityTicket(&[1; 28]))
        }),
    ];
    for (name, code, attributes) in table {
        let (mut world, mut client) = (World::new(), Client::new(1));
        assert_eq!(client.request(&mut world, ALLOCATE, attributes).code(), *code, "{name}");
        assert!(world.server.is_empty() && world.relays.is_empty(), "{name}");
        assert_eq!(world.server.poll_timeout(), None, "{name}: nothing is kept");
        assert_eq!(world.server.counters().errors_of(*code), 1, "{name}");
    }
}

#[test]
fn a_tcp_relay_is_for_connections() {
    let table: &[(&str, u16, Attributes)] = &[
        ("with DF", 400, |it| it.attribute(&RequestedTransport(TCP)).attribute(&DontFragment)),
        ("with an even port", 400, |it| it.attribute(&RequestedTransport(TCP)).attribute(&EVEN)),
        ("with a token", 400, |it| it.attribute(&RequestedTransport(TCP)).attribute(&TOKEN)),
        ("alone", 0, |it| it.attribute(&RequestedTransport(TCP))),
    ];
    for (name, code, attributes) in table {
        let mut client = Client::at(Transport::Tcp, LISTENER, "192.0.2.1:5000");
        assert_eq!(client.request(&mut World::new(), ALLOCATE, attributes).code(), *code, "{name}");
        let mut without = World::with(|it| it.tcp_relays = false);
        let refused = if *code == 0 { 442 } else { 400 };
        assert_eq!(client.request(&mut without, ALLOCATE, attributes).code(), refused, "{name}, not offered");
    }
}

#[test]
fn requests_about_an_allocation_are_refused_with_the_code_of_their_fault() {
    let table: &[(&str, u16, Method, Attributes)] = &[
        ("no peer", 400, CREATE_PERMISSION, |it| it),
        ("a malformed peer behind a good one", 400, CREATE_PERMISSION, |it| {
            it.attribute(&peer(PEER)).attribute(&Any(0x0012, &[0, 1, 2]))
        }),
        ("a forbidden peer", 403, CREATE_PERMISSION, |it| it.attribute(&peer("127.0.0.1:1"))),
        ("a forbidden peer behind a good one", 403, CREATE_PERMISSION, |it| {
            it.attribute(&peer(PEER)).attribute(&peer("10.0.0.1:1"))
        }),
        ("a peer of another family", 443, CREATE_PERMISSION, |it| it.attribute(&peer("[2600::2]:1"))),
        ("an IPv4 peer in IPv6's clothes", 403, CREATE_PERMISSION, |it| {
            it.attribute(&peer("[::ffff:8.8.8.8]:1"))
        }),
        ("no number", 400, CHANNEL_BIND, |it| it.attribute(&peer(PEER))),
        ("a number without peer", 400, CHANNEL_BIND, |it| it.attribute(&ChannelNumber(0x4000))),
        ("a number below", 400, CHANNEL_BIND, |it| {
            it.attribute(&ChannelNumber(0x3FFF)).attribute(&peer(PEER))
        }),
        ("a number above", 400, CHANNEL_BIND, |it| {
            it.attribute(&ChannelNumber(0x8000)).attribute(&peer(PEER))
        }),
        ("a forbidden peer", 403, CHANNEL_BIND, |it| {
            it.attribute(&ChannelNumber(0x4000)).attribute(&peer("169.254.169.254:80"))
        }),
        ("our own listener", 403, CHANNEL_BIND, |it| {
            it.attribute(&ChannelNumber(0x4000)).attribute(&peer(LISTENER))
        }),
        ("port 0", 403, CHANNEL_BIND, |it| {
            it.attribute(&ChannelNumber(0x4000)).attribute(&peer("8.8.8.8:0"))
        }),
        ("a peer of another family", 443, CHANNEL_BIND, |it| {
            it.attribute(&ChannelNumber(0x4000)).attribute(&peer("[2600::2]:1"))
        }),
        ("another family", 443, REFRESH, |it| it.attribute(&V6)),
        ("a connection over UDP", 400, CONNECT, |it| it.attribute(&peer(PEER))),
        ("a second one", 437, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP))),
        ("a method that nobody knows", 400, Method::new(0x00F), |it| it),
        ("an attribute that nobody knows", 420, REFRESH, |it| it.attribute(&Any(0x0777, &[1, 2, 3, 4, 5]))),
    ];
    for (name, code, method, attributes) in table {
        let mut world = World::new();
        let (mut client, relay) = world.allocated(1);
        assert_eq!(client.request(&mut world, *method, attributes).code(), *code, "{name}");
        assert!(world.peer_sends(relay, PEER, b"x").is_err(), "{name}: nothing was permitted");

        let mut stranger = Client::new(2);
        let without = if *code == 420 || *method == Method::new(0x00F) { *code } else { 437 };
        if *method != ALLOCATE {
            let response = stranger.request(&mut world, *method, attributes);
            assert_eq!(response.code(), without, "{name}, without an allocation");
        }
        let mut other = Client::new(1).user("other", "word");
        let foreign = if without == 437 && *method != ALLOCATE { 441 } else { *code };
        assert_eq!(other.request(&mut world, *method, attributes).code(), foreign, "{name}, by another user");
    }
}

#[test]
fn unknown_attributes_are_listed() {
    let (mut world, mut client) = (World::new(), Client::new(1));
    let response = client.request(&mut world, ALLOCATE, |it| {
        it.attribute(&Any(0x7FFE, &[])).attribute(&Any(0xFFFE, &[])).attribute(&Any(0x0024, &[0; 4]))
    });
    let unknown = response.attribute::<UnknownAttributes>().expect("a list");
    assert_eq!(unknown.types(), [AttributeType(0x7FFE), AttributeType(0x0024)]);
}

#[test]
fn a_channel_stays_with_its_peer() {
    let mut world = World::new();
    let (mut client, _) = world.allocated(1);
    assert_eq!(client.bind(&mut world, 0x4000, PEER), 0);
    assert_eq!(client.bind(&mut world, 0x4000, PEER), 0, "renewed");
    assert_eq!(client.bind(&mut world, 0x4000, "8.8.8.8:1"), 400, "the number is taken");
    assert_eq!(client.bind(&mut world, 0x4001, PEER), 400, "the peer has one");
    assert_eq!(client.bind(&mut world, 0x4FFF, "8.8.8.8:1"), 0);
    assert_eq!(client.bind(&mut world, 0x4001, "8.8.8.8:2"), 0, "another port is another peer");
}

#[test]
fn what_the_owner_can_not_open_is_refused_by_its_cause() {
    for (error, code) in [(RelayError::Family, 440), (RelayError::Capacity, 508), (RelayError::Quota, 486)] {
        let (mut world, mut client) = (World::new(), Client::new(1));
        world.open = match error {
            RelayError::Family => |_| Some(Err(RelayError::Family)),
            RelayError::Capacity => |_| Some(Err(RelayError::Capacity)),
            _ => |_| Some(Err(RelayError::Quota)),
        };
        assert_eq!(client.allocate(&mut world), Err(code));
        assert!(world.server.is_empty());
        assert_eq!(world.server.poll_timeout(), None);
        world.open = |_| Some(Ok(()));
        assert!(client.allocate(&mut world).is_ok(), "the same client may try again");
    }
}

#[test]
fn families_that_are_not_offered_are_440() {
    let mut world = World::with(|it| it.families = vec![Family::V6]);
    let mut client = Client::new(1);
    let mut ask = |attributes: Attributes| {
        client.request(&mut world, ALLOCATE, |it| attributes(it.attribute(&RequestedTransport(UDP)))).code()
    };
    assert_eq!(ask(|it| it.attribute(&V4)), 440);
    assert_eq!(ask(|it| it.attribute(&V6)), 0);
    let mut none = World::with(|it| it.families = vec![]);
    assert_eq!(Client::new(1).allocate(&mut none), Err(440));
}

#[test]
fn a_server_that_drains_sends_newcomers_elsewhere_and_keeps_the_others() {
    let mut world =
        World::with(|it| it.alternates = vec![address("[2600::9]:3478"), address("198.51.100.9:3478")]);
    let (mut client, relay) = world.allocated(1);
    world.server.drain();
    let mut late = Client::new(2);
    let response = late.request(&mut world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)));
    assert_eq!(response.code(), 300);
    assert_eq!(response.attribute(), Some(AlternateServer(address("198.51.100.9:3478"))));
    assert_eq!(client.permit(&mut world, PEER), 0);
    assert!(world.peer_sends(relay, PEER, b"x").is_ok());
    assert_eq!(client.refresh(&mut world, 600).code(), 0);
    assert!(!world.server.is_empty());
    world.wait(601);
    assert!(world.server.is_empty(), "until they end");

    let mut alone = World::new();
    alone.server.drain();
    assert_eq!(Client::new(1).allocate(&mut alone), Err(508), "nowhere else");
}

#[test]
fn what_is_full_is_508_and_what_is_used_up_486() {
    let mut full = World::with(|it| it.max_allocations = 1);
    full.allocated(1);
    assert_eq!(Client::new(2).allocate(&mut full), Err(508));
    let mut user = World::with(|it| it.per_user = quota(Some(1), None));
    user.allocated(1);
    assert_eq!(Client::new(2).allocate(&mut user), Err(486));
    assert!(Client::new(2).user("other", "word").allocate(&mut user).is_ok(), "another user");
}
