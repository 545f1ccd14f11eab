//! Two peers behind one NAT.

use headwater_nat::{FIRST, SECOND, World};
use headwater_netsim::{Hairpinning, Nat};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

fn outcome(nat: Nat, hides_hosts: bool) -> String {
    let mut world = World::together(nat, true);
    if hides_hosts {
        world.peer_mut(FIRST).hide_hosts();
        world.peer_mut(SECOND).hide_hosts();
    }
    let took = world.connect().expect("connects, by a relay if need be");
    assert!(took <= Duration::from_secs(1), "took {took:?}");
    let [Some(first), Some(second)] = world.reached() else { panic!("connected without a path") };
    assert!(world.exchange_media(Duration::from_millis(200)).is_some(), "no media");
    format!("{first} {second}")
}

#[test]
fn neighbours_who_know_their_hosts_need_no_nat() {
    for nat in [Nat::full_cone(PUBLIC), Nat::port_restricted(PUBLIC), Nat::symmetric(PUBLIC)] {
        for hairpinning in [Hairpinning::ExternalSource, Hairpinning::InternalSource, Hairpinning::None] {
            assert_eq!(outcome(nat.clone().hairpinning(hairpinning), false), "host host");
        }
    }
}

/// As with browsers that hide host addresses behind names: the hairpin helps, and where there is none, the relay.
#[test]
fn neighbours_who_hide_their_hosts_need_the_hairpin_or_a_relay() {
    use Hairpinning::{ExternalSource, InternalSource, None};
    for (nat, hairpinning, expected) in [
        (Nat::full_cone(PUBLIC), ExternalSource, "srflx srflx"),
        (Nat::address_restricted(PUBLIC), ExternalSource, "srflx srflx"),
        (Nat::port_restricted(PUBLIC), ExternalSource, "srflx srflx"),
        // The answers go by the private addresses, which are thereby found.
        (Nat::full_cone(PUBLIC), InternalSource, "prflx prflx"),
        (Nat::port_restricted(PUBLIC), InternalSource, "prflx prflx"),
        (Nat::full_cone(PUBLIC), None, "relay"),
        (Nat::port_restricted(PUBLIC), None, "relay"),
        (Nat::symmetric(PUBLIC), ExternalSource, "relay"),
        (Nat::symmetric(PUBLIC), None, "relay"),
    ] {
        let is = outcome(nat.clone().hairpinning(hairpinning), true);
        let fits = is == expected || (expected == "relay" && is.split(' ').any(|it| it == "relay"));
        assert!(fits, "{is} instead of {expected}: {hairpinning:?}, {nat:?}");
    }
}

/// Two homes of one carrier, each with a NAT of its own behind the carrier's.
#[test]
fn neighbours_at_a_carrier_s_nat_meet_by_its_hairpin() {
    let mut world = World::at_carrier(Nat::full_cone(PUBLIC));
    world.connect().expect("connects");
    assert_eq!(world.reached().map(|it| it.expect("a path").to_string()), ["srflx", "srflx"]);
    assert!(world.exchange_media(Duration::from_millis(200)).is_some());

    let mut world = World::at_carrier(Nat::full_cone(PUBLIC).hairpinning(Hairpinning::None));
    world.connect().expect("connects by a relay");
    assert!(world.reached().iter().any(|it| it.expect("a path").to_string() == "relay"));
    assert!(world.exchange_media(Duration::from_millis(200)).is_some());
}
