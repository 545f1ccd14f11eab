//! Reads bits from the most significant on.

/// A bounded bit reader: `None` at the end of the bytes.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// At most 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32, "callers ask for constants or checked counts");
        let mut value = 0_u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(crate) fn skip(&mut self, count: u32) -> Option<()> {
        self.position += count as usize;
        (self.position <= self.bytes.len() * 8).then_some(())
    }

    /// Exp-Golomb code of H.264 and H.265, at most 31 zeros.
    pub(crate) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// Signed exp-Golomb code.
    pub(crate) fn signed_exp_golomb(&mut self) -> Option<i32> {
        let code = self.exp_golomb()?;
        let magnitude = (code / 2 + code % 2) as i32;
        Some(if code % 2 == 1 { magnitude } else { -magnitude })
    }

    #[expect(dead_code, reason = "read by the dependency descriptor")]
    /// Non-symmetric unsigned code of AV1: a value below `limit`.
    pub(crate) fn non_symmetric(&mut self, limit: u32) -> Option<u32> {
        let width = limit.checked_ilog2()? + 1;
        let short = (1 << width) - limit;
        let value = self.bits(width - 1)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1 | self.bits(1)?) - short)
    }
}
