//! What can be wrong, by whose fault it is.

use headwater_stun::ParseError;
use thiserror::Error;

/// Why a datagram or a command was refused. The state is then unchanged, and nothing is sent.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes are not a proper STUN message.
    #[error("malformed message")]
    Malformed(#[from] ParseError),
    /// Credentials are missing, unknown or wrong. There is never an answer to that.
    #[error("credentials are missing, unknown or wrong")]
    Unauthentic,
    /// A transaction id that was already used from another address: somebody repeats what he overheard.
    #[error("a repeated message from another address")]
    Replayed,
    /// A proper message that the agent doesn't wait for.
    #[error("unexpected message")]
    Unexpected,
    /// The datagram came to an address that no local candidate has.
    #[error("no local candidate has this address")]
    UnknownLocalAddress,
    /// A bound on what waits to be polled is reached.
    #[error("too much waits to be polled")]
    Overloaded,
    /// The bound on candidates is reached.
    #[error("too many candidates")]
    TooManyCandidates,
    /// Credentials break RFC 8839 §5.4.
    #[error(transparent)]
    InvalidCredentials(CredentialsError),
    /// A payload that no frame can hold.
    #[error("too long for a frame")]
    TooLong,
    /// The agent is closed.
    #[error("closed")]
    Closed,
}

/// A configuration that can't be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// See [`CredentialsError`].
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The named field is out of the range its documentation gives.
    #[error("`{0}` is out of range")]
    OutOfRange(&'static str),
}

/// A ufrag or password that RFC 8839 §5.4 doesn't allow.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialsError {
    /// The ufrag has less than 4 or more than 256 characters, or one that isn't a letter, a digit, `+` or `/`.
    #[error("a ufrag has 4 to 256 letters, digits, + and /")]
    Ufrag,
    /// The password has less than 22 or more than 256 characters, or one that isn't a letter, a digit, `+` or `/`.
    #[error("a password has 22 to 256 letters, digits, + and /")]
    Password,
}

/// What is wrong with the text of a candidate.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CandidateError {
    /// Longer than a candidate can be.
    #[error("the line is too long")]
    TooLong,
    /// The text ends before this field.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// The value of this field breaks RFC 8839 §5.1.
    #[error("`{0}` is malformed")]
    Bad(&'static str),
}
