//! The kinds of NAT by name, and what they are asked to do besides.

use crate::caller::address;
use crate::probe::Probe;
use headwater_netsim::{EndpointId, Firewall, Hairpinning, Nat, NatId, Network};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
const INSIDE: &str = "192.168.1.10:3000";
const NEIGHBOUR: &str = "192.168.1.11:3001";
/// The server written to, another port of its host, and another host.
const SERVERS: [&str; 3] = ["192.0.2.1:9", "192.0.2.1:10", "192.0.2.2:9"];

struct Rig {
    net: Network<Probe>,
    inside: EndpointId,
    neighbour: EndpointId,
    servers: [EndpointId; 3],
}

fn rig(nat: Nat) -> (Rig, NatId) {
    let mut net = Network::new();
    let nat = net.add_nat(nat);
    (behind(net, nat), nat)
}

fn behind(mut net: Network<Probe>, nat: NatId) -> Rig {
    let inside = net.add_behind(nat, Probe::default(), &[address(INSIDE)]);
    let neighbour = net.add_behind(nat, Probe::default(), &[address(NEIGHBOUR)]);
    let servers = SERVERS.map(|server| net.add(Probe::default(), &[address(server)]));
    Rig { net, inside, neighbour, servers }
}

impl Rig {
    /// Sends a datagram, and returns the source that its receiver sees, if it gets there.
    fn send(
        &mut self,
        from: EndpointId,
        source: &str,
        to: EndpointId,
        remote: SocketAddr,
    ) -> Option<SocketAddr> {
        let before = self.net[to].heard.len();
        self.net[from].say(address(source), remote, b"x");
        self.net.run_until_silent();
        self.net[to].heard.get(before).map(|it| it.remote)
    }

    /// The address under which a server sees the inside.
    fn seen(&mut self, server: usize) -> SocketAddr {
        self.send(self.inside, INSIDE, self.servers[server], address(SERVERS[server])).expect("gets out")
    }

    fn lets_in(&mut self, server: usize, to: SocketAddr) -> bool {
        self.send(self.servers[server], SERVERS[server], self.inside, to).is_some()
    }
}

#[test]
fn each_kind_shows_and_lets_in_what_its_name_says() {
    // One address for all servers? Let in: the server written to, another port of it, another host.
    for (name, nat, is_one, lets_in) in [
        ("full cone", Nat::full_cone(PUBLIC), true, [true, true, true]),
        ("address-restricted", Nat::address_restricted(PUBLIC), true, [true, true, false]),
        ("port-restricted", Nat::port_restricted(PUBLIC), true, [true, false, false]),
        ("symmetric", Nat::symmetric(PUBLIC), false, [true, false, false]),
    ] {
        let (mut rig, _) = rig(nat);
        let seen = rig.seen(0);
        assert_eq!([0, 1, 2].map(|server| rig.lets_in(server, seen)), lets_in, "{name}");
        assert_eq!(rig.seen(2) == seen, is_one, "{name}");
    }
}

#[test]
fn hairpins_come_back_from_the_public_address_or_the_private_one_or_not_at_all() {
    for (hairpinning, from) in [
        (Hairpinning::ExternalSource, Some(PUBLIC)),
        (Hairpinning::InternalSource, Some(address(NEIGHBOUR).ip())),
        (Hairpinning::None, None),
    ] {
        let (mut rig, _) = rig(Nat::full_cone(PUBLIC).hairpinning(hairpinning));
        let seen = rig.seen(0);
        let source = rig.send(rig.neighbour, NEIGHBOUR, rig.inside, seen);
        assert_eq!(source.map(|it| it.ip()), from, "{hairpinning:?}");
    }
}

#[test]
fn a_hairpin_passes_the_filter_like_any_other() {
    let (mut rig, _) = rig(Nat::port_restricted(PUBLIC));
    let seen = rig.seen(0);
    assert_eq!(rig.send(rig.neighbour, NEIGHBOUR, rig.inside, seen), None);
    // Once the inside has written to the neighbour's public address, it is let in.
    let neighbour =
        rig.send(rig.neighbour, NEIGHBOUR, rig.servers[0], address(SERVERS[0])).expect("gets out");
    assert_eq!(rig.send(rig.inside, INSIDE, rig.neighbour, neighbour), Some(seen));
    assert_eq!(rig.send(rig.neighbour, NEIGHBOUR, rig.inside, seen), Some(neighbour));
}

#[test]
fn ports_are_preserved_where_they_are_free_and_keep_their_parity_elsewhere() {
    let (mut plain, _) = rig(Nat::full_cone(PUBLIC));
    assert_ne!(plain.seen(0).port(), 3000);

    let (mut rig, nat) = rig(Nat::symmetric(PUBLIC).port_preservation().port_parity());
    assert_eq!(rig.seen(0).port(), 3000);
    // The port is taken by the first mapping.
    let second = rig.seen(1).port();
    assert!(second != 3000 && second % 2 == 0);
    let third = rig.seen(2).port();
    assert!(third > second && third % 2 == 0);
    let neighbour = rig.send(rig.neighbour, NEIGHBOUR, rig.servers[0], address(SERVERS[0]));
    assert_eq!(neighbour.map(|it| it.port()), Some(3001));
    // Rebinding shows, even so.
    rig.net.rebind(nat);
    assert_ne!(rig.seen(0).port(), 3000);
}

