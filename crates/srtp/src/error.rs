//! What can be wrong, by whose fault.

/// Why a packet or a key was refused. The context is then as it was before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no RTP or RTCP packet, or too short to carry a tag.
    #[error("malformed packet: {0}")]
    Malformed(#[from] ParseError),
    /// The authentication tag does not match: forged, damaged, or made with another key.
    #[error("the authentication tag does not match")]
    Unauthentic,
    /// The packet's index was seen before, or is older than the replay window.
    #[error("the packet was seen before or is older than the replay window")]
    Replayed,
    /// The sender was asked to use an index of this SSRC a second time, or one so old that it can't tell.
    #[error("the packet's index was used before on this SSRC, or is too old or too far ahead to tell")]
    IndexReused,
    /// [`MAX_STREAMS`](crate::MAX_STREAMS) SSRCs are known already and this one is not among them.
    #[error("too many SSRCs in one context")]
    TooManyStreams,
    /// The key's 2^48 RTP or 2^31 RTCP packets are used up (RFC 3711 §9.2).
    #[error("the key has protected as many packets as it may")]
    KeyExhausted,
    /// The master key does not have the length that the profile asks for.
    #[error("master key of {got} bytes where the profile needs {needed}")]
    KeyLength {
        /// Bytes the profile needs.
        needed: usize,
        /// Bytes given.
        got: usize,
    },
    /// The master salt does not have the length that the profile asks for.
    #[error("master salt of {got} bytes where the profile needs {needed}")]
    SaltLength {
        /// Bytes the profile needs.
        needed: usize,
        /// Bytes given.
        got: usize,
    },
}

/// What is wrong with a packet's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The packet ends before its header or its tag does.
    #[error("truncated: {needed} bytes needed, {got} there")]
    Truncated {
        /// Bytes needed at least.
        needed: usize,
        /// Bytes there.
        got: usize,
    },
    /// The packet is longer than a datagram can be.
    #[error("longer than any datagram")]
    TooLong,
    /// The first two bits are not RTP version 2.
    #[error("not RTP version 2")]
    BadVersion,
    /// A packet that is to be protected by Cryptex has the mark of one that is (RFC 9335 §5): no receiver could tell.
    #[error("the header extension says that it is encrypted already")]
    AlreadyEncrypted,
}
