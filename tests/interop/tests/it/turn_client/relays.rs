//! Relays for datagrams.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use headwater_interop::isolated_once;
use headwater_interop::process::Process;
use headwater_interop::tools::example;
use headwater_stun::{Refusal, Transport};
use headwater_turn::attribute::Family;
use headwater_turn::{AllocateOptions, ClientEnd, ClientEvent, Failure, Families, RelayPort, password_for};

use super::session::Session;
use super::{Coturn, LIMIT, PASSWORD, USER, heard, peer};

fn options(change: impl FnOnce(&mut AllocateOptions)) -> AllocateOptions {
    let mut options = AllocateOptions::default();
    change(&mut options);
    options
}

#[test]
fn the_example_echoes_what_its_peer_says() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let peer = peer("127.0.0.1");
        let address = peer.local_addr().expect("an address").to_string();
        let mut command = Command::new(example("turn_relay").expect("the example"));
        command.args([&coturn.address().to_string(), USER, PASSWORD, &address]);
        let relay = Process::start("turn_relay", command).expect("turn_relay");
        let line = relay.log().wait_for("a relayed address", LIMIT, |line| line.starts_with("relayed "));
        relay.log().wait_for("a channel", LIMIT, |line| line.starts_with("bound ")).expect("a channel");
        let line = line.expect("an allocation");
        let relayed = line.trim_start_matches("relayed ");
        for number in 0..10_u8 {
            peer.send_to(&[number], relayed).expect("sent");
            assert_eq!(heard(&peer), (vec![number], relayed.parse().expect("an address")));
        }
    });
}

fn data_flows_both_ways(transport: Transport) {
    let coturn = Coturn::start(&[]);
    let (mut session, relayed) = Session::allocated(transport, coturn.address());
    let peer = peer("127.0.0.1");
    let address = peer.local_addr().expect("an address");
    session.permit(address);
    for with_channel in [false, true] {
        if with_channel {
            session.client.bind_channel(Instant::now(), address).expect("allocated");
            assert_eq!(session.event(), ClientEvent::ChannelBound(address));
        }
        for length in (0..1200_u16).step_by(7) {
            let data: Vec<u8> = (0..length).map(|it| it.to_be_bytes()[1]).collect();
            session.send(address, &data);
            assert_eq!(heard(&peer), (data.clone(), relayed));
            peer.send_to(&data, relayed).expect("sent");
            assert_eq!(session.received(), (address, data));
        }
    }
    session.client.close(Instant::now());
    assert_eq!(session.event(), ClientEvent::Ended(ClientEnd::Closed));
}

#[test]
fn data_flows_both_ways_over_udp() {
    isolated_once(|| data_flows_both_ways(Transport::Udp));
}

#[test]
fn data_flows_both_ways_over_tcp() {
    isolated_once(|| data_flows_both_ways(Transport::Tcp));
}

#[test]
fn a_wrong_password_is_told() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let mut session = Session::with_credentials(Transport::Udp, coturn.address(), USER, "wrong");
        session.client.allocate(Instant::now(), AllocateOptions::default()).expect("idle");
        let failure = Failure::Denied(Refusal::BadCredentials);
        assert_eq!(session.event(), ClientEvent::AllocateFailed(failure));
    });
}

#[test]
fn time_limited_credentials_are_taken() {
    isolated_once(|| {
        let arguments = ["--use-auth-secret", "--static-auth-secret", "rest secret"];
        let coturn = Coturn::start_on(3478, &arguments);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let user = format!("{}:somebody", now.as_secs() + 3600);
        let password = password_for("rest secret", &user);
        let mut session = Session::with_credentials(Transport::Udp, coturn.address(), &user, &password);
        assert_eq!(session.allocate(AllocateOptions::default()).ip(), coturn.address().ip());
    });
}

