//! The wall between a relay and the inside of a network (field class S7).

use crate::world::{Client, LISTENER, PEER, World, address};
use headwater_stun::MessageBuilder;
use headwater_turn::attribute::{
    ALLOCATE, AdditionalAddressFamily, Data, Family, RequestedTransport, SEND, UDP, XorPeerAddress,
};
use headwater_turn::{Error, Network, PeerPolicy, special_purpose};
use std::net::{IpAddr, SocketAddr};

/// The first and the last address of each block that is denied.
const DENIED: &[(&str, &str)] = &[
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("169.254.169.254", "169.254.169.254"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.31.196.0", "192.31.196.255"),
    ("192.52.193.0", "192.52.193.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("192.175.48.0", "192.175.48.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "239.255.255.255"),
    ("240.0.0.0", "255.255.255.254"),
    ("255.255.255.255", "255.255.255.255"),
    ("::", "::1"),
    ("::2", "::ffff:ffff"),
    ("::ffff:0:0:0", "::ffff:0:ffff:ffff"),
    ("64:ff9b::", "64:ff9b::ffff:ffff"),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
    ("100::", "100::ffff:ffff:ffff:ffff"),
    ("100:0:0:1::", "100::1:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:1::1", "2001:1::3"),
    ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
    ("2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff"),
    ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"),
    ("3ffe::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
];

/// Neighbours of the blocks.
const ALLOWED: &[&str] = &[
    "1.0.0.0",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2001:200::",
    "2001:db7:ffff::",
    "2001:db9::",
    "2003::",
    "2600::",
    "3ffd:ffff::",
    "3fff:1000::",
];

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// An IPv4 address as an IPv6 one.
fn mapped(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(ip) => Some(ip.to_ipv6_mapped().into()),
        IpAddr::V6(_) => None,
    }
}

#[test]
fn each_special_purpose_block_is_denied_from_its_first_to_its_last_address() {
    let policy = PeerPolicy::public();
    for (first, last) in DENIED {
        for address in [first, last].map(|it| ip(it)) {
            for address in [Some(address), mapped(address)].into_iter().flatten() {
                assert!(special_purpose(address).is_some(), "{address}");
                assert!(!policy.permits_address(address), "{address}");
                assert!(!policy.permits(SocketAddr::new(address, 80)), "{address}");
            }
        }
    }
    for address in ALLOWED.iter().map(|it| ip(it)) {
        assert_eq!(special_purpose(address), None, "{address}");
        assert!(policy.permits(SocketAddr::new(address, 80)), "{address}");
        assert!(!policy.permits(SocketAddr::new(address, 0)), "no port 0");
    }
}

#[test]
fn only_what_is_named_is_allowed_in_addition() {
    let network = |text: &str| text.parse::<Network>().expect("a network");
    let policy = PeerPolicy::public().allow(network("10.1.0.0/16")).allow(network("fd00::1"));
    for (text, expected) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("10.2.0.0", false),
        ("fd00::1", true),
        ("fd00::2", false),
        ("127.0.0.1", false),
        ("8.8.8.8", true),
    ] {
        assert_eq!(policy.permits_address(ip(text)), expected, "{text}");
    }
    let only = PeerPolicy::only(vec![address("10.0.0.1:8189")]);
    for (text, expected) in [("10.0.0.1:8189", true), ("10.0.0.1:8190", false), ("8.8.8.8:8189", false)] {
        assert_eq!(only.permits(address(text)), expected, "{text}");
    }
    for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "", "/8", "10.0.0.0/8/8", "10.0.0.0/-1"] {
        assert!(text.parse::<Network>().is_err(), "`{text}`");
    }
    assert!(network("0.0.0.0/0").contains(ip("255.255.255.255")));
    assert!(network("::/0").contains(ip("ffff::")));
}

/// Tries to reach a peer by each of the ways, and says by how many it succeeded.
fn reached(world: &mut World, client: &mut Client, peer: &str) -> usize {
    let mut send = Vec::new();
    MessageBuilder::indication(SEND, world.fresh_id(), &mut send)
        .attribute(&XorPeerAddress(address(peer)))
        .attribute(&Data(b"x"))
        .finish();
    let permitted = client.permit(world, peer) == 0;
    let sent = world.send(client.tuple, &send).is_ok();
    let bound = client.bind(world, 0x4000, peer) == 0;
    usize::from(permitted) + usize::from(sent) + usize::from(bound)
}

