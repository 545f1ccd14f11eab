//! Why a datagram or an offer was refused.

/// A datagram was refused; nothing changed but a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It belongs to no peer known here.
    #[error("no peer is known at this address")]
    Unrouted,
    /// Its sender could not be told from an impostor.
    #[error("the datagram did not authenticate")]
    Unauthentic,
    /// Its sender may not send this, or not now.
    #[error("the peer may not send this now")]
    Refused,
    /// It is of no protocol that we speak.
    #[error("no protocol has such a first byte")]
    Unknown,
}

/// An offer, answer or fragment was refused; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The stream's name is not one.
    #[error("`{0}` is no stream name: 1 to 64 letters, digits, `.`, `_` or `-`, not beginning with `.`")]
    InvalidName(String),
    /// The SDP cannot be used; the text says why.
    #[error("{0}")]
    InvalidOffer(String),
    /// Both sides have no codec in common; the text names theirs and ours.
    #[error("{0}")]
    NoCommonCodec(String),
    /// Nobody publishes this stream right now.
    #[error("the stream is not live")]
    NotLive,
    /// Somebody publishes this stream already.
    #[error("the stream has a publisher already")]
    AlreadyPublished,
    /// A limit is reached; the text names it.
    #[error("{0}")]
    LimitReached(&'static str),
    /// The fragment speaks of an ICE session that has been restarted since. Told by owners who tag sessions.
    #[error("the ICE session has been restarted since")]
    StaleEtag,
    /// There is no such session.
    #[error("there is no such session")]
    UnknownSession,
}
