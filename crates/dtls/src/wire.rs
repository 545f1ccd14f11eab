//! Reading and writing the big-endian integers and length-prefixed vectors of TLS (RFC 5246 §4).

use crate::ParseError;

/// A cursor over received bytes. Nothing here can panic; what is missing is [`ParseError::Truncated`].
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], ParseError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(ParseError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(ParseError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ParseError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ParseError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u24(&mut self) -> Result<u32, ParseError> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }

    /// A vector with an 8-bit length.
    pub(crate) fn vec8(&mut self) -> Result<&'a [u8], ParseError> {
        let len = self.u8()?;
        self.take(usize::from(len))
    }

    /// A vector with a 16-bit length.
    pub(crate) fn vec16(&mut self) -> Result<&'a [u8], ParseError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A vector with a 24-bit length.
    pub(crate) fn vec24(&mut self) -> Result<&'a [u8], ParseError> {
        let len = self.u24()?;
        self.take(len as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// The whole input was meant: anything left over is an error.
    pub(crate) fn finish(self) -> Result<(), ParseError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ParseError::TrailingBytes) }
    }
}

/// Checks that `bytes` is a list of 16-bit numbers.
pub(crate) fn check_u16_list(bytes: &[u8]) -> Result<(), ParseError> {
    if bytes.len() % 2 == 0 { Ok(()) } else { Err(ParseError::BadLength) }
}

/// The numbers of a list checked by [`check_u16_list`].
pub(crate) fn u16_list(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u24(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes()[1..]);
}

/// Appends what `body` writes, preceded by its length in `width` bytes (1, 2 or 3).
///
/// The bodies come from ourselves; one that is too long for its length field is a bug of ours.
pub(crate) fn put_vec(out: &mut Vec<u8>, width: usize, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.resize(start + width, 0);
    body(out);
    let len = (out.len() - start - width) as u64;
    assert!(len < 1 << (8 * width), "a vector of {len} bytes does not fit its length field");
    out[start..start + width].copy_from_slice(&len.to_be_bytes()[8 - width..]);
}
