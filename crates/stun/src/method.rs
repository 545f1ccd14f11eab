//! Method and class, interleaved in the first 14 bits that are not zero (RFC 8489 §5).
//!
//! ```text
//!  0 0 | M11 M10 M9 M8 M7 | C1 | M6 M5 M4 | C0 | M3 M2 M1 M0
//! ```

/// What a message is about. The number has 12 bits; TURN's methods are in the crate `turn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// Binding: asks what address the server sees (RFC 8489 §3); also ICE's connectivity check.
    pub const BINDING: Self = Self(0x001);

    /// The method of this number; its top 4 bits are ignored.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number & 0x0FFF)
    }

    /// The 12-bit number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Which part of an exchange a message is.
#[expect(clippy::exhaustive_enums, reason = "two bits, four values")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// The request was served.
    Success,
    /// The request was not served; ERROR-CODE says why.
    Error,
}

/// The 16 bits of the header's type field.
pub(crate) const fn encode(method: Method, class: Class) -> u16 {
    let m = method.0;
    let c = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    ((m & 0x0F80) << 2) | ((m & 0x0070) << 1) | (m & 0x000F) | c
}

/// The reverse of [`encode`]; the top two bits are the caller's business.
pub(crate) const fn decode(bits: u16) -> (Method, Class) {
    let method = Method(((bits >> 2) & 0x0F80) | ((bits >> 1) & 0x0070) | (bits & 0x000F));
    let class = match bits & 0x0110 {
        0x0000 => Class::Request,
        0x0010 => Class::Indication,
        0x0100 => Class::Success,
        _ => Class::Error,
    };
    (method, class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_field_interleaves_both_ways() {
        for (method, class, bits) in [
            (Method::BINDING, Class::Request, 0x0001),
            (Method::BINDING, Class::Indication, 0x0011),
            (Method::BINDING, Class::Success, 0x0101),
            (Method::BINDING, Class::Error, 0x0111),
            (Method::new(0x003), Class::Error, 0x0113),
            (Method::new(0xFFF), Class::Error, 0x3FFF),
        ] {
            assert_eq!(encode(method, class), bits);
            assert_eq!(decode(bits), (method, class));
        }
    }
}
