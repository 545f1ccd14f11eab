//! Getting an allocation, keeping it, taking it along, giving it back.

use headwater_stun::attribute::{
    AlternateDomain, AlternateServer, ErrorCode, PasswordAlgorithms, Username, XorMappedAddress,
};
use headwater_stun::{Challenge, Claim, MessageBuilder, Refusal, Transport};
use headwater_turn::attribute::{
    ALLOCATE, AddressErrorCode, Family, Lifetime, MobilityTicket, REFRESH, ReservationToken,
    XorRelayedAddress,
};
use headwater_turn::{
    AllocateOptions, Client, ClientConfig, ClientEnd, ClientEvent, ConfigError, Error, Failure, Families,
    RelayPort, RelayTransport,
};
use std::time::Duration;

use super::{LIFETIME, Sent, Stage, address, local, refusal, relayed, served, server};

fn options(change: impl FnOnce(&mut AllocateOptions)) -> AllocateOptions {
    let mut options = AllocateOptions::default();
    change(&mut options);
    options
}

#[test]
fn each_option_is_an_attribute() {
    let token = [1, 2, 3, 4, 5, 6, 7, 8];
    for (transport, options, attributes) in [
        (Transport::Udp, options(|_| {}), "0019 11000000"),
        (Transport::Tcp, options(|it| it.transport = RelayTransport::Tcp), "0019 06000000"),
        (Transport::Udp, options(|it| it.lifetime = Some(LIFETIME)), "0019 11000000 | 000d 00000258"),
        (Transport::Udp, options(|it| it.lifetime = Some(Duration::ZERO)), "0019 11000000 | 000d 00000001"),
        (Transport::Udp, options(|it| it.dont_fragment = true), "0019 11000000 | 001a "),
        (
            Transport::Udp,
            options(|it| it.families = Families::Only(Family::V6)),
            "0019 11000000 | 0017 02000000",
        ),
        (
            Transport::Udp,
            options(|it| it.families = Families::Both),
            "0019 11000000 | 8000 02000000 | 8032 02000000",
        ),
        (Transport::Udp, options(|it| it.port = RelayPort::Even), "0019 11000000 | 0018 00"),
        (Transport::Udp, options(|it| it.port = RelayPort::EvenAndNext), "0019 11000000 | 0018 80"),
        (
            Transport::Udp,
            options(|it| it.port = RelayPort::Reserved(token)),
            "0019 11000000 | 0022 0102030405060708",
        ),
        (Transport::Udp, options(|it| it.mobility = true), "0019 11000000 | 8030 "),
    ] {
        let mut stage = Stage::new(transport);
        stage.client.allocate(stage.now, options).expect("idle");
        let request = stage.request();
        assert_eq!((request.method(), request.from, request.to), (ALLOCATE, local(), server()));
        let text =
            |it: headwater_stun::RawAttribute<'_>| format!("{:04x} {}", it.kind.0, hex::encode(it.value));
        let got: Vec<_> = request.message().attributes().filter(|it| it.kind.0 != 0x8028).map(text).collect();
        assert_eq!(got.join(" | "), attributes);
    }
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let reserved = RelayPort::Reserved([0; 8]);
    for (transport, options) in [
        (Transport::Udp, options(|it| (it.port, it.families) = (reserved, Families::Both))),
        (Transport::Udp, options(|it| (it.port, it.families) = (reserved, Families::Only(Family::V4)))),
        (Transport::Udp, options(|it| (it.port, it.families) = (RelayPort::EvenAndNext, Families::Both))),
        (Transport::Udp, options(|it| it.transport = RelayTransport::Tcp)),
        (Transport::Tcp, options(|it| (it.transport, it.port) = (RelayTransport::Tcp, RelayPort::Even))),
        (Transport::Tcp, options(|it| (it.transport, it.dont_fragment) = (RelayTransport::Tcp, true))),
        (Transport::Tcp, options(|it| (it.transport, it.families) = (RelayTransport::Tcp, Families::Both))),
    ] {
        let mut stage = Stage::new(transport);
        assert_eq!(stage.client.allocate(stage.now, options), Err(Error::Contradictory), "{options:?}");
        assert!(stage.sent().is_empty());
    }
}

