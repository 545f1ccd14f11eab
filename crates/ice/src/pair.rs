//! A local and a remote candidate that are checked together (RFC 8445 §6.1.2).
//!
//! ```text
//!  Frozen → Waiting → InProgress → Succeeded
//!              ↑           ↓
//!              └──────── Failed      (a check of the peer revives it)
//! ```
//! Over TCP the side that is active opens a connection first: Waiting → Connecting → InProgress.

use std::time::{Duration, Instant};

use headwater_stun::Transport;

use crate::check::{Nominating, Transaction};
use crate::{Path, Role};

/// Within this time a connection opens where nothing is swallowed.
const OPENS_IN: Duration = Duration::from_millis(500);

/// Names a pair for as long as its checklist lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairId(pub(crate) u32);

/// What became of a pair so far.
#[derive(Debug)]
pub(crate) enum State {
    /// Waits for another pair of its foundation.
    Frozen,
    /// May be checked.
    Waiting,
    /// Its connection is being opened, since then.
    Connecting(Instant),
    /// A check is under way.
    InProgress(Transaction),
    /// A check was answered; the pair may carry media.
    Succeeded {
        /// When the last check was answered.
        at: Instant,
        /// A further check that nominates it.
        nominating: Option<Transaction>,
    },
    /// No answer, or a bad one.
    Failed,
}

/// A pair.
#[derive(Debug)]
pub(crate) struct CandidatePair {
    pub(crate) id: PairId,
    /// Where its datagrams go; `local` is the local candidate's base.
    pub(crate) path: Path,
    pub(crate) local_priority: u32,
    pub(crate) remote_priority: u32,
    /// Both foundations, as one number.
    pub(crate) foundation: u64,
    pub(crate) state: State,
    /// The peer nominated it before we had checked it (RFC 8445 §7.3.1.5).
    pub(crate) nominated_by_peer: Nominating,
    /// For an active local candidate the path without the port of the connection, to open it again.
    pub(crate) to_connect: Option<Path>,
    /// How long the answer to a check of ours took.
    pub(crate) round_trip: Option<Duration>,
    /// By a TURN server, on either side.
    pub(crate) is_relayed: bool,
}

impl CandidatePair {
    /// RFC 8445 §6.1.2.3: `2^32 × min(G, D) + 2 × max(G, D) + (G > D)`, G being the controlling side's priority.
    pub(crate) fn priority(&self, role: Role) -> u64 {
        let (g, d) = match role {
            Role::Controlling => (self.local_priority, self.remote_priority),
            Role::Controlled => (self.remote_priority, self.local_priority),
        };
        (u64::from(g.min(d)) << 32) + 2 * u64::from(g.max(d)) + u64::from(g > d)
    }

    /// The check that waits for an answer.
    pub(crate) fn transaction(&self) -> Option<&Transaction> {
        match &self.state {
            State::InProgress(it) | State::Succeeded { nominating: Some(it), .. } => Some(it),
            _ => None,
        }
    }

    pub(crate) fn transaction_mut(&mut self) -> Option<&mut Transaction> {
        match &mut self.state {
            State::InProgress(it) | State::Succeeded { nominating: Some(it), .. } => Some(it),
            _ => None,
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        matches!(self.state, State::Succeeded { .. })
    }

    /// Whether it may still become valid.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Frozen | State::Waiting | State::Connecting(_) | State::InProgress(_))
    }

    /// What matters more than the order of addresses: UDP is better than TCP, and anything better than a relay.
    pub(crate) fn directness(&self) -> u8 {
        match (self.is_relayed, self.path.transport) {
            (true, _) => 0,
            (false, Transport::Tcp) => 1,
            (false, _) => 2,
        }
    }

    /// When its check, or its connection, has had a chance although one datagram was lost: an answer takes `answer`.
    /// `None` if it was not begun.
    pub(crate) fn chance_ends(&self, answer: Duration) -> Option<Instant> {
        match &self.state {
            State::InProgress(check) => Some(check.repeated_at() + answer),
            State::Connecting(since) => Some(*since + OPENS_IN + answer),
            _ => None,
        }
    }

    /// Whether a TCP connection is open for it, or being opened.
    pub(crate) fn has_connection(&self) -> bool {
        self.path.transport == Transport::Tcp
            && !matches!(self.state, State::Failed)
            && (matches!(self.state, State::Connecting(_)) || !self.needs_connection())
    }

    /// Whether a connection must be opened before a check can go out.
    pub(crate) fn needs_connection(&self) -> bool {
        self.to_connect == Some(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_compute_the_same_priority() {
        let address = "192.0.2.1:1".parse().expect("an address");
        let pair = |local_priority, remote_priority| CandidatePair {
            id: PairId(0),
            path: Path::new(Transport::Udp, address, address),
            local_priority,
            remote_priority,
            foundation: 0,
            state: State::Frozen,
            nominated_by_peer: Nominating::No,
            to_connect: None,
            round_trip: None,
            is_relayed: false,
        };
        let ours = pair(7, 5).priority(Role::Controlling);
        assert_eq!(ours, (5 << 32) + 14 + 1);
        assert_eq!(pair(5, 7).priority(Role::Controlled), ours);
    }
}
