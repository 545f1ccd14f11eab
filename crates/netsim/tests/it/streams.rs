//! Connections: opened from inside, in order, without loss, and ended.

use crate::caller::{Caller, What, address};
use headwater_netsim::{
    Behaviour, EndpointId, FIRST, FIRST_ADDRESS, Firewall, Link, Nat, NatId, Network, Outbound, SECOND,
    SECOND_ADDRESS, StreamClosed, Transport, Verdict,
};
use std::time::Duration;

const LATENCY: Duration = Duration::from_millis(20);

fn pair() -> Network<Caller> {
    Network::pair(Caller::default(), Caller::server()).link(Link::default().latency(LATENCY)).seed(5)
}

fn connected() -> Network<Caller> {
    let mut net = pair();
    net[FIRST].connect(FIRST_ADDRESS, SECOND_ADDRESS);
    net.run_until_silent();
    net
}

fn message(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Writes this many messages at once and checks that both sides got all, in order.
fn exchange(mut net: Network<Caller>, count: u32) -> Network<Caller> {
    for number in 0..count {
        net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, &message(number));
    }
    net.run_until_silent();
    let expected: Vec<_> = (0..count).map(|number| What::Message(message(number))).collect();
    assert_eq!(net[SECOND].story()[1..], expected);
    assert_eq!(net[FIRST].story()[1..], expected);
    net
}

#[test]
fn opening_takes_a_round_trip_and_the_other_side_hears_of_it_half_a_one_later() {
    let net = connected();
    let start = net.now() - net.elapsed();
    assert_eq!(net[FIRST].noted[0].at - start, 2 * LATENCY);
    assert_eq!(net[SECOND].noted[0].at - start, 3 * LATENCY);
    assert_eq!((net[SECOND].noted[0].local, net[SECOND].noted[0].remote), (SECOND_ADDRESS, FIRST_ADDRESS));
}

#[test]
fn messages_written_before_it_is_open_wait() {
    let mut net = pair();
    net[FIRST].connect(FIRST_ADDRESS, SECOND_ADDRESS);
    net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, b"early");
    net.run_until_silent();
    assert_eq!(net[SECOND].story(), [What::Connected, What::Message(b"early".to_vec())]);
    assert_eq!(net.elapsed(), 4 * LATENCY);
}

#[test]
fn loss_reordering_and_duplicates_of_the_link_are_only_delay() {
    let mut net = connected();
    net.set_link(Link::wifi().loss(0.1).reorder(0.1).duplicate(0.1));
    let net = exchange(net, 500);
    assert!(net.counters().repeated > 50);
    assert_eq!(net.counters().delivered, 1_000);
}

#[test]
fn what_exceeds_the_mtu_or_a_queue_arrives_whole() {
    let mut net = connected();
    net.set_link(Link::default().rate(8_000_000).queue(20_000));
    net[SECOND].echoes = false;
    for _ in 0..5 {
        net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, &[7; 10_000]);
    }
    net.run_until_silent();
    assert_eq!(net[SECOND].story()[1..], vec![What::Message(vec![7; 10_000]); 5]);
    assert!(net.counters().queue_full > 0);
}