#[test]
fn what_comes_in_keeps_a_mapping_alive_only_if_told_so() {
    for (nat, is_open) in
        [(Nat::port_restricted(PUBLIC), false), (Nat::port_restricted(PUBLIC).inbound_refresh(), true)]
    {
        let (mut rig, _) = rig(nat);
        let seen = rig.seen(0);
        for _ in 0..3 {
            rig.net.advance(Duration::from_secs(59));
            rig.lets_in(0, seen);
        }
        assert_eq!(rig.lets_in(0, seen), is_open);
    }
}

#[test]
fn the_filter_of_each_remote_has_a_time_of_its_own() {
    let (mut rig, _) = rig(Nat::port_restricted(PUBLIC));
    let seen = rig.seen(0);
    rig.net.advance(Duration::from_secs(100));
    assert_eq!(rig.seen(1), seen, "the mapping lives on");
    rig.net.advance(Duration::from_secs(30));
    assert!(!rig.lets_in(0, seen));
    assert!(rig.lets_in(1, seen));
}

#[test]
fn behind_two_nats_the_outer_one_is_seen_and_either_filter_keeps_out() {
    let home: IpAddr = "100.64.0.7".parse().unwrap();
    for (outer, inner, lets_in) in [
        (Nat::full_cone(PUBLIC), Nat::full_cone(home), true),
        (Nat::full_cone(PUBLIC), Nat::port_restricted(home), false),
        (Nat::port_restricted(PUBLIC), Nat::full_cone(home), false),
    ] {
        let mut net = Network::new();
        let outer = net.add_nat(outer);
        let inner = net.add_nat_behind(outer, inner);
        let mut rig = behind(net, inner);
        let seen = rig.seen(0);
        assert_eq!(seen.ip(), PUBLIC);
        assert!(rig.lets_in(0, seen));
        assert_eq!(rig.lets_in(2, seen), lets_in);
    }
}

#[test]
fn two_homes_at_one_carrier_meet_by_its_hairpin_or_directly() {
    let mut net: Network<Probe> = Network::new();
    let carrier = net.add_nat(Nat::full_cone(PUBLIC));
    let homes = ["100.64.0.7", "100.64.0.8"].map(|home| Nat::full_cone(home.parse().unwrap()));
    let homes = homes.map(|home| net.add_nat_behind(carrier, home));
    // The same private address in both.
    let [first, second] = homes.map(|home| net.add_behind(home, Probe::default(), &[address(INSIDE)]));
    let server = net.add(Probe::default(), &[address(SERVERS[0])]);
    net[first].say(address(INSIDE), address(SERVERS[0]), b"x");
    net.run_until_silent();
    let seen = net[server].heard[0].remote;
    net[second].say(address(INSIDE), seen, b"by the hairpin");
    net.run_until_silent();
    assert_eq!(net[first].heard[0].remote.ip(), PUBLIC);
    net[second].say(address(INSIDE), address("100.64.0.7:40000"), b"directly");
    net.run_until_silent();
    assert_eq!(net[first].heard[1].remote.ip(), address("100.64.0.8:1").ip());
}

#[test]
fn the_family_that_is_not_translated_passes_the_filter_alone() {
    let (within, server) = (address("[2001:db8::1]:5000"), address("[2001:db8:1::2]:9"));
    let other = address("[2001:db8:1::3]:9");
    for is_nat in [true, false] {
        let mut net: Network<Probe> = Network::new();
        let gate = match is_nat {
            true => net.add_nat(Nat::symmetric(PUBLIC)),
            false => net.add_firewall(Firewall::default()),
        };
        let inside = net.add_behind(gate, Probe::default(), &[within]);
        let servers = [server, other].map(|it| net.add(Probe::default(), &[it]));
        net[servers[0]].say(server, within, b"unasked");
        net.run_until_silent();
        assert!(net[inside].heard.is_empty());
        net[inside].say(within, server, b"hello");
        net.run_until_silent();
        assert_eq!(net[servers[0]].heard[0].remote, within);
        net[servers[0]].say(server, within, b"answer");
        net[servers[1]].say(other, within, b"unasked");
        net.run_until_silent();
        assert_eq!(net[inside].heard.iter().map(|it| it.remote).collect::<Vec<_>>(), [server]);
        net.advance(Duration::from_secs(121));
        net[servers[0]].say(server, within, b"late");
        net.run_until_silent();
        assert_eq!(net[inside].heard.len(), 1);
    }
}

#[test]
fn a_nat_behind_a_firewall_keeps_its_address_and_passes_both() {
    let mut net = Network::new();
    let firewall = net.add_firewall(Firewall::default());
    let nat = net.add_nat_behind(firewall, Nat::full_cone(PUBLIC));
    let mut rig = behind(net, nat);
    let seen = rig.seen(0);
    assert_eq!(seen.ip(), PUBLIC);
    assert!(rig.lets_in(0, seen));
    assert!(!rig.lets_in(2, seen), "the firewall is the narrower one");
}
