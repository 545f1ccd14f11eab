//! Names of streams and formats: SSRC, payload type, mid and rid.

use std::fmt;

/// Synchronisation source: names one RTP stream within a session (RFC 3550 §3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ssrc(pub u32);

impl fmt::Debug for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssrc({:#010x})", self.0)
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl From<u32> for Ssrc {
    fn from(value: u32) -> Self {
        Self(value)
    }
}

/// Payload type: 0 to 127 (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PayloadType(u8);

impl PayloadType {
    /// A payload type; `None` if it does not fit seven bits.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 0x80 { Some(Self(value)) } else { None }
    }

    /// The payload type in the lower seven bits of `byte`.
    pub const fn from_low_bits(byte: u8) -> Self {
        Self(byte & 0x7f)
    }

    /// The number, 0 to 127.
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for PayloadType {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        Self::new(value).ok_or(value)
    }
}

impl From<PayloadType> for u8 {
    fn from(payload_type: PayloadType) -> Self {
        payload_type.0
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Longest mid or rid that is kept, in bytes. Browsers use one to three.
pub const MAX_TEXT_LEN: usize = 32;

/// A short piece of printable ASCII, held inline so that it can be copied and compared cheaply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Text {
    bytes: [u8; MAX_TEXT_LEN],
    len: u8,
}

impl Text {
    /// `None` if empty, longer than [`MAX_TEXT_LEN`], or not printable ASCII without blanks.
    fn new(text: &[u8]) -> Option<Self> {
        if text.is_empty() || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; MAX_TEXT_LEN];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, len: text.len() as u8 })
    }

    fn as_str(&self) -> &str {
        let bytes = &self.bytes[..usize::from(self.len)];
        std::str::from_utf8(bytes).expect("checked in new: printable ASCII")
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// `None` if `text` is empty, longer than [`MAX_TEXT_LEN`] bytes, or anything but
            /// printable ASCII without blanks.
            pub fn new(text: &str) -> Option<Self> {
                Self::from_bytes(text.as_bytes())
            }

            /// As [`Self::new`], from the bytes of a header extension.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Text::new(bytes).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

text_id! {
    /// Identification tag of a media section (RFC 9143 §15, `a=mid`).
    Mid
}
text_id! {
    /// Name of one simulcast encoding (RFC 8852, `a=rid`).
    Rid
}
