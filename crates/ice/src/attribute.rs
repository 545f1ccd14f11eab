//! The attributes that ICE adds to STUN (RFC 8445 §16.1), and the one of renomination
//! (draft-thatcher-ice-renomination-01).

use headwater_stun::attribute::Registration;
use headwater_stun::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// PRIORITY: what priority a peer-reflexive candidate found by this check would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority(pub u32);

/// USE-CANDIDATE: the controlling agent nominates the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseCandidate;

/// ICE-CONTROLLED: the sender is controlled; its tie-breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IceControlled(pub u64);

/// ICE-CONTROLLING: the sender is controlling; its tie-breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IceControlling(pub u64);

/// NOMINATION: the controlling agent nominates the pair, and of two nominations the one with the higher number
/// counts. It stands instead of USE-CANDIDATE or beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nomination(pub u32);

impl<'a> Attribute<'a> for Priority {
    const TYPE: AttributeType = AttributeType(0x0024);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl<'a> Attribute<'a> for UseCandidate {
    const TYPE: AttributeType = AttributeType(0x0025);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[]: [u8; 0]| Self)
    }

    fn emit(&self, _: &TransactionId, _: &mut Vec<u8>) {}
}

impl<'a> Attribute<'a> for IceControlled {
    const TYPE: AttributeType = AttributeType(0x8029);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|bytes| Self(u64::from_be_bytes(bytes)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl<'a> Attribute<'a> for IceControlling {
    const TYPE: AttributeType = AttributeType(0x802A);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|bytes| Self(u64::from_be_bytes(bytes)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl<'a> Attribute<'a> for Nomination {
    const TYPE: AttributeType = AttributeType(0xC001);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

macro_rules! row {
    ($attribute:ident, $name:literal) => {
        Registration::new($attribute::TYPE, $name, |raw, out| {
            $attribute::parse(raw).map(|it| it.emit(&raw.transaction_id, out))
        })
    };
}

/// All attributes that ICE adds, as in [`headwater_stun::attribute::TABLE`].
pub const TABLE: &[Registration] = &[
    row!(Priority, "PRIORITY"),
    row!(UseCandidate, "USE-CANDIDATE"),
    row!(IceControlled, "ICE-CONTROLLED"),
    row!(IceControlling, "ICE-CONTROLLING"),
    row!(Nomination, "NOMINATION"),
];

/// Whether `kind` is in [`TABLE`].
pub(crate) fn is_known(kind: AttributeType) -> bool {
    TABLE.iter().any(|row| row.kind == kind)
}
