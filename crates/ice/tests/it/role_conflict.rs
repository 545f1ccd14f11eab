//! Both sides think that they have the same role (RFC 8445 §7.3.1.1).

use std::time::{Duration, Instant};

use headwater_ice::Role;
use headwater_netsim::{FIRST, FIRST_ADDRESS, Link, Network, SECOND, SECOND_ADDRESS};

use crate::peer::{Peer, is_connected};

fn both(role: Role, names: [u8; 2], seed: u64) -> Network<Peer> {
    let now = Instant::now();
    let mut a = Peer::full(names[0], role, now).with_local(&[FIRST_ADDRESS]);
    let mut b = Peer::full(names[1], role, now).with_local(&[SECOND_ADDRESS]);
    a.signal(names[1], &[SECOND_ADDRESS]);
    b.signal(names[0], &[FIRST_ADDRESS]);
    Network::pair(a, b).link(Link::default().loss(0.1)).seed(seed)
}

fn check(role: Role) {
    // Each name makes another tie-breaker, so both outcomes occur.
    let mut firsts = 0;
    for seed in 0..30 {
        let name = u8::try_from(seed + 1).expect("small");
        let mut network = both(role, [name, name + 100], seed);
        network.run_until(|n| {
            is_connected(n, FIRST, SECOND) && n[FIRST].is_nominated() && n[SECOND].is_nominated()
        });
        network.advance(Duration::from_secs(30));
        let roles = [FIRST, SECOND].map(|it| network.get_mut(it).agent().role());
        assert_ne!(roles[0], roles[1], "seed {seed}");
        firsts += usize::from(roles[0] == Role::Controlling);
    }
    assert!((1..30).contains(&firsts), "{firsts}");
}

#[test]
fn two_controlling_agents_agree_who_controls() {
    check(Role::Controlling);
}

#[test]
fn two_controlled_agents_agree_who_controls() {
    check(Role::Controlled);
}

#[test]
fn a_lite_agent_makes_a_peer_control_that_thinks_it_is_controlled() {
    let now = Instant::now();
    // Not told that its peer is lite, and in the wrong role.
    let mut client = Peer::full(1, Role::Controlled, now).with_local(&[FIRST_ADDRESS]);
    client.signal(2, &[SECOND_ADDRESS]);
    let mut network = Network::pair(client, Peer::lite(2, Some(1), now));
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    assert_eq!(network.get_mut(FIRST).agent().role(), Role::Controlling);
}
