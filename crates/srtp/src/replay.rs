//! Which indices were seen: a sliding window (RFC 3711 §3.3.2).

/// How many packets back a late RTP packet is still accepted (RFC 3711 §3.3.2 wants 64 at least).
///
/// A sender without RTX answers a NACK with the packet as it was, so the window has to hold a round trip or two of
/// packets: at 50 Mbit/s, 5,200 packets a second, 4,096 are 790 ms. It costs 512 bytes for each SSRC received.
pub const REPLAY_WINDOW: u64 = RECEIVED_RTP as u64 * 64;

/// How many packets back a late SRTCP packet is still accepted. A peer sends some dozens a second, and none again.
pub const RTCP_REPLAY_WINDOW: u64 = RECEIVED_RTCP as u64 * 64;

/// How many packets back a sender may still fill a gap. Farther back it could not tell whether it would use an index twice.
pub const SEND_WINDOW: u64 = SENT_RTP as u64 * 64;

/// Sizes in words of 64 packets.
pub(crate) const RECEIVED_RTP: usize = 64;
pub(crate) const RECEIVED_RTCP: usize = 2;
pub(crate) const SENT_RTP: usize = 16;

const BITS: u64 = u64::BITS as u64;

/// The newest index seen and, for it and the `64 * WORDS - 1` before it, a bit at `index % (64 * WORDS)`.
pub(crate) struct ReplayWindow<const WORDS: usize> {
    highest: u64,
    seen: [u64; WORDS],
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    const SIZE: u64 = WORDS as u64 * BITS;

    pub(crate) fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WORDS] };
        window.mark(index);
        window
    }

    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether `index` is new and not too old.
    pub(crate) fn allows(&self, index: u64) -> bool {
        index > self.highest || (self.highest - index < Self::SIZE && !self.is_marked(index))
    }

    /// Remembers `index`, which `allows` let through. However far it lies ahead, each word is touched once at most.
    pub(crate) fn record(&mut self, index: u64) {
        if index > self.highest {
            self.forget(self.highest + 1, index);
            self.highest = index;
        }
        self.mark(index);
    }

    /// Each place that now stands for a newer index, `first` to `last`, forgets its old one.
    fn forget(&mut self, first: u64, last: u64) {
        if last - first >= Self::SIZE {
            self.seen = [0; WORDS];
            return;
        }
        for word in first / BITS..=last / BITS {
            let from = if word == first / BITS { first % BITS } else { 0 };
            let to = if word == last / BITS { last % BITS } else { BITS - 1 };
            self.seen[word as usize % WORDS] &= !(!0 << from & !0 >> (BITS - 1 - to));
        }
    }

    fn place(index: u64) -> (usize, u64) {
        ((index / BITS) as usize % WORDS, 1 << (index % BITS))
    }

    fn is_marked(&self, index: u64) -> bool {
        let (word, bit) = Self::place(index);
        self.seen[word] & bit != 0
    }

    fn mark(&mut self, index: u64) {
        let (word, bit) = Self::place(index);
        self.seen[word] |= bit;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the set of all indices seen.
        #[test]
        fn a_window_allows_what_is_new_and_not_too_old(
            start in 0_u64..1 << 47,
            steps in prop::collection::vec(-300_i64..400, 1..500),
        ) {
            let mut window = ReplayWindow::<4>::starting_at(start);
            let mut seen = BTreeSet::from([start]);
            let mut position = start;
            for step in steps {
                position = position.saturating_add_signed(step);
                let newest = *seen.last().unwrap();
                prop_assert_eq!(window.highest(), newest);
                let is_allowed = position + 256 > newest && !seen.contains(&position);
                prop_assert_eq!(window.allows(position), is_allowed, "{} after {}", position, newest);
                if is_allowed {
                    window.record(position);
                    seen.insert(position);
                }
            }
        }
    }

    #[test]
    fn a_viewer_costs_no_window_of_the_size_that_a_publisher_needs() {
        assert_eq!(size_of::<ReplayWindow<RECEIVED_RTP>>(), 8 + 512);
        assert_eq!(size_of::<ReplayWindow<SENT_RTP>>(), 8 + 128);
        assert_eq!(size_of::<ReplayWindow<RECEIVED_RTCP>>(), 8 + 16);
    }
}
