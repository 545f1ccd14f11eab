//! Two peers behind one NAT.

use headwater_nat::{FIRST, SECOND, World};
use headwater_netsim::{Hairpinning, Nat};
use std::time::Duration;

#[test]
fn print_together() {
    let public = "203.0.113.1".parse().unwrap();
    for (name, nat) in [("full", Nat::full_cone(public)), ("addr", Nat::address_restricted(public)), ("port", Nat::port_restricted(public)), ("symm", Nat::symmetric(public))] {
        for hide in [false, true] {
        for hairpin in [Hairpinning::ExternalSource, Hairpinning::InternalSource, Hairpinning::None] {
            let mut world = World::together(nat.clone().hairpinning(hairpin));
            if hide {
                for side in [FIRST, SECOND] {
                    world.peer_mut(side).hide_hosts();
                }
            }
            let took = world.connect();
            let m = took.and_then(|_| world.exchange_media(Duration::from_millis(200)));
            println!("{name} {hairpin:?} hide {hide}: {took:?} {:?} {m:?}", world.reached().map(|it| it.map(|it| it.to_string())));
        }
        }
    }
}
