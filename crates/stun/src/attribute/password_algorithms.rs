//! PASSWORD-ALGORITHMS (RFC 8489 §14.11): one or more of what PASSWORD-ALGORITHM holds.

use crate::attribute::PasswordAlgorithm;
use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Most bytes accepted and sent: a client keeps them to send them back.
const MAX_LEN: usize = 128;

/// The algorithms that a server accepts, in its order of preference. Clients send the list back as it came, so
/// that the server notices if somebody shortened it on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordAlgorithms<'a>(&'a [u8]);

impl<'a> PasswordAlgorithms<'a> {
    /// Both known algorithms, SHA-256 preferred.
    pub const SHA256_AND_MD5: PasswordAlgorithms<'static> = PasswordAlgorithms(&[0, 2, 0, 0, 0, 1, 0, 0]);
    /// SHA-256 alone. Clients older than RFC 8489 don't look at the list and use MD5 all the same.
    pub const SHA256: PasswordAlgorithms<'static> = PasswordAlgorithms(&[0, 2, 0, 0]);

    /// A list as it stands in the attribute. `None` if it is empty, broken or longer than 128 bytes.
    #[must_use]
    pub fn from_bytes(value: &'a [u8]) -> Option<Self> {
        let mut rest = value;
        while !rest.is_empty() {
            rest = split(rest)?.2;
        }
        (!value.is_empty() && value.len() <= MAX_LEN).then_some(Self(value))
    }

    /// The list as it stands in the attribute.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The known algorithms of the list in its order. One with parameters is none that we know.
    pub fn known(&self) -> impl Iterator<Item = PasswordAlgorithm> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (number, parameters, next) = split(rest)?;
            rest = next;
            Some(PasswordAlgorithm::from_number(number).filter(|_| parameters.is_empty()))
        })
        .flatten()
    }
}

/// Number and parameters of the first entry, and what follows it.
fn split(list: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&[n0, n1, l0, l1], rest) = list.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let (padded, rest) = rest.split_at_checked(length.next_multiple_of(4))?;
    Some((u16::from_be_bytes([n0, n1]), &padded[..length], rest))
}

impl<'a> Attribute<'a> for PasswordAlgorithms<'a> {
    const TYPE: AttributeType = AttributeType(0x8002);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Self::from_bytes(raw.value).ok_or_else(|| raw.malformed())
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PasswordAlgorithm::{Md5, Sha256};

    #[test]
    fn bytes_and_lists() {
        let known =
            |value: &[u8]| PasswordAlgorithms::from_bytes(value).map(|it| it.known().collect::<Vec<_>>());
        assert_eq!(known(&[0, 1, 0, 0]), Some(vec![Md5]));
        assert_eq!(known(PasswordAlgorithms::SHA256_AND_MD5.as_bytes()), Some(vec![Sha256, Md5]));
        assert_eq!(known(PasswordAlgorithms::SHA256.as_bytes()), Some(vec![Sha256]));
        assert_eq!(known(&[0, 9, 0, 3, 1, 2, 3, 0, 0, 1, 0, 0]), Some(vec![Md5]), "unknown ones are skipped");
        assert_eq!(known(&[0, 2, 0, 1, 9, 0, 0, 0]), Some(vec![]), "SHA-256 has no parameters");
        assert_eq!(known(&[]), None, "at least one");
        assert_eq!(known(&[0, 1, 0, 0, 0]), None);
        assert_eq!(known(&[0, 9, 0, 3, 1, 2, 3]), None, "parameters are padded");
        assert_eq!(known(&[0, 1, 0, 0].repeat(33)), None, "too many");
    }
}
