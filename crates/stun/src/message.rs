//! A received message: checked once, then a view without failures (RFC 8489 §5).
//!
//! ```text
//!  | 0 0 | type (14) | length (16) |  magic cookie (32)  |  transaction id (96)  |  attributes...
//! ```

use crate::attribute::{Fingerprint, MessageIntegrity, MessageIntegritySha256};
use crate::integrity::{self, SHA1_LEN, SHA256_LEN};
use crate::{Attribute, AttributeType, Class, Error, Key, Method, ParseError, RawAttribute, TransactionId};
use crate::{attribute, method};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 20;
/// The fixed value in bytes 4 to 8 of each message.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;
/// Length of an attribute's type and length.
const ATTRIBUTE_HEADER_LEN: usize = 4;

/// A STUN message whose structure was checked; it borrows the datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: &'a [u8; HEADER_LEN],
    transaction_id: TransactionId,
    /// Offsets of the three attributes that end what others may say.
    integrity: Option<usize>,
    integrity_sha256: Option<usize>,
    fingerprint: Option<usize>,
}

impl<'a> Message<'a> {
    /// Checks header, lengths and the place of each attribute. The bytes must be one whole message.
    ///
    /// FINGERPRINT and the integrity attributes are not verified here: see
    /// [`verify_fingerprint`](Self::verify_fingerprint) and [`verify_integrity`](Self::verify_integrity).
    ///
    /// # Errors
    /// [`ParseError::BadMagic`] for something else than STUN, [`ParseError::Truncated`],
    /// [`ParseError::BadLength`], [`ParseError::BadAttribute`] for an integrity attribute or fingerprint of a
    /// wrong length, [`ParseError::Misplaced`] for anything after FINGERPRINT.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, body) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(ParseError::Truncated { needed: HEADER_LEN, got: bytes.len() })?;
        let [t0, _, l0, l1, m0, m1, m2, m3, id @ ..] = *header;
        if t0 & 0xC0 != 0 || u32::from_be_bytes([m0, m1, m2, m3]) != MAGIC_COOKIE {
            return Err(ParseError::BadMagic);
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length > body.len() {
            return Err(ParseError::Truncated { needed: HEADER_LEN + length, got: bytes.len() });
        }
        if length % 4 != 0 || length != body.len() {
            return Err(ParseError::BadLength);
        }
        let mut message = Self {
            bytes,
            header,
            transaction_id: TransactionId::new(id),
            integrity: None,
            integrity_sha256: None,
            fingerprint: None,
        };
        message.find_protection()?;
        Ok(message)
    }

    /// How long the message at the beginning of `bytes` is: over TCP and TLS messages follow each other without
    /// anything between (RFC 8489 §6.2.2). `None` as long as that can't be said; the bytes need not be there.
    ///
    /// # Errors
    /// [`ParseError::BadMagic`], [`ParseError::BadLength`]: no message begins like this, and the stream is lost.
    pub fn len_in_stream(bytes: &[u8]) -> Result<Option<usize>, ParseError> {
        // Judged as early as possible: what is not STUN need not send 20 bytes to be told.
        let cookie = bytes.get(4..bytes.len().min(8)).unwrap_or_default();
        if bytes.first().is_some_and(|first| first & 0xC0 != 0)
            || !MAGIC_COOKIE.to_be_bytes().starts_with(cookie)
        {
            return Err(ParseError::BadMagic);
        }
        let Some(&[_, _, l0, l1]) = bytes.first_chunk() else { return Ok(None) };
        match usize::from(u16::from_be_bytes([l0, l1])) {
            length if length % 4 == 0 => Ok(Some(HEADER_LEN + length)),
            _ => Err(ParseError::BadLength),
        }
    }

    /// Walks all attributes once, checks that each lies inside, and notes where protection starts.
    fn find_protection(&mut self) -> Result<(), ParseError> {
        let mut offset = HEADER_LEN;
        while offset < self.bytes.len() {
            let (kind, value, next) = split_attribute(self.bytes, offset)?;
            if self.fingerprint.is_some() {
                return Err(ParseError::Misplaced(Fingerprint::TYPE));
            }
            let check = |length: usize| match value.len() == length {
                true => Ok(Some(offset)),
                false => Err(ParseError::BadAttribute(kind)),
            };
            // RFC 8489 §14.5, §14.6: after MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 counts, after that
            // only FINGERPRINT. Whatever else follows is ignored, a second copy too. A truncated SHA-256 is
            // for usages that ask for it; none here does.
            match kind {
                MessageIntegrity::TYPE if self.protected_from().is_none() => {
                    self.integrity = check(SHA1_LEN)?;
                }
                MessageIntegritySha256::TYPE if self.integrity_sha256.is_none() => {
                    self.integrity_sha256 = check(SHA256_LEN)?;
                }
                Fingerprint::TYPE => self.fingerprint = check(4)?,
                _ => {}
            }
            offset = next;
        }
        Ok(())
    }

    /// Request, indication, success or error.
    #[must_use]
    pub fn class(&self) -> Class {
        method::decode(self.type_field()).1
    }

    /// What the message is about.
    #[must_use]
    pub fn method(&self) -> Method {
        method::decode(self.type_field()).0
    }

    /// The 96 bits that tie request and response together.
    #[must_use]
    pub const fn transaction_id(&self) -> TransactionId {
        self.transaction_id
    }

