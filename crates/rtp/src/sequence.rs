//! 16-bit sequence numbers and how to make 64-bit ones of them.

/// An RTP sequence number. It wraps, so it has no order of its own: compare by [`Self::distance_from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number `steps` later (earlier if negative).
    #[must_use]
    pub const fn offset(self, steps: i32) -> Self {
        Self(self.0.wrapping_add(steps as u16))
    }

    /// Steps from `earlier` to this one by the shorter way round; negative if this one is older.
    pub const fn distance_from(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }

    /// Whether this one comes after `other` by the shorter way round.
    pub const fn is_newer_than(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

impl From<u16> for SequenceNumber {
    fn from(value: u16) -> Self {
        Self(value)
    }
}

impl std::fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Extends 16-bit numbers to 64 bits: each is taken as close as possible to the one before.
///
/// The first gets `1 << 16` added, so that packets from before it have a place too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapper {
    last: Option<u64>,
}

impl Unwrapper {
    /// An unwrapper that has seen nothing.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The extended number of `sequence_number`; its lower 16 bits are `sequence_number`.
    pub fn unwrap(&mut self, sequence_number: SequenceNumber) -> u64 {
        let extended = self.peek(sequence_number);
        self.last = Some(extended);
        extended
    }

    /// As [`Self::unwrap`], but without remembering it.
    pub fn peek(&self, sequence_number: SequenceNumber) -> u64 {
        let Some(last) = self.last else { return (1 << 16) + u64::from(sequence_number.0) };
        let distance = sequence_number.distance_from(SequenceNumber(last as u16));
        // Below zero there is no number: then it is taken as the next lap.
        last.checked_add_signed(i64::from(distance)).unwrap_or_else(|| u64::from(sequence_number.0))
    }
}
