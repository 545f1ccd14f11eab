//! Mid, rid and repaired rid: SDES items as header extensions (RFC 7941, RFC 9143 §15, RFC 8852).
//!
//! Browsers send them on the first packets of each SSRC only.

use super::{Extension, Kind};
use crate::{Mid, ParseError, Rid};

/// The rid that an RTX stream repairs (RFC 8852 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RepairedRid(pub Rid);

impl Extension for Mid {
    const KIND: Kind = Kind::Mid;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        Self::from_bytes(value).ok_or(ParseError::BadValue)
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
}

impl Extension for Rid {
    const KIND: Kind = Kind::Rid;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        Self::from_bytes(value).ok_or(ParseError::BadValue)
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
}

impl Extension for RepairedRid {
    const KIND: Kind = Kind::RepairedRid;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        Rid::parse(value).map(Self)
    }

    fn emit(&self, out: &mut Vec<u8>) {
        self.0.emit(out);
    }
}
