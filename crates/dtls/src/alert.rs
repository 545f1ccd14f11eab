//! Alerts (RFC 5246 §7.2): | level (8) | description (8) |

use std::fmt;

use crate::ParseError;
use crate::wire::Reader;

/// An alert's description, by its IANA number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert(pub u8);

#[allow(missing_docs)] // the RFC's own names
impl Alert {
    pub const CLOSE_NOTIFY: Self = Self(0);
    pub const UNEXPECTED_MESSAGE: Self = Self(10);
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    pub const BAD_CERTIFICATE: Self = Self(42);
    pub const UNSUPPORTED_CERTIFICATE: Self = Self(43);
    pub const ILLEGAL_PARAMETER: Self = Self(47);
    pub const DECODE_ERROR: Self = Self(50);
    pub const DECRYPT_ERROR: Self = Self(51);
    pub const PROTOCOL_VERSION: Self = Self(70);
    pub const INTERNAL_ERROR: Self = Self(80);
    pub const USER_CANCELED: Self = Self(90);
    pub const NO_RENEGOTIATION: Self = Self(100);
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::CLOSE_NOTIFY => "close_notify",
            Self::UNEXPECTED_MESSAGE => "unexpected_message",
            Self::HANDSHAKE_FAILURE => "handshake_failure",
            Self::BAD_CERTIFICATE => "bad_certificate",
            Self::UNSUPPORTED_CERTIFICATE => "unsupported_certificate",
            Self::ILLEGAL_PARAMETER => "illegal_parameter",
            Self::DECODE_ERROR => "decode_error",
            Self::DECRYPT_ERROR => "decrypt_error",
            Self::PROTOCOL_VERSION => "protocol_version",
            Self::INTERNAL_ERROR => "internal_error",
            Self::USER_CANCELED => "user_canceled",
            Self::NO_RENEGOTIATION => "no_renegotiation",
            Self(other) => return write!(f, "alert {other}"),
        };
        f.write_str(name)
    }
}

/// An alert as it stands in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertMessage {
    /// Whether it ends the connection. `close_notify` does so at either level.
    pub is_fatal: bool,
    /// What it says.
    pub description: Alert,
}

impl AlertMessage {
    /// A fatal alert.
    #[must_use]
    pub fn fatal(description: Alert) -> Self {
        Self { is_fatal: true, description }
    }

    /// A warning; the level that `close_notify` has.
    #[must_use]
    pub fn warning(description: Alert) -> Self {
        Self { is_fatal: false, description }
    }

    /// Reads the content of an alert record.
    ///
    /// # Errors
    /// [`ParseError`] unless it is two bytes with a known level.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let is_fatal = match reader.u8()? {
            1 => false,
            2 => true,
            _ => return Err(ParseError::BadValue),
        };
        let description = Alert(reader.u8()?);
        reader.finish()?;
        Ok(Self { is_fatal, description })
    }

    /// The content of an alert record.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 2] {
        [if self.is_fatal { 2 } else { 1 }, self.description.0]
    }
}
