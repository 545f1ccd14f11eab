//! Absolute send time: 24 bits, seconds modulo 64 as 6.18 fixed point.

use super::{Extension, Kind};
use crate::{NtpTime, ParseError};

/// When the packet left its sender, in 1/262144 s, modulo 64 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsSendTime(pub u32);

impl AbsSendTime {
    /// The send time of a packet that leaves at `ntp`.
    pub const fn from_ntp(ntp: NtpTime) -> Self {
        Self((ntp.0 >> 14) as u32 & 0x00ff_ffff)
    }

    /// The value on the wire.
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

impl Extension for AbsSendTime {
    const KIND: Kind = Kind::AbsSendTime;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let &[a, b, c] = value else { return Err(ParseError::BadLength) };
        Ok(Self(u32::from_be_bytes([0, a, b, c])))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}
