//! Permissions and channels: asked for once, kept until forgotten.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use headwater_stun::Transport;
use headwater_turn::attribute::{CHANNEL_BIND, CREATE_PERMISSION, ChannelNumber, XorPeerAddress};
use headwater_turn::{AllocateOptions, ClientEnd, ClientEvent, Error, Failure};

use super::{Stage, address, peer, served};

fn allocated() -> Stage {
    Stage::allocated(Transport::Udp, AllocateOptions::default())
}

#[test]
fn a_permission_is_renewed_every_four_minutes_until_it_is_forgotten() {
    let mut stage = allocated();
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.client.permit(stage.now, peer().ip()).expect("twice is once");
    let request = stage.request();
    assert_eq!(request.method(), CREATE_PERMISSION);
    assert_eq!(request.message().attribute(), Ok(Some(XorPeerAddress(SocketAddr::new(peer().ip(), 0)))));
    stage.hear(&request, &served(&request)).expect("expected");
    assert_eq!(stage.events(), [ClientEvent::Permitted(peer().ip())]);
    let renewals = |stage: &mut Stage, seconds| {
        let sent = stage.pass_served(Duration::from_secs(seconds));
        sent.iter().filter(|it| it.method() == CREATE_PERMISSION).count()
    };
    assert_eq!(renewals(&mut stage, 239), 0);
    assert_eq!(renewals(&mut stage, 1), 1);
    assert_eq!(renewals(&mut stage, 2400), 10);
    assert!(stage.events().is_empty(), "it is told once");
    stage.client.forget(peer().ip());
    assert_eq!(renewals(&mut stage, 2400), 0);
}

#[test]
fn a_channel_is_renewed_and_brings_its_permission() {
    let mut stage = allocated();
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.client.bind_channel(stage.now, peer()).expect("allocated");
    stage.serve();
    assert_eq!(
        stage.events(),
        [ClientEvent::Permitted(peer().ip()), ClientEvent::ChannelBound(peer())],
        "each once"
    );
    let sent = stage.pass_served(Duration::from_secs(2400));
    let of = |method| sent.iter().filter(move |it| it.method() == method);
    assert_eq!((of(CHANNEL_BIND).count(), of(CREATE_PERMISSION).count()), (12, 0));
    assert!(of(CHANNEL_BIND).all(|it| it.message().attribute() == Ok(Some(ChannelNumber(0x4000)))));
    stage.client.unbind_channel(peer());
    let sent = stage.pass_served(Duration::from_secs(2400));
    let of = |method| sent.iter().filter(move |it| it.method() == method).count();
    assert_eq!((of(CHANNEL_BIND), of(CREATE_PERMISSION)), (0, 10), "the permission is on its own again");
}

#[test]
fn what_is_wanted_again_is_told_again() {
    let mut stage = allocated();
    for _ in 0..2 {
        stage.client.permit(stage.now, peer().ip()).expect("allocated");
        stage.client.bind_channel(stage.now, peer()).expect("allocated");
        stage.serve();
        assert_eq!(stage.events().len(), 2);
        stage.client.forget(peer().ip());
        stage.client.unbind_channel(peer());
    }
}

#[test]
fn what_is_wanted_before_the_allocation_waits_for_it() {
    let mut stage = Stage::new(Transport::Udp);
    assert_eq!(stage.client.permit(stage.now, peer().ip()), Err(Error::NotAllocated));
    assert_eq!(stage.client.bind_channel(stage.now, peer()), Err(Error::NotAllocated));
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    stage.client.permit(stage.now, peer().ip()).expect("under way");
    assert_eq!(stage.serve().len(), 2);
    assert!(matches!(stage.events()[..], [ClientEvent::Allocated { .. }, ClientEvent::Permitted(_)]));
}

#[test]
fn refusals_are_told_and_not_repeated() {
    let mut stage = allocated();
    for code in [403, 443, 486, 508] {
        stage.client.permit(stage.now, peer().ip()).expect("allocated");
        stage.refuse(code);
        assert_eq!(stage.events(), [ClientEvent::PermitFailed(peer().ip(), Failure::Refused(code))]);
        stage.client.bind_channel(stage.now, peer()).expect("allocated");
        stage.refuse(code);
        assert_eq!(stage.events(), [ClientEvent::ChannelFailed(peer(), Failure::Refused(code))]);
    }
    assert!(stage.pass_served(Duration::from_secs(500)).is_empty());
    // A silent server has nothing more to say on the allocation either, but that comes later.
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.client.bind_channel(stage.now, peer()).expect("allocated");
    stage.pass(Duration::from_millis(39_500));
    assert_eq!(
        stage.events(),
        [
            ClientEvent::PermitFailed(peer().ip(), Failure::TimedOut),
            ClientEvent::ChannelFailed(peer(), Failure::TimedOut)
        ]
    );
}