#[test]
fn no_way_leads_to_a_denied_address() {
    for (first, last) in DENIED {
        for peer in [first, last].map(|it| ip(it)) {
            let mut world = World::new();
            let mut client = Client::new(1);
            let both = AdditionalAddressFamily(Some(Family::V6));
            let request = client
                .request(&mut world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)).attribute(&both));
            assert_eq!(request.code(), 0);
            for peer in [Some(peer), mapped(peer)].into_iter().flatten() {
                let peer = SocketAddr::new(peer, 80);
                assert_eq!(reached(&mut world, &mut client, &peer.to_string()), 0, "{peer}");
                for relay in world.relays.keys().copied().collect::<Vec<_>>() {
                    assert!(world.peer_sends(relay, &peer.to_string(), b"x").is_err(), "from {peer}");
                }
            }
        }
    }
}

#[test]
fn our_own_listeners_are_no_peers_even_if_their_network_is_allowed() {
    let allow_all = |it: &mut headwater_turn::ServerConfig| {
        it.peers = PeerPolicy::public().allow("0.0.0.0/0".parse().expect("a network"));
    };
    let mut world = World::with(allow_all);
    let (mut client, relay) = world.allocated(1);
    // The address itself may be one: other relays are there.
    assert_eq!(reached(&mut world, &mut client, LISTENER), 1, "the permission only");
    assert_eq!(world.peer_sends(relay, LISTENER, b"x"), Err(Error::Forbidden));
    assert_eq!(world.server.counters().refused_from_peers.forbidden, 1);
    let (mut client, _) = world.allocated(2);
    assert_eq!(reached(&mut world, &mut client, "198.51.100.1:50000"), 3);
    let (mut client, _) = world.allocated(3);
    assert_eq!(reached(&mut world, &mut client, "127.0.0.1:80"), 3, "it was allowed");
    let (mut client, _) = world.allocated(4);
    assert_eq!(reached(&mut world, &mut client, "127.1.2.3:3478"), 1, "a way to a listener on all addresses");
    let (mut client, _) = world.allocated(5);
    assert_eq!(reached(&mut world, &mut client, "0.0.0.0:80"), 0, "another name of ours");
}

#[test]
fn of_our_own_machine_only_relays_are_peers() {
    let own = ["198.51.100.1", "93.184.216.34", "2600::1"].map(ip);
    let with = |allow: &'static str| {
        World::with(move |it| {
            it.own_addresses = own.to_vec();
            it.relay_ports = 50_000..=50_999;
            it.peers = PeerPolicy::public().allow(allow.parse().expect("a network"));
        })
    };
    let mut world = with("10.0.0.0/8");
    for (number, peer, expected) in [
        (1, "93.184.216.34:22", 1),
        (2, "93.184.216.34:49999", 1),
        (3, "93.184.216.34:50000", 3),
        (4, "93.184.216.34:50999", 3),
        (5, "93.184.216.34:51000", 1),
        (6, "93.184.216.35:22", 3),
    ] {
        let (mut client, relay) = world.allocated(number);
        assert_eq!(reached(&mut world, &mut client, peer), expected, "{peer}");
        assert_eq!(world.peer_sends(relay, peer, b"x").is_ok(), expected == 3, "from {peer}");
    }
    let mut world = with("93.184.216.34");
    let (mut client, _) = world.allocated(1);
    assert_eq!(reached(&mut world, &mut client, "93.184.216.34:22"), 3, "it was allowed");
    let (mut client, _) = world.allocated(2);
    assert_eq!(
        reached(&mut world, &mut client, "93.184.216.34:3478"),
        1,
        "a listener that listens on any address"
    );
}

#[test]
fn an_address_that_becomes_ours_is_treated_as_ours() {
    let mut world = World::new();
    let (mut client, relay) = world.allocated(1);
    let number = client.bind(&mut world, 0x4000, PEER);
    assert_eq!(number, 0);
    let data = [0x40, 0, 0, 1, 7];
    assert!(world.send(client.tuple, &data).is_ok());
    world.server.set_own_addresses(vec![address(PEER).ip()]);
    assert_eq!(world.send(client.tuple, &data), Err(Error::NotAllocated));
    assert_eq!(world.peer_sends(relay, PEER, b"x"), Err(Error::Forbidden));
    assert_ne!(client.bind(&mut world, 0x4000, PEER), 0);
    world.server.set_own_addresses(Vec::new());
    assert_eq!(client.bind(&mut world, 0x4000, PEER), 0);
}

#[test]
fn an_embedded_server_permits_its_media_sockets_only() {
    let media = "198.51.100.1:8189";
    let mut world = World::with(|it| it.peers = PeerPolicy::only(vec![address(media)]));
    for (number, peer, expected) in [(1, media, 3), (2, "198.51.100.1:8190", 1), (3, PEER, 0)] {
        let (mut client, relay) = world.allocated(number);
        assert_eq!(reached(&mut world, &mut client, peer), expected, "{peer}");
        assert_eq!(world.peer_sends(relay, peer, b"x").is_ok(), expected == 3, "{peer}");
    }
}