#[test]
fn a_nonce_that_goes_stale_is_replaced() {
    isolated_once(|| {
        let coturn = Coturn::start(&["--stale-nonce=2"]);
        let (mut session, _) = Session::allocated(Transport::Udp, coturn.address());
        session.pass(Duration::from_secs(4));
        session.permit(peer("127.0.0.1").local_addr().expect("an address"));
        session.client.close(Instant::now());
        assert_eq!(session.event(), ClientEvent::Ended(ClientEnd::Closed));
    });
}

#[test]
fn a_port_is_even_and_the_next_is_kept() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let mut rtp = Session::new(Transport::Udp, coturn.address());
        rtp.client.allocate(Instant::now(), options(|it| it.port = RelayPort::EvenAndNext)).expect("idle");
        let ClientEvent::Allocated { relayed, token: Some(token), .. } = rtp.event() else {
            panic!("an allocation with a token")
        };
        assert_eq!(relayed.port() % 2, 0);
        let mut rtcp = Session::new(Transport::Udp, coturn.address());
        let next = rtcp.allocate(options(|it| it.port = RelayPort::Reserved(token)));
        assert_eq!(next.port(), relayed.port() + 1);
    });
}

#[test]
fn a_relay_speaks_to_the_other_family() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let mut session = Session::new(Transport::Udp, coturn.address());
        let relayed = session.allocate(options(|it| it.families = Families::Only(Family::V6)));
        assert!(relayed.is_ipv6());
        let peer = peer("2001:db8::1");
        let address = peer.local_addr().expect("an address");
        session.permit(address);
        session.send(address, b"over the border");
        assert_eq!(heard(&peer), (b"over the border".to_vec(), relayed));
        // A peer of the wrong family is refused (443).
        session.client.permit(Instant::now(), [127, 0, 0, 1].into()).expect("allocated");
        let refused = ClientEvent::PermitFailed([127, 0, 0, 1].into(), Failure::Refused(443));
        assert_eq!(session.event(), refused);
    });
}

#[test]
fn one_allocation_has_both_families() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let mut session = Session::new(Transport::Udp, coturn.address());
        session.client.allocate(Instant::now(), options(|it| it.families = Families::Both)).expect("idle");
        let event = session.event();
        let ClientEvent::Allocated { relayed, additional: Some(additional), .. } = event else {
            panic!("{event:?}")
        };
        assert!(relayed.is_ipv4() != additional.is_ipv4());
        for (ip, relayed) in [("127.0.0.1", relayed), ("2001:db8::1", additional)] {
            let peer = peer(ip);
            let address = peer.local_addr().expect("an address");
            assert_eq!(address.is_ipv4(), relayed.is_ipv4(), "IPv4 is the first");
            session.permit(address);
            session.send(address, b"hello");
            assert_eq!(heard(&peer), (b"hello".to_vec(), relayed));
        }
    });
}

#[test]
fn an_allocation_goes_along_to_another_port() {
    isolated_once(|| {
        let coturn = Coturn::start(&["--mobility"]);
        let mut session = Session::new(Transport::Udp, coturn.address());
        let relayed = session.allocate(options(|it| it.mobility = true));
        let peer = peer("127.0.0.1");
        let address = peer.local_addr().expect("an address");
        session.permit(address);
        for word in [&b"once"[..], b"twice"] {
            session.move_elsewhere();
            session.send(address, word);
            assert_eq!(heard(&peer), (word.to_vec(), relayed));
            peer.send_to(word, relayed).expect("sent");
            assert_eq!(session.received(), (address, word.to_vec()));
        }
    });
}

#[test]
fn another_server_is_asked_when_one_says_so() {
    isolated_once(|| {
        let other = Coturn::start_on(3479, &["--lt-cred-mech", "--user", "matrix:secret"]);
        let coturn = Coturn::start(&["--alternate-server", &other.address().to_string()]);
        let mut session = Session::new(Transport::Udp, coturn.address());
        session.client.allocate(Instant::now(), AllocateOptions::default()).expect("idle");
        let redirected = ClientEvent::Redirected { server: other.address(), domain: None, following: true };
        assert_eq!(session.event(), redirected);
        assert!(matches!(session.event(), ClientEvent::Allocated { .. }));
    });
}
