//! Mapping, filtering, expiry and rebinding.

use crate::probe::Probe;
use headwater_netsim::{Behaviour, EndpointId, Nat, NatId, Network};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

struct Home {
    net: Network<Probe>,
    nat: NatId,
    inside: EndpointId,
    servers: [EndpointId; 2],
}

const INSIDE: &str = "192.168.1.10:3000";
const SERVERS: [&str; 2] = ["192.0.2.1:9", "192.0.2.2:9"];

impl Home {
    fn behind(nat: Nat) -> Self {
        let mut net = Network::new();
        let nat = net.add_nat(nat);
        let inside = net.add_behind(nat, Probe::default(), &[address(INSIDE)]);
        let servers = SERVERS.map(|server| net.add(Probe::default(), &[address(server)]));
        Self { net, nat, inside, servers }
    }

    /// Sends to both servers and returns the addresses that they saw.
    fn seen(&mut self) -> [SocketAddr; 2] {
        for server in SERVERS {
            self.net[self.inside].say(address(INSIDE), address(server), b"hello");
        }
        self.net.run_until_silent();
        self.servers.map(|server| self.net[server].heard.last().unwrap().remote)
    }

    /// Whether a server's datagram to `to` gets in.
    fn lets_in(&mut self, server: usize, to: SocketAddr) -> bool {
        let before = self.net[self.inside].heard.len();
        self.net[self.servers[server]].say(address(SERVERS[server]), to, b"knock");
        self.net.run_until_silent();
        self.net[self.inside].heard.len() > before
    }
}

#[test]
fn endpoint_independent_mapping_shows_one_address_to_all() {
    let [first, second] = Home::behind(Nat::endpoint_independent(PUBLIC)).seen();
    assert_eq!(first, second);
    assert_eq!(first.ip(), PUBLIC);
}

#[test]
fn symmetric_mapping_shows_each_another_port_and_lets_only_that_one_in() {
    let mut home = Home::behind(Nat::symmetric(PUBLIC));
    let [first, second] = home.seen();
    assert_ne!(first, second);
    assert!(home.lets_in(0, first));
    assert!(!home.lets_in(1, first));
}

#[test]
fn filtering_keeps_out_who_was_not_written_to() {
    for (filtering, open) in
        [(Behaviour::EndpointIndependent, true), (Behaviour::AddressAndPortDependent, false)]
    {
        let mut home = Home::behind(Nat::endpoint_independent(PUBLIC).filtering(filtering));
        home.net.get_mut(home.inside).say(address(INSIDE), address(SERVERS[0]), b"hello");
        home.net.run_until_silent();
        let seen = home.net[home.servers[0]].heard[0].remote;
        assert!(home.lets_in(0, seen));
        assert_eq!(home.lets_in(1, seen), open, "{filtering:?}");
    }
}

#[test]
fn idle_mappings_are_forgotten() {
    let mut home = Home::behind(Nat::endpoint_independent(PUBLIC));
    let [seen, _] = home.seen();
    home.net.advance(Duration::from_secs(119));
    assert!(home.lets_in(0, seen));
    home.net.advance(Duration::from_secs(2));
    assert!(!home.lets_in(0, seen));
}

#[test]
fn rebinding_changes_the_port_and_closes_the_old_one() {
    let mut home = Home::behind(Nat::endpoint_independent(PUBLIC));
    let [before, _] = home.seen();
    home.net.rebind(home.nat);
    let [after, _] = home.seen();
    assert_ne!(before, after);
    assert!(!home.lets_in(0, before));
    assert!(home.lets_in(0, after));
}

#[test]
fn private_addresses_are_reached_only_by_neighbours() {
    let mut home = Home::behind(Nat::endpoint_independent(PUBLIC));
    assert!(!home.lets_in(0, address(INSIDE)));
    let neighbour = address("192.168.1.11:3000");
    let other = home.net.add_behind(home.nat, Probe::default(), &[neighbour]);
    home.net[other].say(neighbour, address(INSIDE), b"hello");
    home.net.run_until_silent();
    assert_eq!(home.net[home.inside].heard.last().unwrap().remote, neighbour);
}
