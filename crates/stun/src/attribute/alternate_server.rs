//! ALTERNATE-SERVER (RFC 8489 §14.15).

use std::net::SocketAddr;

use super::mapped_address::{emit_address, parse_address};
use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Another server to try, beside error 300. Whoever follows it must not be led in circles (RFC 8489 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlternateServer(pub SocketAddr);

impl<'a> Attribute<'a> for AlternateServer {
    const TYPE: AttributeType = AttributeType(0x8023);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        parse_address(&raw).map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        emit_address(self.0, out);
    }
}
