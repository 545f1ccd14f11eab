//! The window of sequence numbers already seen (RFC 6347 §4.1.2.6, RFC 9147 §4.5.1).

/// How far back a late record may be.
const WINDOW: u64 = 64;

/// One epoch's window. It moves only by records that were authenticated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplayWindow {
    /// One past the newest number seen.
    next: u64,
    /// Bit n: `next - 1 - n` was seen.
    seen: u64,
}

impl ReplayWindow {
    /// One past the newest number seen.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn is_new(&self, sequence_number: u64) -> bool {
        match self.next.checked_sub(sequence_number + 1) {
            None => true,
            Some(age) => age < WINDOW && self.seen & (1 << age) == 0,
        }
    }

    pub(crate) fn mark(&mut self, sequence_number: u64) {
        match self.next.checked_sub(sequence_number + 1) {
            None => {
                let advance = sequence_number + 1 - self.next;
                self.seen = if advance < WINDOW { self.seen << advance | 1 } else { 1 };
                self.next = sequence_number + 1;
            }
            Some(age) if age < WINDOW => self.seen |= 1 << age,
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReplayWindow;

    #[test]
    fn each_number_is_new_once_and_only_inside_the_window() {
        let mut window = ReplayWindow::default();
        for number in [0, 5, 3, 100, 99, 37, 1 << 47] {
            assert!(window.is_new(number), "{number}");
            window.mark(number);
            assert!(!window.is_new(number), "{number}");
        }
        let mut window = ReplayWindow::default();
        window.mark(100);
        assert!(!window.is_new(36));
        assert!(window.is_new(37));
        window.mark(163);
        assert!(!window.is_new(100));
        window.mark(164);
        assert!(!window.is_new(100));
    }
}