#[test]
fn any_port_will_do_and_connections_are_apart() {
    let mut net = pair();
    let ports: Vec<_> = ["192.0.2.1:60001", "192.0.2.1:60002"].iter().map(|it| address(it)).collect();
    for (local, contents) in ports.iter().zip([b"a", b"b"]) {
        net[FIRST].connect(*local, SECOND_ADDRESS);
        net[FIRST].write(*local, SECOND_ADDRESS, contents);
    }
    net.run_until_silent();
    for (local, contents) in ports.iter().zip([b"a", b"b"]) {
        let came = |id: EndpointId| {
            net[id].noted.iter().filter(|it| it.what == What::Message(contents.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(came(FIRST).len(), 1);
        assert_eq!(came(FIRST)[0].local, *local);
        assert_eq!(came(SECOND)[0].remote, *local);
    }
}

#[test]
fn who_does_not_listen_refuses_and_where_nobody_is_time_runs_out() {
    let mut net = pair();
    net[SECOND].listens = false;
    net[FIRST].connect(FIRST_ADDRESS, SECOND_ADDRESS);
    net.run_until_silent();
    assert_eq!(net[FIRST].story(), [What::Closed(StreamClosed::Refused)]);
    assert_eq!(net.elapsed(), 2 * LATENCY);
    assert!(net[SECOND].noted.is_empty());

    let mut net = pair();
    net[FIRST].connect(FIRST_ADDRESS, address("203.0.113.200:443"));
    net.run_until_silent();
    assert_eq!(net[FIRST].story(), [What::Closed(StreamClosed::TimedOut)]);
    assert_eq!(net.elapsed(), Duration::from_secs(31));
}

#[test]
fn closing_lets_what_was_written_arrive_first() {
    let mut net = connected();
    net[SECOND].echoes = false;
    net.drop_next(|it| it.contents.as_slice() == b"last");
    net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, b"last");
    net[FIRST].close(FIRST_ADDRESS, SECOND_ADDRESS);
    net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, b"too late");
    net.run_until_silent();
    assert_eq!(
        net[SECOND].story()[1..],
        [What::Message(b"last".to_vec()), What::Closed(StreamClosed::ByPeer)]
    );
    assert_eq!(net[FIRST].story(), [What::Connected], "who closes knows it");
    // The same addresses may be used again.
    net[FIRST].connect(FIRST_ADDRESS, SECOND_ADDRESS);
    net.run_until_silent();
    assert_eq!(net[FIRST].story(), [What::Connected, What::Connected]);
}

#[test]
fn closing_before_it_is_open_leaves_nothing_behind() {
    let mut net = pair();
    net[FIRST].connect(FIRST_ADDRESS, SECOND_ADDRESS);
    net.drain();
    net.advance(LATENCY);
    net[FIRST].close(FIRST_ADDRESS, SECOND_ADDRESS);
    net.run_until_silent();
    assert!(net[FIRST].noted.is_empty());
    assert!(net[SECOND].noted.is_empty());
}

#[test]
fn a_path_that_breaks_ends_the_connection_after_two_minutes() {
    let mut net = connected();
    net.set_link(Link::broken());
    let start = net.now();
    net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, b"x");
    net.run_until_silent();
    assert_eq!(net[FIRST].story()[1..], [What::Closed(StreamClosed::TimedOut)]);
    assert_eq!((net.now() - start).as_millis(), 200 * 511);
    // The other side finds out when it sends.
    net.set_link(Link::lan());
    net[SECOND].write(SECOND_ADDRESS, FIRST_ADDRESS, b"y");
    net.run_until_silent();
    assert_eq!(net[SECOND].story()[1..], [What::Closed(StreamClosed::Reset)]);
}

#[test]
fn filters_tell_messages_from_datagrams() {
    let mut net = connected();
    net.add_filter(|it| match it.transport {
        Transport::Tcp => Verdict::Pass,
        _ => Verdict::Drop,
    });
    net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, b"udp");
    net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, b"tcp");
    net.run_until_silent();
    assert_eq!(net[SECOND].story()[1..], [What::Message(b"tcp".to_vec())]);
}

#[test]
fn who_moves_loses_its_connections() {
    let mut net = connected();
    net.set_addresses(FIRST, &[address("203.0.113.9:6000")]);
    net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, b"x");
    net[SECOND].write(SECOND_ADDRESS, FIRST_ADDRESS, b"y");
    net.run_until_silent();
    assert_eq!(net[FIRST].story()[1..], [What::Closed(StreamClosed::Reset)]);
    assert_eq!(net[SECOND].story()[1..], [What::Closed(StreamClosed::TimedOut)]);
}

const INSIDE: &str = "192.168.1.10:3000";
const SERVER: &str = "192.0.2.1:443";
const OTHER: &str = "192.0.2.2:8443";

struct Home {
    net: Network<Caller>,
    nat: NatId,
    inside: EndpointId,
    server: EndpointId,
    other: EndpointId,
}

fn home(nat: Nat) -> Home {
    let mut net = Network::new();
    let nat = net.add_nat(nat);
    let inside = net.add_behind(nat, Caller::server(), &[address(INSIDE)]);
    let [server, other] = [SERVER, OTHER].map(|it| net.add(Caller::server(), &[address(it)]));
    Home { net, nat, inside, server, other }
}

fn public() -> std::net::IpAddr {
    "203.0.113.1".parse().unwrap()
}

