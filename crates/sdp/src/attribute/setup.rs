//! `a=setup` (RFC 4145 §4, RFC 8842 §5): who begins the DTLS handshake.

use core::fmt;

/// The writer's part in the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setup {
    /// The writer is the DTLS client.
    Active,
    /// The writer is the DTLS server.
    Passive,
    /// The answerer chooses.
    ActPass,
    /// No connection for now.
    HoldConn,
}

impl Setup {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            "actpass" => Some(Self::ActPass),
            "holdconn" => Some(Self::HoldConn),
            _ => None,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        })
    }
}