#[test]
fn configs_have_bounds() {
    let now = std::time::Instant::now();
    let new = |change: fn(&mut ClientConfig)| {
        let mut config = ClientConfig::new(Transport::Udp, local(), server());
        change(&mut config);
        Client::new(config, [1; 32], now).map(|_| ())
    };
    assert_eq!(new(|it| it.rto = Duration::ZERO), Err(ConfigError::OutOfRange("rto")));
    assert_eq!(new(|it| it.keepalive = Some(Duration::ZERO)), Err(ConfigError::OutOfRange("keepalive")));
    assert_eq!(new(|it| it.keepalive = None), Ok(()));
}

#[test]
fn all_that_the_server_says_of_an_allocation_is_told() {
    let mut stage = Stage::new(Transport::Udp);
    stage.client.allocate(stage.now, options(|it| it.families = Families::Both)).expect("idle");
    let request = stage.request();
    let v6 = address("[2001:db8::1]:50000");
    let mut out = Vec::new();
    MessageBuilder::success(&request.message(), &mut out)
        .attribute(&XorRelayedAddress(relayed()))
        .attribute(&XorRelayedAddress(v6))
        .attribute(&XorMappedAddress(local()))
        .attribute(&Lifetime(120))
        .attribute(&ReservationToken([7; 8]))
        .attribute(&AddressErrorCode { family: Family::V6, code: 508 })
        .finish();
    stage.hear(&request, &out).expect("expected");
    assert_eq!(
        stage.events(),
        [ClientEvent::Allocated {
            relayed: relayed(),
            additional: Some(v6),
            additional_refused: Some((Family::V6, 508)),
            mapped: Some(local()),
            lifetime: Duration::from_secs(120),
            token: Some([7; 8]),
        }]
    );
    assert_eq!(
        stage.client.allocate(stage.now, AllocateOptions::default()),
        Err(Error::Unexpected),
        "one at a time"
    );
}

#[test]
fn proof_is_given_and_wanted() {
    let algorithms = Some(PasswordAlgorithms::SHA256_AND_MD5);
    let mut stage = Stage::with(
        ClientConfig::new(Transport::Udp, local(), server()).with_credentials("matrix", "secret"),
    );
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    let first = stage.request();
    let mut out = Vec::new();
    Challenge { realm: "example.org", nonce: "obMatJos2AAABx", algorithms }
        .respond(&first.message(), &ErrorCode::UNAUTHENTICATED, &mut out)
        .finish();
    stage.hear(&first, &out).expect("expected");
    let second = stage.request();
    let message = second.message();
    assert_eq!(message.attribute(), Ok(Some(Username("matrix"))));
    let claim = Claim::of(&message, algorithms).expect("a proper claim");
    let key = claim.algorithm.key("matrix", "example.org", "secret");
    assert_eq!(message.verify_integrity(&key), Ok(()));
    // Somebody's answer does not count, the server's does.
    assert_eq!(stage.hear(&second, &served(&second)), Err(Error::Unauthentic));
    assert!(stage.events().is_empty());
    out.clear();
    let answer = MessageBuilder::success(&message, &mut out)
        .attribute(&XorRelayedAddress(relayed()))
        .attribute(&Lifetime(600));
    claim.sign(answer, &key).finish();
    stage.hear(&second, &out).expect("expected");
    assert!(matches!(stage.events()[..], [ClientEvent::Allocated { .. }]));
}

#[test]
fn wrong_credentials_are_told() {
    let mut stage =
        Stage::with(ClientConfig::new(Transport::Udp, local(), server()).with_credentials("matrix", "wrong"));
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    for _ in 0..2 {
        let request = stage.request();
        let mut out = Vec::new();
        Challenge { realm: "example.org", nonce: "x", algorithms: None }
            .respond(&request.message(), &ErrorCode::UNAUTHENTICATED, &mut out)
            .finish();
        stage.hear(&request, &out).expect("expected");
    }
    assert_eq!(stage.events(), [ClientEvent::AllocateFailed(Failure::Denied(Refusal::BadCredentials))]);
    assert_eq!(stage.client.poll_timeout(), None);
}

