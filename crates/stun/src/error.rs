//! What can be wrong, by whose fault it is.

use thiserror::Error;

use crate::AttributeType;

/// Bytes that are not what they should be.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Fewer bytes than the format needs.
    #[error("truncated: {needed} bytes needed, {got} there")]
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        got: usize,
    },
    /// More bytes than this place accepts.
    #[error("{got} bytes, at most {limit} accepted")]
    TooLong {
        /// Most bytes accepted.
        limit: usize,
        /// Bytes there.
        got: usize,
    },
    /// The length field of the header disagrees with the bytes, or is not a multiple of 4.
    #[error("the header's length is wrong")]
    BadLength,
    /// The two top bits or the magic cookie are not STUN's (RFC 8489 §5): other protocol, or classic STUN.
    #[error("not STUN")]
    BadMagic,
    /// An attribute's value breaks its format.
    #[error("attribute {0} is malformed")]
    BadAttribute(AttributeType),
    /// An attribute stands where it must not, such as FINGERPRINT before the end.
    #[error("attribute {0} is misplaced")]
    Misplaced(AttributeType),
    /// FINGERPRINT does not match the message.
    #[error("the fingerprint is wrong")]
    BadFingerprint,
}

/// Why a datagram or a command was refused. The state is then unchanged.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes are not a proper message.
    #[error("malformed message")]
    Malformed(#[from] ParseError),
    /// MESSAGE-INTEGRITY is missing or made with another key.
    #[error("message integrity is missing or wrong")]
    Unauthentic,
    /// A proper message that nobody here waits for.
    #[error("unexpected message")]
    Unexpected,
    /// The bound on open transactions is reached; the command can be repeated later.
    #[error("too many open transactions")]
    TooManyTransactions,
}

/// A configuration value out of its range.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The named field is out of the range its documentation gives.
    #[error("`{0}` is out of range")]
    OutOfRange(&'static str),
}
