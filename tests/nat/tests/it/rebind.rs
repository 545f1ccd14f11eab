//! Two peers, and the NAT of the first is rebound in mid-session.

use crate::text::assert_table;
use headwater_nat::{FIRST, SECOND, Surroundings, World};
use std::time::Duration;

/// Rows: whose NAT is rebound. `heals`: media flows again within 6 s without a word by signalling but candidates. Checks
/// show the new address, or another pair takes over; a relay over UDP goes along (RFC 8016), one over TCP is made anew.
/// Where the other side's NAT keeps out the new address, that is the pair over the relay, which both sides check when the
/// direct one is silent. `restart`: only an ICE restart helps; there is no such pair of NATs.
const REBOUND: &str = "
                  | Open  | FullCone | AddressRestricted | PortRestricted | Symmetric | UdpBlocked | Only443
FullCone          | heals | heals    | heals             | heals          | heals     | heals      | heals
AddressRestricted | heals | heals    | heals             | heals          | heals     | heals      | heals
PortRestricted    | heals | heals    | heals             | heals          | heals     | heals      | heals
Symmetric         | heals | heals    | heals             | heals          | heals     | heals      | heals
UdpBlocked        | heals | heals    | heals             | heals          | heals     | heals      | heals
Only443           | heals | heals    | heals             | heals          | heals     | heals      | heals
";

/// The longest that healing takes: the next consent check is at most 6 s away.
const HEALED: Duration = Duration::from_secs(6);
/// The longest that a restart takes.
const RESTARTED: Duration = Duration::from_secs(1);

#[test]
fn a_rebound_peer_is_found_again_or_by_a_restart() {
    assert_table(REBOUND, &Surroundings::ALL[1..], |first, second| {
        let mut world = World::apart(first, second, true);
        world.connect().expect("all pairs meet");
        world.advance(Duration::from_secs(2));
        let nat = world.nats[FIRST].expect("it is behind one");
        world.net.rebind(nat);
        let heals = world.exchange_media(HEALED).is_some();
        if !heals {
            world.restart();
            assert!(world.exchange_media(RESTARTED).is_some(), "{first:?} and {second:?} are lost");
        }
        // It lasts longer than consent to what was before.
        world.advance(Duration::from_secs(35));
        for side in [FIRST, SECOND] {
            let peer = world.peer(side);
            assert!(peer.is_nominated() && !peer.has_failed(), "{first:?} and {second:?}: {side}");
        }
        assert!(world.exchange_media(Duration::from_millis(200)).is_some(), "{first:?} and {second:?}");
        if heals { "heals" } else { "restart" }.to_owned()
    });
}
