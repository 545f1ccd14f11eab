//! What can be wrong, by whose fault it is.

use headwater_stun::ParseError;
use thiserror::Error;

/// Why a datagram or a command was refused. The state is then unchanged.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes are not a proper message.
    #[error("malformed message")]
    Malformed(#[from] ParseError),
    /// A proper message that nobody here waits for: a response, an unknown method's indication.
    #[error("unexpected message")]
    Unexpected,
    /// Data of a client without an allocation, or for a channel that is not bound.
    #[error("no allocation, or no such channel")]
    NotAllocated,
    /// Data to or from a peer without a permission.
    #[error("no permission for this peer")]
    NotPermitted,
    /// The peer's address is one that this server never sends to.
    #[error("this peer is forbidden")]
    Forbidden,
    /// More than the allocation, its user or its address may send now.
    #[error("over the bandwidth limit")]
    OverQuota,
    /// An answer without the proof that its request asked for.
    #[error("message integrity is missing or wrong")]
    Unauthentic,
    /// Options that exclude each other.
    #[error("options that exclude each other")]
    Contradictory,
    /// Poll transmits and events first; or the sender has had its share of answers.
    #[error("overloaded")]
    Overloaded,
}

/// A configuration value that can't be.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The named field is out of the range its documentation gives.
    #[error("`{0}` is out of range")]
    OutOfRange(&'static str),
    /// The text is not an address with a prefix length, as `192.0.2.0/24` or `2001:db8::1`.
    #[error("not a network: an address, and a prefix length behind a slash")]
    BadNetwork,
}
