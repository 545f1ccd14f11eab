//! Which pair connects by which candidates. The first side is in what stands to the left, the second in what stands
//! above. A cell says how the first is reached, and how the second: `host` at its own address, `srflx` at the one that
//! STUN told, `prflx` at one that only checks found, `relay` at its TURN server, to which it speaks UDP, and `relay/tcp`,
//! to which it speaks TCP at port 443.

use crate::text::assert_table;
use headwater_nat::{Surroundings, World};
use headwater_netsim::Link;
use std::time::Duration;

/// Without relays. A symmetric NAT and one that filters by port don't meet: the one can't tell its port, and the other
/// must know it.
const DIRECT: &str = "
                  | Open        | FullCone    | AddressRestricted | PortRestricted | Symmetric   | UdpBlocked | Only443
Open              | host host   | host srflx  | host srflx        | host srflx     | host prflx  | none       | none
FullCone          | srflx host  | srflx srflx | srflx srflx       | srflx srflx    | srflx prflx | none       | none
AddressRestricted | srflx host  | srflx srflx | srflx srflx       | srflx srflx    | srflx prflx | none       | none
PortRestricted    | srflx host  | srflx srflx | srflx srflx       | srflx srflx    | none        | none       | none
Symmetric         | prflx host  | prflx srflx | prflx srflx       | none           | none        | none       | none
UdpBlocked        | none        | none        | none              | none           | none        | none       | none
Only443           | none        | none        | none              | none           | none        | none       | none
";

/// With relays everybody meets, and nobody is relayed who need not be. One relay is enough unless both sides have no
/// UDP. (Between no UDP and a symmetric NAT there are two when the side without UDP controls: the check that would find
/// the shorter path is repeated after half a second, and the agent nominates after three tenths.)
const RELAYED: &str = "
                  | Open           | FullCone        | AddressRestricted | PortRestricted  | Symmetric       | UdpBlocked          | Only443
Open              | host host      | host srflx      | host srflx        | host srflx      | host prflx      | host relay/tcp      | host relay/tcp
FullCone          | srflx host     | srflx srflx     | srflx srflx       | srflx srflx     | srflx prflx     | srflx relay/tcp     | srflx relay/tcp
AddressRestricted | srflx host     | srflx srflx     | srflx srflx       | srflx srflx     | srflx prflx     | srflx relay/tcp     | srflx relay/tcp
PortRestricted    | srflx host     | srflx srflx     | srflx srflx       | srflx srflx     | srflx relay     | srflx relay/tcp     | srflx relay/tcp
Symmetric         | prflx host     | prflx srflx     | prflx srflx       | prflx relay     | prflx relay     | prflx relay/tcp     | prflx relay/tcp
UdpBlocked        | relay/tcp host | relay/tcp srflx | relay/tcp srflx   | relay/tcp srflx | relay/tcp relay | relay/tcp relay/tcp | relay/tcp relay/tcp
Only443           | relay/tcp host | relay/tcp srflx | relay/tcp srflx   | relay/tcp srflx | relay/tcp relay | relay/tcp relay/tcp | relay/tcp relay/tcp
";

/// Connects, checks that media gets through, and tells how.
fn outcome(first: Surroundings, second: Surroundings, relays: bool) -> String {
    let mut world = World::apart(first, second, relays);
    let Some(took) = world.connect() else { return "none".to_owned() };
    assert!(took <= Duration::from_secs(1), "{first:?} and {second:?} took {took:?}");
    let [Some(first_is), Some(second_is)] = world.reached() else { panic!("connected without a path") };
    let flows = world.exchange_media(Duration::from_millis(200)).is_some();
    assert!(flows, "no media between {first:?} and {second:?}");
    format!("{first_is} {second_is}")
}

#[test]
fn without_relays_these_pairs_meet() {
    assert_table(DIRECT, &Surroundings::ALL, |first, second| outcome(first, second, false));
}

#[test]
fn with_relays_all_pairs_meet() {
    assert_table(RELAYED, &Surroundings::ALL, |first, second| outcome(first, second, true));
}

/// Loss and disorder cost time, and sometimes the better path, but no connection.
#[test]
fn over_a_poor_link_all_pairs_meet_too() {
    for first in Surroundings::ALL {
        for second in Surroundings::ALL {
            let mut world = World::apart(first, second, true);
            world.net.set_link(Link::mobile().loss(0.05));
            let took = world.connect().unwrap_or_else(|| panic!("{first:?} and {second:?} don't meet"));
            assert!(took <= Duration::from_secs(5), "{first:?} and {second:?} took {took:?}");
            let flows = world.exchange_media(Duration::from_secs(2)).is_some();
            assert!(flows, "no media between {first:?} and {second:?}");
        }
    }
}

#[test]
fn firewalls_without_translation_open_to_the_checks_of_both_sides() {
    let mut world = World::behind_firewalls();
    let took = world.connect().expect("connects");
    assert!(took <= Duration::from_secs(1), "took {took:?}");
    assert_eq!(world.reached().map(|it| it.expect("a path").to_string()), ["host", "host"]);
    assert!(world.exchange_media(Duration::from_millis(200)).is_some());
}
