//! The tables. How a peer is reached: `host` at its own address, `srflx` at the one that STUN told, `prflx` at one that
//! only checks found, `relay` at its TURN server; `/tcp` if it gets there over TCP.

use headwater_nat::{Surroundings, World};
use std::time::Duration;

/// The first side is in what stands to the left, the second in what stands above: how the first is reached, and how
/// the second. Without relays.
///
/// A symmetric NAT and one that filters by port don't meet: the one can't tell its port, the other must know it.
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

/// What is written between the bars, row by row.
fn cells(table: &str) -> Vec<Vec<String>> {
    let row = |line: &str| line.split('|').map(|it| it.trim().to_owned()).collect();
    table.trim_matches('\n').lines().map(row).collect()
}

/// The table of what happens.
fn table(world: impl Fn(Surroundings, Surroundings) -> World, longest: Duration) -> Vec<Vec<String>> {
    let mut heads: Vec<String> = Surroundings::ALL.iter().map(|it| format!("{it:?}")).collect();
    heads.insert(0, String::new());
    let mut rows = vec![heads];
    for first in Surroundings::ALL {
        let mut row = vec![format!("{first:?}")];
        for second in Surroundings::ALL {
            let mut world = world(first, second);
            let took = world.connect();
            row.push(match (took, world.reached()) {
                (Some(took), [Some(first_is), Some(second_is)]) => {
                    assert!(took <= longest, "{first:?} and {second:?} took {took:?}");
                    let flows = world.exchange_media(Duration::from_secs(1)).is_some();
                    assert!(flows, "no media between {first:?} and {second:?}");
                    format!("{first_is} {second_is}")
                }
                _ => "none".to_owned(),
            });
        }
        rows.push(row);
    }
    rows
}

#[test]
fn without_relays_these_pairs_meet() {
    let is = table(World::apart, Duration::from_secs(1));
    for (is, expected) in is.iter().zip(cells(DIRECT)) {
        assert_eq!(*is, expected);
    }
}
