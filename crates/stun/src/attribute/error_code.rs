//! ERROR-CODE (RFC 8489 §14.8).
//!
//! ```text
//!  | 0 (21) | class (3) | number (8) | reason, UTF-8 |
//! ```

use super::shorten;
use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Most bytes of a reason.
const MAX_REASON_LEN: usize = 763;

/// Why a request was not served: 300 to 699, and a phrase for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    code: u16,
    reason: &'a str,
}

impl<'a> ErrorCode<'a> {
    /// Ask another server (RFC 8489 §10).
    pub const TRY_ALTERNATE: ErrorCode<'static> = ErrorCode { code: 300, reason: "Try Alternate" };
    /// Malformed.
    pub const BAD_REQUEST: ErrorCode<'static> = ErrorCode { code: 400, reason: "Bad Request" };
    /// Credentials missing or wrong.
    pub const UNAUTHENTICATED: ErrorCode<'static> = ErrorCode { code: 401, reason: "Unauthenticated" };
    /// An attribute that must be understood was not; UNKNOWN-ATTRIBUTES lists it.
    pub const UNKNOWN_ATTRIBUTE: ErrorCode<'static> = ErrorCode { code: 420, reason: "Unknown Attribute" };
    /// The nonce is no longer good; the response has a new one.
    pub const STALE_NONCE: ErrorCode<'static> = ErrorCode { code: 438, reason: "Stale Nonce" };
    /// Both ICE agents think they have the same role (RFC 8445 §7.3.1.1).
    pub const ROLE_CONFLICT: ErrorCode<'static> = ErrorCode { code: 487, reason: "Role Conflict" };
    /// The server failed; try again.
    pub const SERVER_ERROR: ErrorCode<'static> = ErrorCode { code: 500, reason: "Server Error" };

    /// A code with its reason. `None` outside 300 to 699.
    #[must_use]
    pub const fn new(code: u16, reason: &'a str) -> Option<Self> {
        match code {
            300..=699 => Some(Self { code, reason }),
            _ => None,
        }
    }

    /// The number, 300 to 699.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The phrase. Empty if it was not UTF-8: it is only for people, and some senders get it wrong.
    #[must_use]
    pub const fn reason(&self) -> &'a str {
        self.reason
    }
}

impl<'a> Attribute<'a> for ErrorCode<'a> {
    const TYPE: AttributeType = AttributeType(0x0009);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        let (&[_, _, class, number], reason) =
            raw.value.split_first_chunk().ok_or_else(|| raw.malformed())?;
        let class = u16::from(class & 0x07);
        if !(3..=6).contains(&class) || number > 99 || reason.len() > MAX_REASON_LEN {
            return Err(raw.malformed());
        }
        let reason = std::str::from_utf8(reason).unwrap_or_default();
        Ok(Self { code: class * 100 + u16::from(number), reason })
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        let [class, number] = [self.code / 100, self.code % 100].map(|part| part.to_be_bytes()[1]);
        out.extend_from_slice(&[0, 0, class, number]);
        out.extend_from_slice(shorten(self.reason, MAX_REASON_LEN).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_codes() {
        let id = TransactionId::new([0; 12]);
        let parse =
            |value: &'static [u8]| ErrorCode::parse(RawAttribute::new(ErrorCode::TYPE, value, id)).ok();
        assert_eq!(parse(b"\0\0\x04\x57Role Conflict"), Some(ErrorCode::ROLE_CONFLICT));
        assert_eq!(parse(b"\0\0\x04\x14").map(|it| it.code()), Some(420));
        assert_eq!(parse(b"\0\0\x04\x14\xFF\xFE").map(|it| it.reason()), Some(""), "not UTF-8");
        assert_eq!(parse(b"\0\0\x02\x14"), None, "class below 3");
        assert_eq!(parse(b"\0\0\x04\x64"), None, "number above 99");
        assert_eq!(parse(b"\0\0\x04"), None);
    }
}