    /// The whole message.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes that count, in order: all up to the first integrity attribute, then only
    /// integrity attributes and FINGERPRINT (RFC 8489 §14.5).
    pub fn attributes(&self) -> impl Iterator<Item = RawAttribute<'a>> + use<'a> {
        let message = *self;
        let mut offset = HEADER_LEN;
        std::iter::from_fn(move || {
            while offset < message.bytes.len() {
                let (kind, value, next) = split_attribute(message.bytes, offset).ok()?;
                let here = offset;
                offset = next;
                if message.counts(here) {
                    return Some(RawAttribute { kind, value, transaction_id: message.transaction_id });
                }
            }
            None
        })
    }

    /// The first attribute of type `A`, if there is one.
    ///
    /// # Errors
    /// What `A` says of a value it can't read; [`ParseError::BadAttribute`] as a rule.
    pub fn attribute<A: Attribute<'a>>(&self) -> Result<Option<A>, ParseError> {
        self.attributes().find(|raw| raw.kind == A::TYPE).map(A::parse).transpose()
    }

    /// The types of attributes that the receiver must understand and that neither this crate nor the caller
    /// does: what a 420 response lists (RFC 8489 §6.3.1).
    pub fn unknown_required(
        &self,
        is_known: impl Fn(AttributeType) -> bool,
    ) -> impl Iterator<Item = AttributeType> {
        self.attributes()
            .map(|raw| raw.kind)
            .filter(move |kind| kind.is_required() && !attribute::is_known(*kind) && !is_known(*kind))
    }

    /// Whether there is an integrity attribute at all.
    #[must_use]
    pub const fn has_integrity(&self) -> bool {
        self.protected_from().is_some()
    }

    /// Verifies the strongest integrity attribute that the message has.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if there is none, or if it was made with another key or over other bytes.
    pub fn verify_integrity(&self, key: &Key) -> Result<(), Error> {
        let genuine = match (self.integrity_sha256, self.integrity) {
            (Some(offset), _) => {
                let header = self.header_ending_at(offset + ATTRIBUTE_HEADER_LEN + SHA256_LEN);
                let mac = key.0.hmac_sha256(&header, self.body_before(offset));
                integrity::equal(&mac, self.value_at(offset))
            }
            (None, Some(offset)) => {
                let header = self.header_ending_at(offset + ATTRIBUTE_HEADER_LEN + SHA1_LEN);
                let mac = key.0.hmac_sha1(&header, self.body_before(offset));
                integrity::equal(&mac, self.value_at(offset))
            }
            (None, None) => return Err(Error::Unauthentic),
        };
        if genuine { Ok(()) } else { Err(Error::Unauthentic) }
    }

    /// Verifies FINGERPRINT; says whether there is one.
    ///
    /// # Errors
    /// [`ParseError::BadFingerprint`] if there is one and it is wrong.
    pub fn verify_fingerprint(&self) -> Result<bool, ParseError> {
        let Some(offset) = self.fingerprint else { return Ok(false) };
        // FINGERPRINT is last, so the header's length is already the one it was made with.
        let crc = integrity::fingerprint(self.header, self.body_before(offset));
        match self.value_at(offset) == crc.to_be_bytes() {
            true => Ok(true),
            false => Err(ParseError::BadFingerprint),
        }
    }

    fn type_field(&self) -> u16 {
        let [t0, t1, ..] = *self.header;
        u16::from_be_bytes([t0, t1])
    }

    /// Where the first integrity attribute stands.
    const fn protected_from(&self) -> Option<usize> {
        match (self.integrity, self.integrity_sha256) {
            (Some(offset), _) | (None, Some(offset)) => Some(offset),
            (None, None) => None,
        }
    }

    fn counts(&self, offset: usize) -> bool {
        self.protected_from().is_none_or(|end| offset <= end)
            || self.integrity_sha256 == Some(offset)
            || self.fingerprint == Some(offset)
    }

    /// The header with the length it had when the integrity attribute that ends at `end` was made.
    fn header_ending_at(&self, end: usize) -> [u8; HEADER_LEN] {
        let mut header = *self.header;
        let length = u16::try_from(end - HEADER_LEN).expect("checked in parse: the length field is 16 bits");
        header[2..4].copy_from_slice(&length.to_be_bytes());
        header
    }

    fn body_before(&self, offset: usize) -> &'a [u8] {
        &self.bytes[HEADER_LEN..offset]
    }

    fn value_at(&self, offset: usize) -> &'a [u8] {
        split_attribute(self.bytes, offset).map_or(&[], |(_, value, _)| value)
    }
}

/// The attribute at `offset`: type, value without padding, and where the next one starts.
#[inline]
fn split_attribute(bytes: &[u8], offset: usize) -> Result<(AttributeType, &[u8], usize), ParseError> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let (&[t0, t1, l0, l1], rest) = rest
        .split_first_chunk::<ATTRIBUTE_HEADER_LEN>()
        .ok_or(ParseError::Truncated { needed: offset + ATTRIBUTE_HEADER_LEN, got: bytes.len() })?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    // Padding bytes may have any value (RFC 8489 §14).
    let padded = length.next_multiple_of(4);
    if padded > rest.len() {
        let needed = offset + ATTRIBUTE_HEADER_LEN + padded;
        return Err(ParseError::Truncated { needed, got: bytes.len() });
    }
    Ok((AttributeType(u16::from_be_bytes([t0, t1])), &rest[..length], offset + ATTRIBUTE_HEADER_LEN + padded))
}
