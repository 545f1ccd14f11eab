//! Packets that leave as one message.

use headwater_srtp::Context;

use crate::forward::Forwarder;
use crate::track::{Kind, Track};

/// Segments of one burst, and its bytes: what one GSO message may carry at most.
const MAX_BURST_PACKETS: usize = 16;
/// Larger packets go one by one: Linux refuses segments that exceed the interface's MTU (EINVAL), and the burst would have
/// to be taken apart again.
const MAX_SEGMENT: usize = 1400;

/// Writes packets of a forwarder that leave as one message, of at most `budget` bytes if it is more than one.
pub(crate) fn write_burst(
    forwarder: &mut Forwarder,
    track: &Track,
    srtp: &mut Context,
    budget: usize,
    out: &mut Vec<u8>,
) -> Option<Burst> {
    let most = if track.kind == Kind::Video { MAX_BURST_PACKETS } else { 1 };
    let mut plan = forwarder.plan(track, srtp, most);
    if plan.segment > MAX_SEGMENT {
        plan.packets = 1;
    }
    let mut burst: Option<Burst> = None;
    for index in 0..plan.packets.max(1) {
        if burst.is_some_and(|burst| burst.total + burst.segment > budget) {
            break;
        }
        let pad_to = (index + 1 < plan.packets).then_some(plan.segment);
        let fit = Fit { segment: burst.map(|burst| burst.segment), pad_to };
        let Some(Written { len, padding }) = forwarder.next(track, srtp, fit, out) else { break };
        let burst = burst.get_or_insert(Burst { segment: len, total: 0, padding: 0 });
        burst.total += len;
        burst.padding += padding;
        // The first may be another than was planned with, if that was stepped over.
        if len < burst.segment || len > MAX_SEGMENT {
            break;
        }
    }
    burst
}

/// What a viewer gets next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// This, which was just written.
    Burst(Burst),
    /// Something, but not before the pacing rate lets it.
    Later,
    /// It has read everything.
    Nothing,
}

/// Packets of one size that lie one behind the other in the send buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Burst {
    /// Bytes of each packet; the last may be shorter.
    pub segment: usize,
    /// Bytes of all.
    pub total: usize,
    /// How many of them are padding.
    pub padding: usize,
}

/// How a packet must fit behind the first of a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fit {
    /// Bytes of each packet of the burst on the wire; only the last may be shorter. `None`: it is the first, and may be
    /// of any size.
    pub segment: Option<usize>,
    /// What it is padded to if it is a little shorter.
    pub pad_to: Option<usize>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Bytes of the packet.
    pub len: usize,
    /// How many of them are padding.
    pub padding: usize,
}

/// What the next packets look like from where a viewer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// How many of them go together.
    pub packets: usize,
    /// The size that all but the last are brought to.
    pub segment: usize,
}
