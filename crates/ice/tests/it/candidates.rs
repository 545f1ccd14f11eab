//! Candidates as text: what browsers write, and what they must not.

use headwater_ice::{Address, Candidate, CandidateError, CandidateKind, TcpType};
use headwater_stun::Transport;

use crate::peer::address;

#[track_caller]
fn parse(line: &str) -> Candidate {
    line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn lines_of_browsers_are_read() {
    let chromium = "candidate:842163049 1 udp 1677729535 203.0.113.5 61000 typ srflx raddr 10.0.0.5 rport 54321 \
                    generation 0 ufrag 8hhY network-id 1 network-cost 10";
    let it = parse(chromium);
    assert_eq!((it.kind, it.priority, it.component), (CandidateKind::ServerReflexive, 1_677_729_535, 1));
    assert_eq!(it.socket_addr(), Some(address("203.0.113.5:61000")));
    assert_eq!((it.related, it.ufrag.as_deref()), (Some(address("10.0.0.5:54321")), Some("8hhY")));

    let active = parse("a=candidate:1 1 TCP 1518280447 198.51.100.1 9 typ host tcptype active");
    assert_eq!((active.transport, active.tcp_type), (Transport::Tcp, Some(TcpType::Active)));

    let hidden = parse("0 1 UDP 2122252543 6b1e8c0a-0000-4000-8000-000000000001.local 50000 typ host");
    assert!(matches!(&hidden.address, Address::Name { host, port: 50000 } if host.ends_with(".local")));
    assert_eq!((hidden.socket_addr(), hidden.base()), (None, None));

    let v6 = parse("candidate:9 1 udp 2122262783 2001:db8::1 40000 typ host");
    assert_eq!(v6.socket_addr(), Some(address("[2001:db8::1]:40000")));
}

#[test]
fn what_is_written_is_read_back() {
    let base = address("10.0.0.5:54321");
    for candidate in [
        Candidate::host(base),
        Candidate::host(address("[2001:db8::1]:1")).with_local_preference(7),
        Candidate::server_reflexive(address("203.0.113.5:61000"), base),
        Candidate::relayed(address("203.0.113.9:3478"), base),
        Candidate::host(base).with_tcp(TcpType::Passive),
    ] {
        let text = candidate.to_string();
        assert!(text.starts_with("candidate:"), "{text}");
        assert_eq!(parse(&text), candidate, "{text}");
        assert_eq!(parse(&format!("a={text}\r\n")), candidate, "{text}");
    }
}

#[test]
fn foundations_and_priorities_follow_rfc_8445() {
    let host = Candidate::host(address("10.0.0.5:1"));
    assert_eq!(host.priority, (126 << 24) | (65_535 << 8) | 255);
    assert_eq!(host.foundation, Candidate::host(address("10.0.0.5:2")).foundation, "same base IP and kind");
    assert_ne!(host.foundation, Candidate::host(address("10.0.0.6:1")).foundation);
    let reflexive = Candidate::server_reflexive(address("203.0.113.5:61000"), address("10.0.0.5:1"));
    assert_ne!(host.foundation, reflexive.foundation);
    assert!(host.priority > reflexive.priority);
}

#[test]
fn candidates_of_one_kind_and_base_differ_in_foundation_by_server_and_by_transport() {
    let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|it| it.parse().expect("an IP"));
    let (relayed, mapped) = (address("192.0.2.9:50000"), address("203.0.113.5:61000"));
    let relay = |server, over| Candidate::relayed(relayed, mapped).with_server(server, over).foundation;
    let second = Candidate::relayed(address("192.0.2.9:50001"), mapped).with_server(one, Transport::Udp);
    assert_eq!(relay(one, Transport::Udp), second.foundation, "ports don't count");
    assert_ne!(relay(one, Transport::Udp), relay(one, Transport::Tcp));
    assert_ne!(relay(one, Transport::Udp), relay(other, Transport::Udp));
    let seen = |server| {
        Candidate::server_reflexive(mapped, address("10.0.0.5:1")).with_server(server, Transport::Udp)
    };
    assert_ne!(seen(one).foundation, seen(other).foundation);

    // Whichever is said first.
    let tcp = |it: Candidate| it.with_tcp(TcpType::Active);
    let host = Candidate::host(relayed);
    let early = tcp(Candidate::server_reflexive(mapped, relayed)).with_server(one, Transport::Tcp);
    let late = tcp(Candidate::server_reflexive(mapped, relayed).with_server(one, Transport::Tcp));
    assert_eq!(early.foundation, late.foundation);
    assert_ne!(tcp(host.clone()).foundation, host.foundation);
    assert_eq!(tcp(tcp(host.clone())).foundation, tcp(host).foundation, "twice is once");
}

#[test]
fn bad_lines_say_which_field() {
    use CandidateError::{Bad, Missing, TooLong};
    let long = format!("1 1 udp 1 192.0.2.1 1 typ host x {}", "y".repeat(2000));
    for (line, error) in [
        ("", Missing("foundation")),
        ("candidate:", Missing("foundation")),
        ("f-1 1 udp 1 192.0.2.1 1 typ host", Bad("foundation")),
        ("123456789012345678901234567890123 1 udp 1 192.0.2.1 1 typ host", Bad("foundation")),
        ("1 0 udp 1 192.0.2.1 1 typ host", Bad("component")),
        ("1 257 udp 1 192.0.2.1 1 typ host", Bad("component")),
        ("1 1 sctp 1 192.0.2.1 1 typ host", Bad("transport")),
        ("1 1 udp -1 192.0.2.1 1 typ host", Bad("priority")),
        ("1 1 udp +1 192.0.2.1 1 typ host", Bad("priority")),
        ("1 1 udp 4294967296 192.0.2.1 1 typ host", Bad("priority")),
        ("1 1 udp 1 192.0.2.1/24 1 typ host", Bad("address")),
        ("1 1 udp 1 192.0.2.1 65536 typ host", Bad("port")),
        ("1 1 udp 1 192.0.2.1 1 host", Bad("typ")),
        ("1 1 udp 1 192.0.2.1 1 typ", Missing("typ")),
        ("1 1 udp 1 192.0.2.1 1 typ guest", Bad("typ")),
        ("1 1 tcp 1 192.0.2.1 1 typ host", Missing("tcptype")),
        ("1 1 udp 1 192.0.2.1 1 typ host ufrag a:b", Bad("ufrag")),
        (&*long, TooLong),
    ] {
        assert_eq!(line.parse::<Candidate>(), Err(error), "{line}");
    }
}

#[test]
fn oddities_are_tolerated() {
    parse("  candidate:1 1 udp 1 192.0.2.1 1 typ host generation  ");
    parse("candidate:1 1 udp 1 192.0.2.1 1 typ srflx raddr 0.0.0.0 rport 0");
    parse("candidate:1 1 udp 1 192.0.2.1 1 typ srflx raddr hidden.local rport 9");
    parse("candidate:1 2 udp 1 192.0.2.1 1 typ host unknown extension another one");
}
