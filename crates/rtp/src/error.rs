//! Why bytes were refused.

/// Why a piece of wire format was refused. Nothing of it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The input ends before the structure does.
    #[error("truncated: {needed} bytes needed, {got} given")]
    Truncated {
        /// Bytes that the structure needs, as far as it was read.
        needed: usize,
        /// Bytes that were there.
        got: usize,
    },
    /// The version field isn't 2 (RFC 3550 §5.1).
    #[error("RTP version is {0}, not 2")]
    BadVersion(u8),
    /// The padding count is zero or larger than the packet (RFC 3550 §5.1).
    #[error("impossible padding")]
    BadPadding,
    /// A length field contradicts the size of what holds it.
    #[error("impossible length")]
    BadLength,
    /// A fixed pattern (such as the name in a REMB message) isn't there.
    #[error("wrong magic")]
    BadMagic,
    /// A field has a value that the standard does not define.
    #[error("undefined value")]
    BadValue,
    /// More elements than our bound for this structure.
    #[error("more than {0} elements")]
    TooMany(usize),
}

impl ParseError {
    /// Checks that `bytes` has at least `needed` bytes.
    pub(crate) fn check_len(bytes: &[u8], needed: usize) -> Result<(), Self> {
        if bytes.len() < needed { Err(Self::Truncated { needed, got: bytes.len() }) } else { Ok(()) }
    }
}
