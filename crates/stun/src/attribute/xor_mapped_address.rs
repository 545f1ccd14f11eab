//! XOR-MAPPED-ADDRESS (RFC 8489 §14.2): MAPPED-ADDRESS hidden from NATs that rewrite addresses they find.

use std::net::{IpAddr, SocketAddr};

use super::mapped_address::{emit_address, parse_address};
use crate::{Attribute, AttributeType, MAGIC_COOKIE, ParseError, RawAttribute, TransactionId};

/// The address that the server saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XorMappedAddress(pub SocketAddr);

impl<'a> Attribute<'a> for XorMappedAddress {
    const TYPE: AttributeType = AttributeType(0x0020);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        parse_address(&raw).map(|address| Self(xor_address(address, &raw.transaction_id)))
    }

    fn emit(&self, transaction_id: &TransactionId, out: &mut Vec<u8>) {
        emit_address(xor_address(self.0, transaction_id), out);
    }
}

/// Mixes port and address with the magic cookie, IPv6 also with the transaction id. Its own reverse.
///
/// TURN's XOR-PEER-ADDRESS and XOR-RELAYED-ADDRESS have the same layout, so it is public.
#[must_use]
pub fn xor_address(address: SocketAddr, transaction_id: &TransactionId) -> SocketAddr {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) ^ MAGIC_COOKIE).into()),
        IpAddr::V6(ip) => {
            let mut mask = [0; 16];
            let (head, tail) = mask.split_at_mut(4);
            head.copy_from_slice(&cookie);
            tail.copy_from_slice(transaction_id.as_bytes());
            IpAddr::V6((u128::from(ip) ^ u128::from_be_bytes(mask)).into())
        }
    };
    SocketAddr::new(ip, address.port() ^ u16::from_be_bytes([cookie[0], cookie[1]]))
}