#[test]
fn refusals_are_told_by_their_code_and_another_try_may_follow() {
    let mut stage = Stage::new(Transport::Udp);
    for code in [403, 437, 440, 441, 442, 486, 508, 500] {
        stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
        stage.refuse(code);
        assert_eq!(stage.events(), [ClientEvent::AllocateFailed(Failure::Refused(code))]);
    }
}

#[test]
fn an_answer_without_address_or_lifetime_is_none() {
    for missing in 0..2 {
        let mut stage = Stage::new(Transport::Udp);
        stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
        let request = stage.request();
        let mut out = Vec::new();
        let answer = MessageBuilder::success(&request.message(), &mut out);
        match missing {
            0 => answer.attribute(&Lifetime(600)).finish(),
            _ => answer.attribute(&XorRelayedAddress(relayed())).finish(),
        };
        stage.hear(&request, &out).expect("expected");
        assert_eq!(stage.events(), [ClientEvent::AllocateFailed(Failure::BadAnswer)]);
    }
}

#[test]
fn a_silent_server_is_asked_seven_times_with_the_same_bytes() {
    let mut stage = Stage::new(Transport::Udp);
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    let sent = stage.pass(Duration::from_millis(39_500));
    assert_eq!(sent.len(), 7);
    assert!(sent.iter().all(|it| it.bytes == sent[0].bytes));
    assert_eq!(stage.events(), [ClientEvent::AllocateFailed(Failure::TimedOut)]);

    let mut stage = Stage::new(Transport::Tcp);
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    assert_eq!(stage.pass(Duration::from_millis(39_500)).len(), 1, "a stream does not lose");
    assert_eq!(stage.events(), [ClientEvent::AllocateFailed(Failure::TimedOut)]);
}

#[test]
fn an_allocation_is_refreshed_a_minute_before_its_end() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    assert!(stage.pass_served(Duration::from_secs(539)).is_empty());
    assert_eq!(stage.pass_served(Duration::from_secs(1)).len(), 1);
    // And so on for as long as the client is there.
    let sent = stage.pass_served(Duration::from_secs(24 * 3600));
    assert!(sent.iter().all(|it| it.method() == REFRESH));
    assert_eq!(sent.len(), 24 * 3600 / 540);
    assert!(stage.events().is_empty());
}

#[test]
fn an_allocation_that_cannot_be_refreshed_is_lost() {
    let mut gone = Stage::allocated(Transport::Udp, AllocateOptions::default());
    gone.now += Duration::from_secs(540);
    gone.refuse(437);
    assert_eq!(gone.events(), [ClientEvent::Ended(ClientEnd::Lost(Failure::Refused(437)))]);
    assert_eq!(gone.client.poll_timeout(), None);

    let mut silent = Stage::allocated(Transport::Udp, AllocateOptions::default());
    silent.pass(Duration::from_secs(3600));
    assert_eq!(silent.events(), [ClientEvent::Ended(ClientEnd::Lost(Failure::TimedOut))]);
    silent.client.allocate(silent.now, AllocateOptions::default()).expect("idle again");
}

#[test]
fn the_end_is_a_refresh_with_lifetime_zero() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    stage.client.close(stage.now);
    stage.client.close(stage.now);
    let request = stage.request();
    assert_eq!((request.method(), request.message().attribute()), (REFRESH, Ok(Some(Lifetime(0)))));
    stage.hear(&request, &served(&request)).expect("expected");
    assert_eq!(stage.events(), [ClientEvent::Ended(ClientEnd::Closed)]);

    for answer in [Some(437), None] {
        let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
        stage.client.close(stage.now);
        match answer {
            Some(code) => stage.refuse(code),
            None => _ = stage.pass(Duration::from_secs(40)),
        }
        assert_eq!(stage.events(), [ClientEvent::Ended(ClientEnd::Closed)], "{answer:?}");
    }
}

