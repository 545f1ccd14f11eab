//! Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2).

use super::{split_feedback, ssrcs};
use crate::{ParseError, Ssrc};

/// Most SSRCs in one message: the count has eight bits.
pub const MAX_REMB_SSRCS: usize = 255;

const NAME: [u8; 4] = *b"REMB";
const MANTISSA_BITS: u32 = 18;

/// | "REMB" (32) | count (8) | exponent (6) | mantissa (18) | SSRCs ..
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Remb<'a> {
    /// Who estimates.
    pub sender: Ssrc,
    /// Bits per second; `u64::MAX` if the number is larger than that.
    pub bitrate: u64,
    media: &'a [u8],
}

pub(super) fn is_remb(body: &[u8]) -> bool {
    body.get(8..12) == Some(&NAME)
}

impl<'a> Remb<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (sender, _, rest) = split_feedback(body)?;
        let rest = rest.strip_prefix(&NAME).ok_or(ParseError::BadMagic)?;
        let Some((&[count, bits, m1, m0], rest)) = rest.split_first_chunk::<4>() else {
            return Err(ParseError::Truncated { needed: 16, got: body.len() });
        };
        let media = rest.get(..usize::from(count) * 4).ok_or(ParseError::BadLength)?;
        let exponent = u32::from(bits >> 2);
        let mantissa = u64::from(bits & 3) << 16 | u64::from(m1) << 8 | u64::from(m0);
        let bitrate =
            if mantissa.leading_zeros() < exponent { u64::MAX } else { mantissa.unbounded_shl(exponent) };
        Ok(Self { sender, bitrate, media })
    }

    /// The streams that the bitrate is for, all together.
    pub fn media(&self) -> impl ExactSizeIterator<Item = Ssrc> + 'a {
        ssrcs(self.media)
    }
}

/// Appends what follows the two SSRCs. The bitrate is rounded down to 18 bits of mantissa.
pub(super) fn emit(bitrate: u64, media: &[Ssrc], out: &mut Vec<u8>) {
    let media = &media[..media.len().min(MAX_REMB_SSRCS)];
    let exponent = (u64::BITS - bitrate.leading_zeros()).saturating_sub(MANTISSA_BITS);
    let mantissa = (bitrate >> exponent) as u32;
    out.extend_from_slice(&NAME);
    let word = (media.len() as u32) << 24 | exponent << MANTISSA_BITS | mantissa;
    out.extend_from_slice(&word.to_be_bytes());
    for ssrc in media {
        out.extend_from_slice(&ssrc.0.to_be_bytes());
    }
}
