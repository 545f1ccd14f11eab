//! What is wrong with a text, and in which line.

/// Why a text is no session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
#[non_exhaustive]
pub struct Error {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

impl Error {
    pub(crate) fn new(line: usize, reason: Reason) -> Self {
        Self { line, reason }
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The text is longer than [`MAX_SIZE`](crate::MAX_SIZE).
    #[error("the description is longer than {} bytes", crate::MAX_SIZE)]
    TooLarge,
    /// The line is longer than [`MAX_LINE`](crate::MAX_LINE).
    #[error("the line is longer than {} bytes", crate::MAX_LINE)]
    LineTooLong,
    /// The line is not a letter, `=` and a value.
    #[error("not of the form `x=value`")]
    NotALine,
    /// The line contains a NUL byte.
    #[error("contains a NUL byte")]
    Nul,
    /// The first line is not `v=0`.
    #[error("a description begins with `v=0`")]
    NoVersion,
    /// The `m=` line lacks its port, protocol or formats.
    #[error("an `m=` line has a kind, a port, a protocol and at least one format")]
    MalformedMedia,
    /// There are more than [`MAX_MEDIA`](crate::MAX_MEDIA) `m=` lines.
    #[error("more than {} media sections", crate::MAX_MEDIA)]
    TooManyMedia,
    /// The `m=` line has more than [`MAX_FORMATS`](crate::MAX_FORMATS) formats.
    #[error("more than {} formats in one media section", crate::MAX_FORMATS)]
    TooManyFormats,
    /// The section has more than [`MAX_ATTRIBUTES`](crate::MAX_ATTRIBUTES) lines.
    #[error("more than {} lines in one section", crate::MAX_ATTRIBUTES)]
    TooManyAttributes,
}