#[test]
fn an_allocation_under_way_can_be_ended_too() {
    // Without credentials the server may have made it already.
    let mut stage = Stage::new(Transport::Udp);
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    let _ = stage.request();
    stage.client.close(stage.now);
    stage.refuse(437);
    assert_eq!(stage.events(), [ClientEvent::Ended(ClientEnd::Closed)]);
    // One that has not been asked for proof has nothing.
    let config = ClientConfig::new(Transport::Udp, local(), server()).with_credentials("matrix", "secret");
    let mut stage = Stage::with(config);
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    stage.client.close(stage.now);
    assert!(stage.sent().is_empty());
    assert_eq!(stage.events(), [ClientEvent::Ended(ClientEnd::Closed)]);
}

#[test]
fn the_end_of_the_connection_is_the_end_of_the_allocation() {
    let mut stage = Stage::allocated(Transport::Tcp, AllocateOptions::default());
    stage.client.handle_disconnect();
    stage.client.handle_disconnect();
    assert_eq!(stage.events(), [ClientEvent::Ended(ClientEnd::Disconnected)]);
    let mut stage = Stage::new(Transport::Tcp);
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    stage.client.handle_disconnect();
    assert_eq!(stage.events(), [ClientEvent::AllocateFailed(Failure::Ended)]);
}

fn redirect(stage: &mut Stage, request: &Sent, to: &str) {
    let mut out = Vec::new();
    MessageBuilder::error(&request.message(), &ErrorCode::TRY_ALTERNATE, &mut out)
        .attribute(&AlternateServer(address(to)))
        .attribute(&AlternateDomain("other.example"))
        .finish();
    stage.hear(request, &out).expect("expected");
}

#[test]
fn another_server_is_asked_when_one_says_so() {
    let mut stage = Stage::new(Transport::Udp);
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    let request = stage.request();
    redirect(&mut stage, &request, "198.51.100.2:3478");
    let domain = Some("other.example".to_owned());
    let other = address("198.51.100.2:3478");
    assert_eq!(stage.events(), [ClientEvent::Redirected { server: other, domain, following: true }]);
    let request = stage.request();
    assert_eq!(request.to, other);
    stage.hear(&request, &served(&request)).expect("expected");
    assert!(matches!(stage.events()[..], [ClientEvent::Allocated { .. }]));
}

#[test]
fn redirects_in_circles_to_nowhere_or_over_tcp_are_not_followed() {
    for to in ["198.51.100.1:3478", "0.0.0.0:1", "198.51.100.2:0", "[2001:db8::1]:3478", "224.0.0.1:1"] {
        let mut stage = Stage::new(Transport::Udp);
        stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
        let request = stage.request();
        redirect(&mut stage, &request, to);
        assert!(
            matches!(
                stage.events()[..],
                [
                    ClientEvent::Redirected { following: false, .. },
                    ClientEvent::AllocateFailed(Failure::Refused(300))
                ]
            ),
            "{to}"
        );
    }
    let mut tcp = Stage::new(Transport::Tcp);
    tcp.client.allocate(tcp.now, AllocateOptions::default()).expect("idle");
    let request = tcp.request();
    redirect(&mut tcp, &request, "198.51.100.2:3478");
    assert!(matches!(tcp.events()[0], ClientEvent::Redirected { following: false, .. }));

    let mut endless = Stage::new(Transport::Udp);
    endless.client.allocate(endless.now, AllocateOptions::default()).expect("idle");
    for next in 2..6 {
        let request = endless.request();
        redirect(&mut endless, &request, &format!("198.51.100.{next}:3478"));
    }
    assert!(matches!(endless.events()[..], [.., ClientEvent::AllocateFailed(Failure::Refused(300))]));
}

