//! Whatever a client and its peers do: the same as a model that forgets nothing and looks at everything.

use crate::world::{Client, World, address};
use headwater_stun::{Attempt, MessageBuilder, Transport};
use headwater_turn::attribute::{Data, SEND, XorPeerAddress};
use headwater_turn::channel_data::{self, ChannelData};
use headwater_turn::{Error, Event};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Two addresses with two ports each.
const PEERS: [&str; 4] = ["8.8.8.8:1", "8.8.8.8:2", "9.9.9.9:1", "9.9.9.9:2"];
const CHANNELS: u16 = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Permit(usize),
    Bind(u16, usize),
    Refresh,
    Wait(u64),
    Send(usize),
    SendThrough(u16),
    PeerSends(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..PEERS.len();
    prop_oneof![
        peer.clone().prop_map(Step::Permit),
        (0..CHANNELS, peer.clone()).prop_map(|(number, peer)| Step::Bind(number, peer)),
        Just(Step::Refresh),
        (0..400_000_u64).prop_map(Step::Wait),
        peer.clone().prop_map(Step::Send),
        (0..CHANNELS).prop_map(Step::SendThrough),
        peer.prop_map(Step::PeerSends),
    ]
}

/// All that was ever granted, with when it ends.
struct Model {
    expires: Instant,
    permissions: Vec<(usize, Instant)>,
    channels: Vec<(u16, usize, Instant)>,
}

impl Model {
    fn permits(&self, now: Instant, peer: usize) -> bool {
        self.permissions.iter().any(|(it, until)| ip(*it) == ip(peer) && now < *until)
    }

    /// The one that was bound or renewed last.
    fn bound(&self, now: Instant, matches: impl Fn(u16, usize) -> bool) -> Option<(u16, usize)> {
        let mut channels = self.channels.iter().rev();
        channels.find(|(number, peer, until)| matches(*number, *peer) && now < *until).map(|it| (it.0, it.1))
    }
}

fn ip(peer: usize) -> usize {
    peer / 2
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn data_passes_if_and_only_if_it_was_permitted(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let (mut client, relay) = world.allocated(1);
        let lifetime = Duration::from_secs(600);
        let mut model = Model { expires: world.now + lifetime, permissions: vec![], channels: vec![] };
        for step in steps {
            let now = world.now;
            let lives = now < model.expires;
            match step {
                Step::Wait(millis) => {
                    let end = now + Duration::from_millis(millis);
                    while let Some(due) = world.server.poll_timeout().filter(|due| *due <= end) {
                        prop_assert!(due >= world.now, "no moment twice");
                        world.now = due;
                        world.server.handle_timeout(due);
                        prop_assert!(world.server.poll_timeout().is_none_or(|next| next > due));
                        world.drain();
                    }
                    world.now = end;
                }
                Step::Permit(peer) => {
                    let code = client.permit(&mut world, PEERS[peer]);
                    prop_assert_eq!(code, if lives { 0 } else { 437 });
                    if lives {
                        model.permissions.push((peer, now + Duration::from_secs(300)));
                    }
                }
                Step::Bind(number, peer) => {
                    let taken = model.bound(now, |it, whose| (it == number) != (whose == peer));
                    let code = client.bind(&mut world, 0x4000 + number, PEERS[peer]);
                    let expected = if !lives { 437 } else if taken.is_some() { 400 } else { 0 };
                    prop_assert_eq!(code, expected);
                    if code == 0 {
                        model.permissions.push((peer, now + Duration::from_secs(300)));
                        model.channels.push((number, peer, now + Duration::from_secs(600)));
                    }
                }
                Step::Refresh => {
                    let code = client.refresh(&mut world, 600).code();
                    prop_assert_eq!(code, if lives { 0 } else { 437 });
                    if lives {
                        model.expires = now + lifetime;
                    }
                }
                Step::Send(peer) => {
                    let mut message = Vec::new();
                    MessageBuilder::indication(SEND, world.fresh_id(), &mut message)
                        .attribute(&XorPeerAddress(address(PEERS[peer])))
                        .attribute(&Data(b"x"))
                        .finish();
                    let passed = world.send(client.tuple, &message);
                    match lives && model.permits(now, peer) {
                        true => prop_assert_eq!(passed, Ok(Some((relay, address(PEERS[peer]), b"x".to_vec())))),
                        false => prop_assert!(passed.is_err()),
                    }
                }
                Step::SendThrough(number) => {
                    let mut message = Vec::new();
                    channel_data::emit(Transport::Udp, 0x4000 + number, b"x", &mut message).expect("short");
                    let passed = world.send(client.tuple, &message);
                    match model.bound(now, |it, _| it == number) {
                        Some((_, peer)) if lives && model.permits(now, peer) => {
                            prop_assert_eq!(passed, Ok(Some((relay, address(PEERS[peer]), b"x".to_vec()))));
                        }
                        _ => prop_assert!(passed.is_err()),
                    }
                }
                Step::PeerSends(peer) => {
                    let passed = world.peer_sends(relay, PEERS[peer], b"x");
                    if lives && model.permits(now, peer) {
                        let (to, bytes) = passed.expect("permitted");
                        prop_assert_eq!(to, client.tuple);
                        let number = ChannelData::parse(&bytes).ok().map(|it| it.channel - 0x4000);
                        prop_assert_eq!(number, model.bound(now, |_, whose| whose == peer).map(|it| it.0));
                    } else {
                        let error = if lives { Error::NotPermitted } else { Error::NotAllocated };
                        prop_assert_eq!(passed, Err(error));
                    }
                }
            }
        }
        world.server.close(world.now);
        world.drain();
        prop_assert!(world.relays.is_empty() && world.server.is_empty());
        prop_assert_eq!(world.server.poll_timeout(), None);
        let ended = world.events.iter().filter(|it| matches!(it, Event::Ended { .. })).count();
        prop_assert_eq!(ended, 1);
    }

    #[test]
    fn no_bytes_of_anybody_make_the_server_panic_or_grow(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..50),
        signed in any::<bool>(),
    ) {
        let mut world = World::new();
        let (client, _) = world.allocated(1);
        let stranger = Client::new(2);
        for bytes in messages {
            let mut message = bytes.clone();
            if signed {
                // Random attributes in a request that proves itself.
                let method = headwater_stun::Method::new(u16::from(bytes.first().copied().unwrap_or(3)) % 16);
                let (mut request, _) = client.build(&mut world, &mut Attempt::default(), method, &|it| it);
                let place = 20 + usize::from(bytes.get(1).copied().unwrap_or(0)) % (request.len() - 20);
                request.splice(place..place, bytes.iter().copied());
                message = request;
            }
            for tuple in [client.tuple, stranger.tuple] {
                let _ = world.send(tuple, &message);
            }
            prop_assert_eq!(world.server.allocations(), 1);
        }
    }
}
