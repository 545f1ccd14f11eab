//! The attributes and methods that TURN adds to STUN (RFC 8656 §17, §18; RFC 6062 §6; RFC 8016 §3).

use std::net::SocketAddr;

use headwater_stun::attribute::{MappedAddress, Registration, xor_address};
use headwater_stun::{Attribute, AttributeType, Method, ParseError, RawAttribute, TransactionId};

/// Asks for a relayed transport address.
pub const ALLOCATE: Method = Method::new(0x003);
/// Keeps an allocation, or ends it.
pub const REFRESH: Method = Method::new(0x004);
/// An indication of the client: data for a peer.
pub const SEND: Method = Method::new(0x006);
/// An indication of the server: data of a peer.
pub const DATA: Method = Method::new(0x007);
/// Lets peers with these addresses in.
pub const CREATE_PERMISSION: Method = Method::new(0x008);
/// Gives a peer a channel number.
pub const CHANNEL_BIND: Method = Method::new(0x009);
/// Asks for a TCP connection to a peer (RFC 6062).
pub const CONNECT: Method = Method::new(0x00A);
/// Makes this TCP connection the other end of one with a peer (RFC 6062).
pub const CONNECTION_BIND: Method = Method::new(0x00B);
/// An indication of the server: a peer has connected (RFC 6062).
pub const CONNECTION_ATTEMPT: Method = Method::new(0x00C);

/// The protocol number of UDP, as in REQUESTED-TRANSPORT.
pub const UDP: u8 = 17;
/// The protocol number of TCP, as in REQUESTED-TRANSPORT (RFC 6062).
pub const TCP: u8 = 6;

/// Which kind of address.
#[expect(clippy::exhaustive_enums, reason = "RFC 8656 has two")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// 0x01.
    V4,
    /// 0x02.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: &SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::V4),
            2 => Some(Self::V6),
            _ => None,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }
}

/// CHANNEL-NUMBER: 0x4000 to 0x4FFF may be bound; whether it is in range is the reader's to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelNumber(pub u16);

/// LIFETIME in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(pub u32);

/// XOR-PEER-ADDRESS: the address of a peer as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XorPeerAddress(pub SocketAddr);

/// XOR-RELAYED-ADDRESS: the address that was allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XorRelayedAddress(pub SocketAddr);

/// DATA: the application's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a>(pub &'a [u8]);

/// REQUESTED-ADDRESS-FAMILY. `None` is a family that nobody knows (error 440).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedAddressFamily(pub Option<Family>);

/// ADDITIONAL-ADDRESS-FAMILY: one more address of that family. `None` is a family that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdditionalAddressFamily(pub Option<Family>);

/// What [`AdditionalAddressFamily`] was in drafts, with another number. coturn 4.6, its clients too, knows only this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DraftAdditionalAddressFamily(pub Option<Family>);

/// EVEN-PORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvenPort {
    /// Keep the next higher port for a later RESERVATION-TOKEN.
    pub reserve_next: bool,
}

/// REQUESTED-TRANSPORT: [`UDP`] or [`TCP`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedTransport(pub u8);

/// DONT-FRAGMENT: send with the DF bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DontFragment;

/// RESERVATION-TOKEN: names a port that EVEN-PORT kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservationToken(pub [u8; 8]);

/// ADDRESS-ERROR-CODE: why there is no address of this family beside the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressErrorCode {
    /// The family that was refused.
    pub family: Family,
    /// 300 to 699.
    pub code: u16,
}

/// ICMP: what a router or host said of a datagram to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type, 7 bits.
    pub kind: u8,
    /// Code, 9 bits.
    pub code: u16,
    /// The next hop's MTU where the type has one, else 0.
    pub error_data: u32,
}

/// CONNECTION-ID: names a TCP connection between server and peer (RFC 6062).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u32);

/// MOBILITY-TICKET: lets the owner of an allocation come from another address (RFC 8016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MobilityTicket<'a>(pub &'a [u8]);

impl<'a> Attribute<'a> for ChannelNumber {
    const TYPE: AttributeType = AttributeType(0x000C);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[a, b, _, _]: [u8; 4]| Self(u16::from_be_bytes([a, b])))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        let [a, b] = self.0.to_be_bytes();
        out.extend_from_slice(&[a, b, 0, 0]);
    }
}

impl<'a> Attribute<'a> for Lifetime {
    const TYPE: AttributeType = AttributeType(0x000D);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// An XOR address is a plain one of a mixed address.
fn parse_xor(raw: RawAttribute<'_>) -> Result<SocketAddr, ParseError> {
    MappedAddress::parse(raw).map(|MappedAddress(address)| xor_address(address, &raw.transaction_id))
}

fn emit_xor(address: SocketAddr, transaction_id: &TransactionId, out: &mut Vec<u8>) {
    MappedAddress(xor_address(address, transaction_id)).emit(transaction_id, out);
}

impl<'a> Attribute<'a> for XorPeerAddress {
    const TYPE: AttributeType = AttributeType(0x0012);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        parse_xor(raw).map(Self)
    }

    fn emit(&self, transaction_id: &TransactionId, out: &mut Vec<u8>) {
        emit_xor(self.0, transaction_id, out);
    }
}