#[test]
fn an_allocation_goes_along_to_another_address() {
    let ticket = |stage: &mut Stage, ticket: &[u8]| {
        let request = stage.request();
        let mut out = Vec::new();
        let answer = MessageBuilder::success(&request.message(), &mut out).attribute(&Lifetime(600));
        answer.attribute(&XorRelayedAddress(relayed())).attribute(&MobilityTicket(ticket)).finish();
        stage.hear(&request, &out).expect("expected");
        request
    };
    let mut stage = Stage::new(Transport::Udp);
    stage.client.allocate(stage.now, options(|it| it.mobility = true)).expect("idle");
    ticket(&mut stage, b"first");
    stage.client.permit(stage.now, super::peer().ip()).expect("allocated");
    // The permission's answer is lost with the old address; it is asked for again from the new one.
    let _ = stage.request();
    let elsewhere = address("192.0.2.200:9");
    stage.client.move_to(stage.now, elsewhere).expect("there is a ticket");
    let moved = ticket(&mut stage, b"second");
    assert_eq!((moved.method(), moved.from), (REFRESH, elsewhere));
    assert_eq!(moved.message().attribute(), Ok(Some(MobilityTicket(b"first"))));
    assert!(stage.serve().iter().all(|it| it.from == elsewhere));
    assert_eq!(stage.events()[1..], [ClientEvent::Moved, ClientEvent::Permitted(super::peer().ip())]);

    // Refreshes from the same address show no ticket (RFC 8016 §3.2.1); the next move shows the newest.
    let sent = stage.pass_served(Duration::from_secs(600));
    let plain = sent.iter().filter(|it| it.method() == REFRESH);
    assert!(plain.map(|it| it.message().attribute::<MobilityTicket<'_>>()).all(|it| it == Ok(None)));
    stage.client.move_to(stage.now, local()).expect("there is a ticket");
    let request = stage.request();
    assert_eq!(request.message().attribute(), Ok(Some(MobilityTicket(b"second"))));
    stage.hear(&request, &refusal(&request, 405)).expect("expected");
    assert_eq!(stage.events(), [ClientEvent::Ended(ClientEnd::Lost(Failure::Refused(405)))]);
}

#[test]
fn a_ticket_helps_when_a_nat_has_changed_our_address() {
    let mut stage = Stage::new(Transport::Udp);
    stage.client.allocate(stage.now, options(|it| it.mobility = true)).expect("idle");
    let request = stage.request();
    let mut out = Vec::new();
    MessageBuilder::success(&request.message(), &mut out)
        .attribute(&XorRelayedAddress(relayed()))
        .attribute(&Lifetime(600))
        .attribute(&MobilityTicket(b"ticket"))
        .finish();
    stage.hear(&request, &out).expect("expected");
    stage.client.permit(stage.now, super::peer().ip()).expect("allocated");
    stage.refuse(437);
    let request = stage.request();
    assert_eq!((request.method(), request.from), (REFRESH, local()));
    assert_eq!(request.message().attribute(), Ok(Some(MobilityTicket(b"ticket"))));
    stage.hear(&request, &served(&request)).expect("expected");
    stage.serve();
    assert_eq!(stage.events()[1..], [ClientEvent::Moved, ClientEvent::Permitted(super::peer().ip())]);
    // Once: who doesn't take the ticket has no allocation.
    stage.now += LIFETIME - Duration::from_secs(60);
    stage.client.handle_timeout(stage.now);
    for request in stage.sent() {
        stage.hear(&request, &refusal(&request, 437)).expect("expected");
    }
    let request = stage.request();
    assert_eq!(request.message().attribute(), Ok(Some(MobilityTicket(b"ticket"))));
    stage.hear(&request, &refusal(&request, 437)).expect("expected");
    assert_eq!(stage.events(), [ClientEvent::Ended(ClientEnd::Lost(Failure::Refused(437)))]);
}

#[test]
fn without_a_ticket_there_is_no_moving() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    assert_eq!(stage.client.move_to(stage.now, address("192.0.2.200:9")), Err(Error::NotAllocated));
    assert!(stage.sent().is_empty());
}

#[test]
fn the_way_through_nats_is_kept_open() {
    let mut config = ClientConfig::new(Transport::Udp, local(), server());
    config.keepalive = Some(Duration::from_secs(10));
    let mut stage = Stage::with(config.clone());
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    stage.serve();
    let sent = stage.pass(Duration::from_secs(65));
    assert_eq!(sent.len(), 6);
    assert!(sent.iter().all(|it| it.message().class() == headwater_stun::Class::Indication));
    config.transport = Transport::Tcp;
    let mut stage = Stage::with(config);
    stage.client.allocate(stage.now, AllocateOptions::default()).expect("idle");
    stage.serve();
    assert!(stage.pass(Duration::from_secs(65)).is_empty());
}
