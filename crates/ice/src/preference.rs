//! The order of our own candidates: IPv6 and IPv4 in turn (RFC 8421).
//!
//! Where one family is broken, all its pairs must run into their timeouts. If they stood before all of the other
//! family's, a host with many addresses of the broken family would connect late.

use headwater_stun::Transport;

use crate::candidate::{Candidate, LOCAL_PREFERENCE};
use crate::{CandidateKind, TcpType};

/// Gives the candidates local preferences: within one kind and transport IPv6 and IPv4 in turn, IPv6 first, and the
/// members of a family in the order in which they stand. Names count as IPv6.
///
/// For all candidates of an agent at once, before any of them is signalled. Where candidates trickle in one by one, call
/// it with those that are there and keep what was signalled: pairs are ordered by whatever both sides signalled.
pub fn interleave(candidates: &mut [Candidate]) {
    type Group = (CandidateKind, Transport, Option<TcpType>);
    let group_of = |it: &Candidate| -> Group { (it.kind, it.transport, it.tcp_type) };
    // For each group how many of either family were met.
    let mut met: Vec<(Group, [u16; 2])> = Vec::new();
    let mut places = Vec::with_capacity(candidates.len());
    for candidate in &*candidates {
        let group = group_of(candidate);
        let index = met.iter().position(|it| it.0 == group).unwrap_or_else(|| {
            met.push((group, [0; 2]));
            met.len() - 1
        });
        let is_v4 = candidate.base().is_some_and(|it| it.is_ipv4());
        let Some((_, counts)) = met.get_mut(index) else { continue };
        let [v6, v4] = counts;
        let count = if is_v4 { v4 } else { v6 };
        places.push((index, is_v4, *count));
        *count = count.saturating_add(1);
    }
    for (candidate, (index, is_v4, place)) in candidates.iter_mut().zip(places) {
        let Some((_, [v6, v4])) = met.get(index) else { continue };
        let others = if is_v4 { *v6 } else { *v4 };
        // Before it stand those of its own family, and as many of the other one, plus one if that goes first.
        let before = place.saturating_add(others.min(place.saturating_add(u16::from(is_v4))));
        candidate.set_local_preference(LOCAL_PREFERENCE.saturating_sub(before));
    }
}
