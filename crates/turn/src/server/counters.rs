//! What a server counts, for its owner to publish.

use crate::Error;

/// The codes that a TURN server answers with.
const CODES: [u16; 18] =
    [300, 400, 401, 403, 405, 420, 437, 438, 440, 441, 442, 443, 446, 447, 486, 500, 508, 0];

/// Counts since the server was made. They only grow.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Allocations made.
    pub allocations_made: u64,
    /// Allocations that have ended, for any reason.
    pub allocations_ended: u64,
    /// Binding requests answered.
    pub bindings: u64,
    /// Requests with credentials that are wrong, unknown or expired.
    pub failed_authentications: u64,
    /// Answers not sent because their receiver had its share, and may not be the one who asked.
    pub withheld_answers: u64,
    /// Data of clients that was handed on to peers.
    pub to_peers: Traffic,
    /// Data of peers that was handed on to clients.
    pub to_clients: Traffic,
    /// Datagrams of clients that were refused.
    pub refused_from_clients: Drops,
    /// Datagrams of peers that were refused.
    pub refused_from_peers: Drops,
    /// Connections with peers that were spliced (RFC 6062).
    pub spliced: u64,
    /// Allocations that moved to another client address (RFC 8016).
    pub moved: u64,
    errors: [u64; CODES.len()],
}

/// Application data.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams.
    pub packets: u64,
    /// Their bytes, without headers.
    pub bytes: u64,
}

/// Datagrams that were refused, by the [`Error`] that said why.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// [`Error::Malformed`]
    pub malformed: u64,
    /// [`Error::Unexpected`]
    pub unexpected: u64,
    /// [`Error::NotAllocated`]
    pub not_allocated: u64,
    /// [`Error::NotPermitted`]
    pub not_permitted: u64,
    /// [`Error::Forbidden`]
    pub forbidden: u64,
    /// [`Error::OverQuota`]
    pub over_quota: u64,
    /// [`Error::Overloaded`]
    pub overloaded: u64,
}

impl Counters {
    /// How many error answers there were of each code that a TURN server has.
    pub fn errors(&self) -> impl Iterator<Item = (u16, u64)> + use<> {
        let errors = self.errors;
        CODES.into_iter().zip(errors).filter(|(code, _)| *code != 0)
    }

    /// How many error answers there were of this code.
    #[must_use]
    pub fn errors_of(&self, code: u16) -> u64 {
        self.errors().find(|(it, _)| *it == code).map_or(0, |(_, count)| count)
    }

    pub(super) fn note_error(&mut self, code: u16) {
        let place = CODES.iter().position(|it| *it == code).unwrap_or(CODES.len() - 1);
        self.errors[place] += 1;
    }
}

impl Traffic {
    pub(super) const fn note(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

impl Drops {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self { malformed, unexpected, not_allocated, not_permitted, forbidden, over_quota, overloaded } =
            self;
        *malformed + *unexpected + *not_allocated + *not_permitted + *forbidden + *over_quota + *overloaded
    }

    pub(super) const fn note(&mut self, why: Error) {
        let count = match why {
            Error::Malformed(_) => &mut self.malformed,
            // The last two are said by clients only.
            Error::Unexpected | Error::Unauthentic | Error::Contradictory => &mut self.unexpected,
            Error::NotAllocated => &mut self.not_allocated,
            Error::NotPermitted => &mut self.not_permitted,
            Error::Forbidden => &mut self.forbidden,
            Error::OverQuota => &mut self.over_quota,
            Error::Overloaded => &mut self.overloaded,
        };
        *count += 1;
    }
}