impl<'a> Attribute<'a> for XorRelayedAddress {
    const TYPE: AttributeType = AttributeType(0x0016);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        parse_xor(raw).map(Self)
    }

    fn emit(&self, transaction_id: &TransactionId, out: &mut Vec<u8>) {
        emit_xor(self.0, transaction_id, out);
    }
}

impl<'a> Attribute<'a> for Data<'a> {
    const TYPE: AttributeType = AttributeType(0x0013);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Ok(Self(raw.value))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}

impl<'a> Attribute<'a> for RequestedAddressFamily {
    const TYPE: AttributeType = AttributeType(0x0017);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[family, ..]: [u8; 4]| Self(Family::from_number(family)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.0.map_or(0, Family::number), 0, 0, 0]);
    }
}

impl<'a> Attribute<'a> for AdditionalAddressFamily {
    const TYPE: AttributeType = AttributeType(0x8000);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[family, ..]: [u8; 4]| Self(Family::from_number(family)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.0.map_or(0, Family::number), 0, 0, 0]);
    }
}

impl<'a> Attribute<'a> for DraftAdditionalAddressFamily {
    const TYPE: AttributeType = AttributeType(0x8032);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[family, ..]: [u8; 4]| Self(Family::from_number(family)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.0.map_or(0, Family::number), 0, 0, 0]);
    }
}

impl<'a> Attribute<'a> for EvenPort {
    const TYPE: AttributeType = AttributeType(0x0018);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[bits]: [u8; 1]| Self { reserve_next: bits & 0x80 != 0 })
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.push(if self.reserve_next { 0x80 } else { 0 });
    }
}

impl<'a> Attribute<'a> for RequestedTransport {
    const TYPE: AttributeType = AttributeType(0x0019);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[protocol, ..]: [u8; 4]| Self(protocol))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.0, 0, 0, 0]);
    }
}

impl<'a> Attribute<'a> for DontFragment {
    const TYPE: AttributeType = AttributeType(0x001A);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[]: [u8; 0]| Self)
    }

    fn emit(&self, _: &TransactionId, _: &mut Vec<u8>) {}
}

impl<'a> Attribute<'a> for ReservationToken {
    const TYPE: AttributeType = AttributeType(0x0022);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl<'a> Attribute<'a> for AddressErrorCode {
    const TYPE: AttributeType = AttributeType(0x8001);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        // The reason that follows is for people, and the number says it.
        let Some((&[family, _, class, number], _)) = raw.value.split_first_chunk() else {
            return Err(raw.malformed());
        };
        let class = u16::from(class & 0x07);
        match Family::from_number(family) {
            Some(family) if (3..=6).contains(&class) && number < 100 => {
                Ok(Self { family, code: class * 100 + u16::from(number) })
            }
            _ => Err(raw.malformed()),
        }
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        let [class, number] = [self.code / 100, self.code % 100].map(|part| part.to_be_bytes()[1]);
        out.extend_from_slice(&[self.family.number(), 0, class, number]);
    }
}

impl<'a> Attribute<'a> for Icmp {
    const TYPE: AttributeType = AttributeType(0x8004);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        let [_, _, high, low, data @ ..] = raw.array::<8>()?;
        let bits = u16::from_be_bytes([high, low]);
        Ok(Self { kind: high >> 1, code: bits & 0x01FF, error_data: u32::from_be_bytes(data) })
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        let bits = (u16::from(self.kind & 0x7F) << 9) | (self.code & 0x01FF);
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&bits.to_be_bytes());
        out.extend_from_slice(&self.error_data.to_be_bytes());
    }
}

impl<'a> Attribute<'a> for ConnectionId {
    const TYPE: AttributeType = AttributeType(0x002A);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl<'a> Attribute<'a> for MobilityTicket<'a> {
    const TYPE: AttributeType = AttributeType(0x8030);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Ok(Self(raw.value))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}

macro_rules! row {
    ($attribute:ident, $name:literal) => {
        Registration::new($attribute::TYPE, $name, |raw, out| {
            $attribute::parse(raw).map(|it| it.emit(&raw.transaction_id, out))
        })
    };
}

/// All attributes that TURN adds.
pub const TABLE: &[Registration] = &[
    row!(ChannelNumber, "CHANNEL-NUMBER"),
    row!(Lifetime, "LIFETIME"),
    row!(XorPeerAddress, "XOR-PEER-ADDRESS"),
    row!(XorRelayedAddress, "XOR-RELAYED-ADDRESS"),
    row!(Data, "DATA"),
    row!(RequestedAddressFamily, "REQUESTED-ADDRESS-FAMILY"),
    row!(AdditionalAddressFamily, "ADDITIONAL-ADDRESS-FAMILY"),
    row!(DraftAdditionalAddressFamily, "ADDITIONAL-ADDRESS-FAMILY (draft)"),
    row!(EvenPort, "EVEN-PORT"),
    row!(RequestedTransport, "REQUESTED-TRANSPORT"),
    row!(DontFragment, "DONT-FRAGMENT"),
    row!(ReservationToken, "RESERVATION-TOKEN"),
    row!(AddressErrorCode, "ADDRESS-ERROR-CODE"),
    row!(Icmp, "ICMP"),
    row!(ConnectionId, "CONNECTION-ID"),
    row!(MobilityTicket, "MOBILITY-TICKET"),
];

/// Whether `kind` is in [`TABLE`].
#[must_use]
pub fn is_known(kind: AttributeType) -> bool {
    TABLE.iter().any(|row| row.kind == kind)
}
