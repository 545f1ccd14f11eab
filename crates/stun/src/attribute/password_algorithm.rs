//! PASSWORD-ALGORITHM (RFC 8489 §14.12).
//!
//! ```text
//!  | algorithm (16) | length of parameters (16) | parameters, padded to a multiple of 4 |
//! ```

use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// How a long-term password becomes a key. Neither of the two known has parameters.
///
/// As an attribute: the one that the client chose from the server's list. A number that is neither is malformed,
/// since no server of ours offers another.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PasswordAlgorithm {
    /// [`Key::long_term_md5`](crate::Key::long_term_md5)
    Md5,
    /// [`Key::long_term_sha256`](crate::Key::long_term_sha256)
    Sha256,
}

impl PasswordAlgorithm {
    /// IANA's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha256 => 2,
        }
    }

    /// The algorithm of this number, if it is known.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithm {
    const TYPE: AttributeType = AttributeType(0x001D);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        let [n0, n1, l0, l1] = raw.array()?;
        match (Self::from_number(u16::from_be_bytes([n0, n1])), [l0, l1]) {
            (Some(algorithm), [0, 0]) => Ok(algorithm),
            _ => Err(raw.malformed()),
        }
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number().to_be_bytes());
        out.extend_from_slice(&[0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_algorithms() {
        let id = TransactionId::new([0; 12]);
        let parse = |value: &'static [u8]| {
            PasswordAlgorithm::parse(RawAttribute::new(PasswordAlgorithm::TYPE, value, id)).ok()
        };
        assert_eq!(parse(&[0, 1, 0, 0]), Some(PasswordAlgorithm::Md5));
        assert_eq!(parse(&[0, 2, 0, 0]), Some(PasswordAlgorithm::Sha256));
        assert_eq!(parse(&[0, 3, 0, 0]), None, "no such algorithm");
        assert_eq!(parse(&[0, 2, 0, 4, 1, 2, 3, 4]), None, "SHA-256 has no parameters");
        assert_eq!(parse(&[0, 2, 0, 4]), None);
        assert_eq!(parse(&[0, 2]), None);
    }
}
