//! Fetching ahead what the next viewers need. A frame goes to each viewer once, and until the next one the kernel's work
//! for all the others has pushed a viewer's state out of the cache. Serving one after the other means waiting for memory
//! a dozen times for each; asked for in time, it is there.

use std::mem::offset_of;

use headwater_srtp::Context;
use slab::Slab;

use crate::broadcast::Broadcast;
use crate::config::Prefetch;
use crate::forward::Forwarder;
use crate::peer::{Peer, Role};
use crate::peer_id::PeerId;
use crate::publisher::Publisher;
use crate::track::Track;
use crate::viewer::{Line, Viewer};

/// Viewers are looked ahead at in groups: what does not depend on each other is fetched at the same time.
pub(crate) const GROUP: usize = 4;

/// A round stands before a group of viewers. What one finds by a pointer must itself have been fetched before, hence three
/// steps, each a group further ahead than the next.
pub(crate) fn look_ahead(prefetch: Prefetch, peers: &Slab<(u32, Peer)>, broadcast: &Broadcast, round: usize) {
    let round = &broadcast.rounds[round];
    let fetch = |first: usize, groups: usize, step: &dyn Fn(&u32, &Peer)| {
        for id in round.ahead(&broadcast.viewers, first * GROUP..(first + groups) * GROUP) {
            let PeerId { index, .. } = id;
            if let Some((serial, peer)) = peers.get(index as usize) {
                step(serial, peer);
            }
        }
    };
    let outer = |serial: &u32, peer: &Peer| fetch_peer(prefetch, serial, peer);
    let middle = |_: &u32, peer: &Peer| fetch_viewer(prefetch, peer);
    let inner = |_: &u32, peer: &Peer| fetch_lines(prefetch, peer);
    if round.has_just_begun() {
        fetch(0, 3, &outer);
        fetch(0, 2, &middle);
    } else {
        fetch(2, 1, &outer);
        fetch(1, 1, &middle);
    }
    fetch(0, 1, &inner);
}

/// A round over the viewers begins soon: what is found without a pointer is fetched by then.
pub(crate) fn look_at_audience(
    prefetch: Prefetch,
    peers: &Slab<(u32, Peer)>,
    broadcast: &Broadcast,
    round: usize,
) {
    let round = &broadcast.rounds[round];
    if round.has_just_begun() {
        for PeerId { index, .. } in round.ahead(&broadcast.viewers, 0..3 * GROUP) {
            if let Some((serial, peer)) = peers.get(index as usize) {
                fetch_peer(prefetch, serial, peer);
            }
        }
    }
}

/// A publisher's packet has come. While it is opened, what will be needed to store it is fetched.
pub(crate) fn look_at_publisher(prefetch: Prefetch, peer: &Peer, tracks: &[Track]) {
    let Role::Publisher(publisher) = &peer.role else { return };
    head_of(prefetch, &**publisher, size_of::<Publisher>());
    for track in tracks {
        head_of(prefetch, track, size_of::<Track>());
    }
    if let Some(srtp) = &peer.srtp {
        head_of(prefetch, &srtp.inbound, size_of::<Context>());
        srtp.inbound.for_each_region(prefetch);
    }
    publisher.for_each_region(prefetch);
    for track in tracks {
        track.history.for_each_region(prefetch);
    }
}

/// The beginning of something.
fn head_of<T>(prefetch: Prefetch, value: &T, bytes: usize) {
    prefetch(std::ptr::from_ref(value).cast(), bytes);
}

fn fetch_peer(prefetch: Prefetch, serial: &u32, peer: &Peer) {
    const HOT: usize = offset_of!(Peer, srtp) + size_of::<Context>();
    head_of(prefetch, serial, size_of::<u32>());
    head_of(prefetch, peer, HOT);
}

fn fetch_viewer(prefetch: Prefetch, peer: &Peer) {
    if let Role::Viewer(viewer) = &peer.role {
        head_of(prefetch, &**viewer, Viewer::HOT);
    }
    if let Some(srtp) = &peer.srtp {
        srtp.outbound.for_each_region(prefetch);
    }
}

fn fetch_lines(prefetch: Prefetch, peer: &Peer) {
    if let Role::Viewer(viewer) = &peer.role {
        for line in viewer.lines() {
            head_of(prefetch, line, offset_of!(Line, forwarder) + Forwarder::HOT);
        }
    }
}