#[test]
fn a_renewal_that_nobody_answers_is_tried_until_it_is_too_late() {
    let mut stage = allocated();
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.client.bind_channel(stage.now, peer()).expect("allocated");
    stage.serve();
    stage.events();
    // The first renewal of the channel gets no answer, the second does.
    stage.pass(Duration::from_secs(200) + Duration::from_millis(39_400));
    assert!(stage.pass_served(Duration::from_secs(10)).iter().any(|it| it.method() == CHANNEL_BIND));
    assert!(stage.events().is_empty());
    // The permission ends after 5 min; the allocation, and all with it, after 10.
    stage.pass(Duration::from_secs(1200));
    let events = stage.events();
    assert!(
        matches!(
            events[..],
            [ClientEvent::PermitFailed(..), ClientEvent::Ended(ClientEnd::Lost(Failure::TimedOut))]
        ),
        "{events:?}"
    );
}

#[test]
fn many_wishes_wait_their_turn() {
    let mut stage = allocated();
    for number in 0..1024_u16 {
        let [a, b] = number.to_be_bytes();
        stage.client.permit(stage.now, IpAddr::V4(Ipv4Addr::new(10, 0, a, b))).expect("room");
    }
    assert_eq!(stage.client.permit(stage.now, peer().ip()), Err(Error::Overloaded));
    assert_eq!(stage.sent().len(), 32, "so many at once");
    let mut stage = allocated();
    for number in 0..1024_u16 {
        let [a, b] = number.to_be_bytes();
        stage.client.permit(stage.now, IpAddr::V4(Ipv4Addr::new(10, 0, a, b))).expect("room");
    }
    stage.serve();
    assert_eq!(stage.events().len(), 1024);
}

#[test]
fn a_channel_number_stands_for_one_peer_until_it_has_rested() {
    let mut stage = allocated();
    let peer = |number: u16| SocketAddr::from(([203, 0, 113, 7], number));
    let mut numbers = HashSet::new();
    for number in 1..=4096 {
        stage.client.bind_channel(stage.now, peer(number)).expect("a number");
        let request = stage.request();
        let ChannelNumber(number) = request.message().attribute().expect("well-formed").expect("there");
        assert!((0x4000..=0x4FFF).contains(&number) && numbers.insert(number));
        stage.hear(&request, &served(&request)).expect("expected");
    }
    stage.events();
    assert_eq!(stage.client.bind_channel(stage.now, peer(5000)), Err(Error::Overloaded));
    stage.client.permit(stage.now, address("203.0.113.8:1").ip()).expect("permissions are something else");
    stage.serve();
    for number in 1..=4096 {
        stage.client.unbind_channel(peer(number));
    }
    assert_eq!(stage.client.bind_channel(stage.now, peer(5000)), Err(Error::Overloaded), "they rest");
    stage.client.bind_channel(stage.now, peer(7)).expect("its own number is still its own");
    stage.pass_served(Duration::from_secs(900));
    stage.client.bind_channel(stage.now, peer(5000)).expect("a number");
    let request = stage.request();
    assert_ne!(request.message().attribute(), Ok(Some(ChannelNumber(0x4006))), "that one is in use");
    assert_eq!(request.message().attribute(), Ok(Some(XorPeerAddress(peer(5000)))));
}

#[test]
fn nothing_is_left_of_an_allocation_that_ended() {
    let mut stage = allocated();
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.client.bind_channel(stage.now, peer()).expect("allocated");
    stage.serve();
    stage.events();
    stage.now += Duration::from_secs(540);
    let sent = stage.sent();
    for request in &sent {
        // The refresh comes first; what comes after it answers nobody.
        let _ = stage.hear(request, &super::refusal(request, 437));
    }
    assert_eq!(stage.events().len(), 1);
    assert_eq!(stage.client.wrap(stage.now, peer(), b"x", &mut Vec::new()), Err(Error::NotPermitted));
    assert_eq!(stage.data(&[0x40, 0, 0, 1, 7]), Err(Error::NotAllocated));
    assert_eq!(stage.client.permit(stage.now, address("10.0.0.1:1").ip()), Err(Error::NotAllocated));
}
