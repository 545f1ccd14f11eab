//! What a client does that meets no trouble.

use crate::world::{Client, PEER, World, address};
use headwater_stun::attribute::XorMappedAddress;
use headwater_stun::{Message, MessageBuilder, Transport};
use headwater_turn::attribute::{
    ALLOCATE, DATA, Data, Lifetime, RequestedTransport, SEND, UDP, XorPeerAddress, XorRelayedAddress,
};
use headwater_turn::channel_data::{self, ChannelData};
use headwater_turn::{EndReason, Event};

#[test]
fn a_client_allocates_permits_binds_and_talks() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let response = client.request(&mut world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)));
    assert_eq!(response.code(), 0);
    assert_eq!(response.attribute(), Some(XorMappedAddress(client.tuple.remote)));
    assert_eq!(response.attribute(), Some(Lifetime(600)));
    let XorRelayedAddress(relayed) = response.attribute().expect("a relayed address");
    let relay = world.relay_at(relayed);
    assert!(matches!(world.events[..], [Event::Allocated { .. }]));

    assert_eq!(client.permit(&mut world, PEER), 0);
    let mut send = Vec::new();
    let id = world.fresh_id();
    MessageBuilder::indication(SEND, id, &mut send)
        .attribute(&XorPeerAddress(address(PEER)))
        .attribute(&Data(b"to the peer"))
        .finish();
    assert_eq!(world.send(client.tuple, &send), Ok(Some((relay, address(PEER), b"to the peer".to_vec()))));
    let (to, bytes) = world.peer_sends(relay, PEER, b"to the client").expect("permitted");
    assert_eq!(to, client.tuple);
    let data = Message::parse(&bytes).expect("a message");
    assert_eq!(data.method(), DATA);
    assert_eq!(data.attribute(), Ok(Some(XorPeerAddress(address(PEER)))));
    assert_eq!(data.attribute(), Ok(Some(Data(b"to the client"))));

    assert_eq!(client.bind(&mut world, 0x4000, PEER), 0);
    let mut message = Vec::new();
    channel_data::emit(Transport::Udp, 0x4000, b"through a channel", &mut message).expect("short");
    assert_eq!(
        world.send(client.tuple, &message),
        Ok(Some((relay, address(PEER), b"through a channel".to_vec())))
    );
    let (_, bytes) = world.peer_sends(relay, PEER, b"and back").expect("permitted");
    let back = ChannelData::parse(&bytes).expect("ChannelData");
    assert_eq!((back.channel, back.data), (0x4000, &b"and back"[..]));

    world.events.clear();
    assert_eq!(client.refresh(&mut world, 0).code(), 0);
    assert!(matches!(world.events[..], [Event::Ended { reason: EndReason::Client, .. }]));
    assert!(world.relays.is_empty() && world.server.is_empty());
    assert_eq!(world.server.poll_timeout(), None, "nothing is left to wait for");
}
