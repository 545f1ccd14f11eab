//! Two peers, and the NAT of the first is rebound in mid-session.

use headwater_nat::{FIRST, Surroundings, World};
use std::time::Duration;

#[test]
fn print_rebind() {
    use Surroundings::*;
    for first in [FullCone, AddressRestricted, PortRestricted, Symmetric] {
        let mut row = format!("{first:?}");
        for second in [Open, FullCone, AddressRestricted, PortRestricted, Symmetric] {
            let mut world = World::apart(first, second);
            if world.connect().is_none() {
                row += " | none";
                continue;
            }
            world.advance(Duration::from_secs(10));
            assert!(world.exchange_media(Duration::from_millis(200)).is_some());
            world.net.rebind(world.nats[FIRST].unwrap());
            let took = world.exchange_media(Duration::from_secs(15));
            row += &format!(" | {took:?}");
            if took.is_none() {
                world.restart();
                let took = world.exchange_media(Duration::from_secs(15));
                row += &format!(" restart {took:?}");
            }
        }
        println!("{row}");
    }
}
