//! Attributes: an open set. Each is one file here, or lives in the crate that needs it.
//!
//! ```text
//!  | type (16) | length (16) | value, padded to a multiple of 4 |
//! ```
//!
//! To add one: a file with `TYPE`, `parse`, `emit` and a test with bytes; one `mod`; one row in [`TABLE`].

mod alternate_domain;
mod alternate_server;
mod error_code;
mod fingerprint;
mod integrity;
mod integrity_sha256;
mod mapped_address;
mod nonce;
mod password_algorithm;
mod password_algorithms;
mod realm;
mod software;
mod transmit_counter;
mod unknown_attributes;
mod userhash;
mod username;
mod xor_mapped_address;

use std::fmt;

pub use alternate_domain::AlternateDomain;
pub use alternate_server::AlternateServer;
pub use error_code::ErrorCode;
pub use fingerprint::Fingerprint;
pub use integrity::MessageIntegrity;
pub use integrity_sha256::MessageIntegritySha256;
pub use mapped_address::MappedAddress;
pub use nonce::Nonce;
pub use password_algorithm::PasswordAlgorithm;
pub use password_algorithms::PasswordAlgorithms;
pub use realm::Realm;
pub use software::Software;
pub use transmit_counter::TransmitCounter;
pub use unknown_attributes::UnknownAttributes;
pub use userhash::UserHash;
pub use username::Username;
pub use xor_mapped_address::{XorMappedAddress, xor_address};

use crate::{ParseError, TransactionId};

/// The number of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// Whether a receiver that doesn't know it must refuse the message (RFC 8489 §14: below 0x8000).
    #[must_use]
    pub const fn is_required(self) -> bool {
        self.0 < 0x8000
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TABLE.iter().find(|row| row.kind == *self) {
            Some(row) => f.write_str(row.name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

/// A typed look at one kind of attribute; anybody may implement it for more kinds.
pub trait Attribute<'a>: Sized {
    /// The number.
    const TYPE: AttributeType;

    /// Reads the value.
    ///
    /// # Errors
    /// [`ParseError::BadAttribute`] with its own type if the value breaks the format.
    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError>;

    /// Appends the value, without type, length and padding.
    fn emit(&self, transaction_id: &TransactionId, out: &mut Vec<u8>);

    /// The number, for those who hold a value only.
    fn kind(&self) -> AttributeType {
        Self::TYPE
    }
}

/// An attribute as it stands in a message.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAttribute<'a> {
    /// The number.
    pub kind: AttributeType,
    /// The value without padding.
    pub value: &'a [u8],
    /// The message's transaction id, which some values are mixed with.
    pub transaction_id: TransactionId,
}

impl<'a> RawAttribute<'a> {
    /// An attribute of these parts.
    #[must_use]
    pub const fn new(kind: AttributeType, value: &'a [u8], transaction_id: TransactionId) -> Self {
        Self { kind, value, transaction_id }
    }

    /// The error for a value that breaks its format.
    #[must_use]
    pub const fn malformed(&self) -> ParseError {
        ParseError::BadAttribute(self.kind)
    }

    /// The value as an array of `N` bytes.
    ///
    /// # Errors
    /// [`ParseError::BadAttribute`] if the value has another length.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], ParseError> {
        self.value.try_into().map_err(|_| self.malformed())
    }

    /// The value as UTF-8 of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ParseError::BadAttribute`] if it is longer, or not UTF-8.
    pub fn text(&self, limit: usize) -> Result<&'a str, ParseError> {
        if self.value.len() > limit {
            return Err(self.malformed());
        }
        std::str::from_utf8(self.value).map_err(|_| self.malformed())
    }
}

/// One row of [`TABLE`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct Registration {
    /// The number.
    pub kind: AttributeType,
    /// The RFC's name.
    pub name: &'static str,
    /// Parses a value and appends it again: what property tests and fuzzing run over all rows.
    pub rewrite: fn(RawAttribute<'_>, &mut Vec<u8>) -> Result<(), ParseError>,
}

impl Registration {
    /// A row for a table of another crate.
    #[must_use]
    pub const fn new(
        kind: AttributeType,
        name: &'static str,
        rewrite: fn(RawAttribute<'_>, &mut Vec<u8>) -> Result<(), ParseError>,
    ) -> Self {
        Self { kind, name, rewrite }
    }
}

macro_rules! row {
    ($attribute:ident, $name:literal) => {
        Registration::new($attribute::TYPE, $name, |raw, out| {
            $attribute::parse(raw).map(|it| it.emit(&raw.transaction_id, out))
        })
    };
}

/// All attributes that this crate understands.
pub const TABLE: &[Registration] = &[
    row!(MappedAddress, "MAPPED-ADDRESS"),
    row!(Username, "USERNAME"),
    row!(MessageIntegrity, "MESSAGE-INTEGRITY"),
    row!(ErrorCode, "ERROR-CODE"),
    row!(UnknownAttributes, "UNKNOWN-ATTRIBUTES"),
    row!(Realm, "REALM"),
    row!(Nonce, "NONCE"),
    row!(MessageIntegritySha256, "MESSAGE-INTEGRITY-SHA256"),
    row!(PasswordAlgorithm, "PASSWORD-ALGORITHM"),
    row!(UserHash, "USERHASH"),
    row!(XorMappedAddress, "XOR-MAPPED-ADDRESS"),
    row!(PasswordAlgorithms, "PASSWORD-ALGORITHMS"),
    row!(AlternateDomain, "ALTERNATE-DOMAIN"),
    row!(Software, "SOFTWARE"),
    row!(AlternateServer, "ALTERNATE-SERVER"),
    row!(TransmitCounter, "TRANSACTION_TRANSMIT_COUNTER"),
    row!(Fingerprint, "FINGERPRINT"),
];

/// Whether `kind` is in [`TABLE`].
#[must_use]
pub fn is_known(kind: AttributeType) -> bool {
    TABLE.iter().any(|row| row.kind == kind)
}

/// The longest prefix of `text` with at most `limit` bytes: what we send keeps to the limits that we enforce.
fn shorten(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