#[test]
fn through_a_nat_the_inside_opens_and_answers_come_back() {
    let Home { mut net, inside, server, .. } = home(Nat::symmetric(public()));
    net[inside].echoes = false;
    net[inside].connect(address(INSIDE), address(SERVER));
    net[inside].write(address(INSIDE), address(SERVER), b"hello");
    net.run_until_silent();
    assert_eq!(net[inside].story(), [What::Connected, What::Message(b"hello".to_vec())]);
    assert_eq!(net[server].noted[0].remote.ip(), public());
}

#[test]
fn the_outside_opens_only_through_a_mapping_that_lets_it_in() {
    for (nat, gets_in) in [(Nat::full_cone(public()), true), (Nat::port_restricted(public()), false)] {
        let Home { mut net, inside, server, other, .. } = home(nat);
        net[inside].connect(address(INSIDE), address(SERVER));
        net.run_until_silent();
        let seen = net[server].noted[0].remote;
        net[other].connect(address(OTHER), seen);
        net.run_until_silent();
        let expected = if gets_in { What::Connected } else { What::Closed(StreamClosed::TimedOut) };
        assert_eq!(net[other].story(), [expected]);
    }
}

#[test]
fn mappings_of_udp_and_tcp_are_apart() {
    let Home { mut net, inside, server, .. } = home(Nat::full_cone(public()));
    net[inside].say(address(INSIDE), address(SERVER), b"udp");
    net.run_until_silent();
    let seen = net[server].noted[0].remote;
    net[server].connect(address(SERVER), seen);
    net.run_until_silent();
    assert_eq!(net[server].story()[1..], [What::Closed(StreamClosed::TimedOut)]);
}

#[test]
fn a_quiet_connection_outlives_udp_s_mappings_and_not_a_rebinding() {
    let Home { mut net, nat, inside, server, .. } = home(Nat::port_restricted(public()));
    net[inside].echoes = false;
    net[server].echoes = false;
    net[inside].connect(address(INSIDE), address(SERVER));
    net.run_until_silent();
    let seen = net[server].noted[0].remote;
    net.advance(Duration::from_secs(3_600));
    net[server].write(address(SERVER), seen, b"still here");
    net.run_until_silent();
    assert!(net[inside].has_noted(&What::Message(b"still here".to_vec())));

    net.rebind(nat);
    net[inside].write(address(INSIDE), address(SERVER), b"who am I");
    net.run_until_silent();
    assert_eq!(net[inside].story().last(), Some(&What::Closed(StreamClosed::Reset)));
    net[server].write(address(SERVER), seen, b"hello?");
    net.run_until_silent();
    assert_eq!(net[server].story().last(), Some(&What::Closed(StreamClosed::TimedOut)));
}

#[test]
fn outbound_rules_block_what_they_name() {
    use Outbound::{All, NoUdp, OnlyTcpTo};
    // May leave: UDP, TCP to 443, TCP to 8443.
    for (outbound, passes) in
        [(All, [true, true, true]), (NoUdp, [false, true, true]), (OnlyTcpTo(443), [false, true, false])]
    {
        let Home { mut net, inside, server, other, .. } = home(Nat::full_cone(public()).outbound(outbound));
        net[inside].say(address(INSIDE), address(SERVER), b"udp");
        net.run_until_silent();
        let udp = net[server].has_noted(&What::Datagram(b"udp".to_vec()));
        let tcp = [(SERVER, server), (OTHER, other)].map(|(remote, id)| {
            net[inside].connect(address(INSIDE), address(remote));
            net.run_until_silent();
            net[id].has_noted(&What::Connected)
        });
        assert_eq!([udp, tcp[0], tcp[1]], passes, "{outbound:?}");
        assert_eq!(net.counters().blocked > 0, outbound != All);
    }
}

#[test]
fn a_firewall_lets_connections_out_and_none_in() {
    let mut net: Network<Caller> = Network::new();
    let firewall = net.add_firewall(Firewall::default().filtering(Behaviour::EndpointIndependent));
    let (within, without) = (address("[2001:db8::1]:5000"), address("[2001:db8:1::2]:443"));
    let inside = net.add_behind(firewall, Caller::server(), &[within]);
    let server = net.add(Caller::server(), &[without]);
    net[server].connect(without, within);
    net.run_until_silent();
    assert_eq!(net[server].story(), [What::Closed(StreamClosed::TimedOut)]);
    net[inside].connect(within, without);
    net.run_until_silent();
    assert_eq!(net[inside].story(), [What::Connected]);
    assert_eq!(net[server].noted[1].remote, within, "nothing is translated");
}
