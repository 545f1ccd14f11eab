//! `a=sendrecv`, `sendonly`, `recvonly`, `inactive` (RFC 8866 §6.7).

use core::fmt;

/// Which way media flows, seen from the side that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Direction {
    /// Both ways; also what no attribute means.
    SendRecv,
    /// From the writer only.
    SendOnly,
    /// To the writer only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction in which the writer sends, or receives, or both.
    pub fn from_flows(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::from_flows(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self::from_flows(self.sends() && other.sends(), self.receives() && other.receives())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        })
    }
}
