//! Which indices were seen: a sliding window (RFC 3711 §3.3.2).

/// How many packets back a late one is still accepted. NACK at high bitrates needs far more than the RFC's 64.
pub const REPLAY_WINDOW: u64 = 1024;

const WORDS: usize = (REPLAY_WINDOW / 64) as usize;

/// The newest index seen and, for it and the 1,023 before it, a bit at `index % 1024`.
pub(crate) struct ReplayWindow {
    highest: u64,
    seen: [u64; WORDS],
}

impl ReplayWindow {
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
        index > self.highest || (self.highest - index < REPLAY_WINDOW && !self.is_marked(index))
    }

    /// Remembers `index`, which `allows` let through.
    pub(crate) fn record(&mut self, index: u64) {
        if index > self.highest {
            // Each place that now stands for a newer index forgets its old one.
            if index - self.highest >= REPLAY_WINDOW {
                self.seen = [0; WORDS];
            } else {
                (self.highest + 1..=index).for_each(|newer| self.unmark(newer));
            }
            self.highest = index;
        }
        self.mark(index);
    }

    fn place(index: u64) -> (usize, u64) {
        let place = index % REPLAY_WINDOW;
        ((place / 64) as usize, 1 << (place % 64))
    }

    fn is_marked(&self, index: u64) -> bool {
        let (word, bit) = Self::place(index);
        self.seen[word] & bit != 0
    }

    fn mark(&mut self, index: u64) {
        let (word, bit) = Self::place(index);
        self.seen[word] |= bit;
    }

    fn unmark(&mut self, index: u64) {
        let (word, bit) = Self::place(index);
        self.seen[word] &= !bit;
    }
}
