//! Which bytes of a message are there: of one that arrives in pieces, or of ours that the peer says it has.

/// The most separate pieces of one message that are told apart.
pub(crate) const MAX_RANGES: usize = 64;

/// Disjoint ranges, sorted, not touching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(usize, usize)>);

impl Ranges {
    /// Adds `start..end`. `false`, and nothing has changed, if that would make more than [`MAX_RANGES`].
    pub(crate) fn insert(&mut self, mut start: usize, mut end: usize) -> bool {
        let touching = |&(from, to): &(usize, usize)| from <= end && start <= to;
        let first = self.0.iter().position(touching);
        let Some(first) = first else {
            if self.0.len() >= MAX_RANGES {
                return false;
            }
            let at = self.0.partition_point(|range| range.0 < start);
            self.0.insert(at, (start, end));
            return true;
        };
        let count = self.0[first..].iter().take_while(|range| touching(range)).count();
        for (from, to) in self.0.drain(first..first + count) {
            start = start.min(from);
            end = end.max(to);
        }
        self.0.insert(first, (start, end));
        true
    }

    /// Whether the whole message of `len` bytes is there. An empty one is when its empty piece was inserted.
    pub(crate) fn is_whole(&self, len: usize) -> bool {
        self.0 == [(0, len)]
    }

    /// What is missing of a message of `len` bytes, in order.
    pub(crate) fn gaps(&self, len: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let starts = std::iter::once(0).chain(self.0.iter().map(|range| range.1));
        let ends = self.0.iter().map(|range| range.0).chain(std::iter::once(len));
        let is_new = self.0.is_empty();
        starts.zip(ends).filter(move |(start, end)| start < end || is_new && len == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_RANGES, Ranges};

    fn of(pieces: &[(usize, usize)]) -> Ranges {
        let mut ranges = Ranges::default();
        pieces.iter().for_each(|piece| assert!(ranges.insert(piece.0, piece.1)));
        ranges
    }

    #[test]
    fn pieces_join_in_any_order_and_what_is_left_are_the_gaps() {
        for (pieces, gaps) in [
            (&[][..], vec![(0, 100)]),
            (&[(0, 100)], vec![]),
            (&[(50, 100), (0, 50)], vec![]),
            (&[(0, 30), (70, 100), (20, 80)], vec![]),
            (&[(10, 20)], vec![(0, 10), (20, 100)]),
            (&[(90, 95), (10, 20), (15, 40)], vec![(0, 10), (40, 90), (95, 100)]),
            (&[(1, 2), (3, 4), (5, 6), (0, 7)], vec![(7, 100)]),
        ] {
            let ranges = of(pieces);
            assert_eq!(ranges.gaps(100).collect::<Vec<_>>(), gaps, "{pieces:?}");
            assert_eq!(ranges.is_whole(100), gaps.is_empty(), "{pieces:?}");
        }
        assert_eq!(Ranges::default().gaps(0).count(), 1, "an empty message that nobody has");
        assert!(!Ranges::default().is_whole(0));
        assert!(of(&[(0, 0)]).is_whole(0));
        assert_eq!(of(&[(0, 0)]).gaps(0).count(), 0);
    }

    #[test]
    fn the_number_of_pieces_is_bounded() {
        let mut ranges = Ranges::default();
        for piece in 0..MAX_RANGES {
            assert!(ranges.insert(4 * piece, 4 * piece + 1));
        }
        let before = ranges.clone();
        assert!(!ranges.insert(1000, 1001));
        assert_eq!(ranges, before);
        assert!(ranges.insert(1, 4), "what joins two is welcome");
    }
}
