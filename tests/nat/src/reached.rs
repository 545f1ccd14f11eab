//! How a peer is reached, in the words of the tables.

use headwater_ice::CandidateKind;
use std::fmt;

/// How media gets to a peer: its candidate, as the other side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub(crate) kind: CandidateKind,
    pub(crate) over_tcp: bool,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            CandidateKind::Host => "host",
            CandidateKind::PeerReflexive => "prflx",
            CandidateKind::ServerReflexive => "srflx",
            _ => "relay",
        };
        write!(f, "{kind}{}", if self.over_tcp { "/tcp" } else { "" })
    }
}
