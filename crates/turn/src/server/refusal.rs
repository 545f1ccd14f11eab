//! Why a request is not served: the error response that it becomes.

use std::net::SocketAddr;

use headwater_stun::attribute::{ErrorCode, UnknownAttributes};
use headwater_stun::{Message, ParseError};

use crate::{ConnectError, RelayError, attribute};

pub(super) const FORBIDDEN: ErrorCode<'static> = code(403, "Forbidden");
pub(super) const MOBILITY_FORBIDDEN: ErrorCode<'static> = code(405, "Mobility Forbidden");
pub(super) const ALLOCATION_MISMATCH: ErrorCode<'static> = code(437, "Allocation Mismatch");
pub(super) const FAMILY_NOT_SUPPORTED: ErrorCode<'static> = code(440, "Address Family not Supported");
pub(super) const WRONG_CREDENTIALS: ErrorCode<'static> = code(441, "Wrong Credentials");
pub(super) const TRANSPORT_NOT_SUPPORTED: ErrorCode<'static> = code(442, "Unsupported Transport Protocol");
pub(super) const FAMILY_MISMATCH: ErrorCode<'static> = code(443, "Peer Address Family Mismatch");
pub(super) const CONNECTION_EXISTS: ErrorCode<'static> = code(446, "Connection Already Exists");
pub(super) const CONNECTION_FAILED: ErrorCode<'static> = code(447, "Connection Timeout or Failure");
pub(super) const QUOTA_REACHED: ErrorCode<'static> = code(486, "Allocation Quota Reached");
pub(super) const INSUFFICIENT_CAPACITY: ErrorCode<'static> = code(508, "Insufficient Capacity");

const fn code(number: u16, reason: &'static str) -> ErrorCode<'static> {
    ErrorCode::new(number, reason).expect("300 to 699")
}

/// An error response to an authentic request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode<'static>,
    /// UNKNOWN-ATTRIBUTES, beside 420.
    pub(super) unknown: UnknownAttributes,
    /// ALTERNATE-SERVER, beside 300.
    pub(super) alternate: Option<SocketAddr>,
}

impl Refusal {
    /// Sends the client to another server.
    pub(super) fn to_alternate(server: SocketAddr) -> Self {
        Self { alternate: Some(server), ..ErrorCode::TRY_ALTERNATE.into() }
    }

    /// The refusal of a request with attributes that must be understood and are not (RFC 8489 §6.3.1).
    pub(super) fn of_unknown(request: &Message<'_>) -> Result<(), Self> {
        let unknown: UnknownAttributes = request.unknown_required(attribute::is_known).collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(Self { unknown, ..ErrorCode::UNKNOWN_ATTRIBUTE.into() }),
        }
    }
}

impl From<ErrorCode<'static>> for Refusal {
    fn from(code: ErrorCode<'static>) -> Self {
        Self { code, unknown: UnknownAttributes::default(), alternate: None }
    }
}

impl From<ParseError> for Refusal {
    fn from(_: ParseError) -> Self {
        ErrorCode::BAD_REQUEST.into()
    }
}

impl From<RelayError> for ErrorCode<'static> {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Family => FAMILY_NOT_SUPPORTED,
            RelayError::Capacity => INSUFFICIENT_CAPACITY,
            RelayError::Quota => QUOTA_REACHED,
        }
    }
}

impl From<ConnectError> for ErrorCode<'static> {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Failed => CONNECTION_FAILED,
        }
    }
}
