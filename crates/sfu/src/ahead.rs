//! Fetching ahead what the next viewers need. A frame goes to each viewer once, and until the next one the kernel's work
//! for all the others has pushed a viewer's state out of the cache. Serving one after the other means waiting for memory
//! a dozen times for each; asked for in time, it is there.

use slab::Slab;

use crate::broadcast::Broadcast;
use crate::config::Prefetch;
use crate::peer::{Peer, Role};
use crate::peer_id::PeerId;

/// Viewers are looked ahead at in groups: what does not depend on each other is fetched at the same time.
pub(crate) const GROUP: usize = 4;

/// A round stands before a group of viewers. What one finds by a pointer must itself have been fetched before, hence three
/// steps, each a group further ahead than the next.
pub(crate) fn look_ahead(prefetch: Prefetch, peers: &Slab<(u32, Peer)>, broadcast: &Broadcast, round: usize) {
    let round = &broadcast.rounds[round];
    let fetch = |first: usize, groups: usize, step: &dyn Fn(&Peer)| {
        for id in round.ahead(&broadcast.viewers, first * GROUP..(first + groups) * GROUP) {
            let PeerId { index, .. } = id;
            if let Some((_, peer)) = peers.get(index as usize) {
                step(peer);
            }
        }
    };
    let (outer, middle) =
        (|peer: &Peer| fetch_peer(prefetch, peer), |peer: &Peer| fetch_viewer(prefetch, peer));
    let inner = |peer: &Peer| fetch_lines(prefetch, peer);
    if round.has_just_begun() {
        fetch(0, 3, &outer);
        fetch(0, 2, &middle);
    } else {
        fetch(2, 1, &outer);
        fetch(1, 1, &middle);
    }
    fetch(0, 1, &inner);
}

fn all_of<T>(prefetch: Prefetch, value: &T) {
    prefetch(std::ptr::from_ref(value).cast(), size_of::<T>());
}

fn fetch_peer(prefetch: Prefetch, peer: &Peer) {
    all_of(prefetch, &peer.role);
    all_of(prefetch, &peer.state);
    all_of(prefetch, &peer.path);
    all_of(prefetch, &peer.sent_bytes);
    all_of(prefetch, &peer.scheduled);
    all_of(prefetch, &peer.srtp);
}

fn fetch_viewer(prefetch: Prefetch, peer: &Peer) {
    if let Role::Viewer(viewer) = &peer.role {
        all_of(prefetch, &**viewer);
    }
    if let Some(srtp) = &peer.srtp {
        srtp.outbound.for_each_region(prefetch);
    }
}

fn fetch_lines(prefetch: Prefetch, peer: &Peer) {
    if let Role::Viewer(viewer) = &peer.role {
        for line in viewer.lines() {
            all_of(prefetch, &line.track);
            line.forwarder.for_each_region(prefetch);
        }
    }
}
