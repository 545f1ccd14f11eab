//! Picture ids of one width.

use headwater_rtp::payload;

/// Widens 7-bit picture ids to 15 bits, so that rewriting knows one form only.
#[derive(Debug, Default)]
pub(super) struct PictureIds {
    last: Option<u16>,
}

impl PictureIds {
    /// The id with 15 bits.
    pub(super) fn widen(&mut self, id: payload::PictureId) -> payload::PictureId {
        if id.bits >= 15 {
            return id;
        }
        let value = match self.last {
            None => id.value & 0x7f,
            Some(last) => {
                // The nearest 15-bit number with these low seven bits.
                let ahead = id.value.wrapping_sub(last) & 0x7f;
                if ahead < 64 { last.wrapping_add(ahead) } else { last.wrapping_sub(128 - ahead) }
            }
        } & 0x7fff;
        if self.last.is_none_or(|last| (value.wrapping_sub(last) & 0x7fff) < 0x4000) {
            self.last = Some(value);
        }
        payload::PictureId::wide(value)
    }
}
