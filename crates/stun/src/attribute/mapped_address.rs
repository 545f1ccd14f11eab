//! MAPPED-ADDRESS (RFC 8489 §14.1), and the layout that it shares with others.
//!
//! ```text
//!  | 0 (8) | family (8) | port (16) | address (32 or 128) |
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// The address that the server saw, in clear. Only for peers older than XOR-MAPPED-ADDRESS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedAddress(pub SocketAddr);

impl<'a> Attribute<'a> for MappedAddress {
    const TYPE: AttributeType = AttributeType(0x0001);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        parse_address(&raw).map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        emit_address(self.0, out);
    }
}

/// Reads family, port and address. The first byte is ignored.
pub(super) fn parse_address(raw: &RawAttribute<'_>) -> Result<SocketAddr, ParseError> {
    let (&[_, family, p0, p1], address) = raw.value.split_first_chunk().ok_or_else(|| raw.malformed())?;
    let ip = match family {
        IPV4 => address.try_into().map(|bytes: [u8; 4]| IpAddr::V4(Ipv4Addr::from(bytes))),
        IPV6 => address.try_into().map(|bytes: [u8; 16]| IpAddr::V6(Ipv6Addr::from(bytes))),
        _ => return Err(raw.malformed()),
    };
    let ip = ip.map_err(|_| raw.malformed())?;
    Ok(SocketAddr::new(ip, u16::from_be_bytes([p0, p1])))
}

/// Appends family, port and address.
pub(super) fn emit_address(address: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, if address.is_ipv4() { IPV4 } else { IPV6 }]);
    out.extend_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_addresses() {
        let id = TransactionId::new([0; 12]);
        let parse =
            |value: &[u8]| MappedAddress::parse(RawAttribute::new(MappedAddress::TYPE, value, id)).ok();
        let v4 = MappedAddress("192.0.2.1:32853".parse().expect("an address"));
        assert_eq!(parse(&[0, 1, 0x80, 0x55, 192, 0, 2, 1]), Some(v4));
        assert_eq!(parse(&[7, 1, 0x80, 0x55, 192, 0, 2, 1]), Some(v4), "the first byte is ignored");
        assert_eq!(parse(&[0, 1, 0x80, 0x55, 192, 0, 2]), None);
        assert_eq!(parse(&[0, 2, 0x80, 0x55, 192, 0, 2, 1]), None, "too short for IPv6");
        assert_eq!(parse(&[0, 3, 0x80, 0x55, 192, 0, 2, 1]), None, "no such family");
        assert_eq!(parse(&[0, 1, 0x80]), None);
    }
}
