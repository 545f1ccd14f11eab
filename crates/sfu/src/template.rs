//! The RTP header towards one viewer and track: written once, copied and patched for every packet.
//!
//! It has the same length on every packet, so that the packets of a frame stay of equal size and leave as
//! one burst. Header-extension values that come from the publisher are patched in; where a packet has none,
//! the element carries the value that means "nothing special".

use headwater_rtp::extension::Kind;
use headwater_rtp::{PayloadType, Ssrc};

use crate::history::Carried;

/// Extension ids that one viewer's media line uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExtensionIds {
    /// `(id, kind)` as negotiated; kinds that we do not write are ignored.
    pub ids: Vec<(u8, Kind)>,
    /// The media line's identification, sent on every packet where the extension is negotiated.
    pub mid: String,
}

/// A header to copy.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// In place, not behind a pointer: every viewer's is read once a frame, and by then it is not in the cache.
    bytes: [u8; MAX_HEADER],
    len: u8,
    orientation: Option<u8>,
    audio_level: Option<u8>,
    playout_delay: Option<u8>,
}

/// The fields that differ from packet to packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// Payload type.
    pub payload_type: PayloadType,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
}

/// RFC 6464 §3: a level of 127 is silence.
const SILENCE: u8 = 127;
/// RFC 8285 §4.2 and §4.3.
const ONE_BYTE_PROFILE: [u8; 2] = [0xbe, 0xde];
const TWO_BYTE_PROFILE: [u8; 2] = [0x10, 0x00];
const MAX_ONE_BYTE_ID: u8 = 14;
const MAX_ONE_BYTE_LEN: usize = 16;
/// Longer values are left out: a viewer's media identification of kilobytes would be in every packet.
const MAX_VALUE_LEN: usize = 32;
/// Elements that would make the header longer than this are left out. What we write is never that much, unless an offer
/// asks for the same thing many times.
const MAX_HEADER: usize = 80;

impl Template {
    /// A header of `ssrc` with the extensions of `extensions`. `with_playout_delay` reserves that element,
    /// which costs four bytes a packet, only where the track makes use of it.
    pub(crate) fn new(ssrc: Ssrc, extensions: &ExtensionIds, with_playout_delay: bool) -> Self {
        let mut elements: Vec<(u8, Kind, Vec<u8>)> = Vec::new();
        for &(id, kind) in &extensions.ids {
            let value = match kind {
                Kind::Mid => extensions.mid.as_bytes().to_vec(),
                Kind::Orientation => vec![0],
                Kind::AudioLevel => vec![SILENCE],
                Kind::PlayoutDelay if with_playout_delay => vec![0; 3],
                _ => continue,
            };
            let used: usize = elements.iter().map(|(.., value)| value.len() + 2).sum();
            let fits = 16 + used + value.len() + 2 <= MAX_HEADER - 3;
            if (1..=MAX_VALUE_LEN).contains(&value.len()) && fits {
                elements.push((id, kind, value));
            }
        }
        let two_byte =
            elements.iter().any(|(id, _, value)| *id > MAX_ONE_BYTE_ID || value.len() > MAX_ONE_BYTE_LEN);

        let mut bytes = vec![0; 12];
        bytes[0] = 0x80;
        bytes[8..12].copy_from_slice(&ssrc.0.to_be_bytes());
        let mut template = Self {
            bytes: [0; MAX_HEADER],
            len: 0,
            orientation: None,
            audio_level: None,
            playout_delay: None,
        };
        if !elements.is_empty() {
            bytes[0] |= 0x10;
            bytes.extend_from_slice(if two_byte { &TWO_BYTE_PROFILE } else { &ONE_BYTE_PROFILE });
            bytes.extend_from_slice(&[0, 0]);
            for (id, kind, value) in &elements {
                if two_byte {
                    bytes.extend_from_slice(&[*id, value.len() as u8]);
                } else {
                    bytes.push(id << 4 | (value.len() - 1) as u8);
                }
                let at = Some(bytes.len() as u8);
                match kind {
                    Kind::Orientation => template.orientation = at,
                    Kind::AudioLevel => template.audio_level = at,
                    Kind::PlayoutDelay => template.playout_delay = at,
                    _ => {}
                }
                bytes.extend_from_slice(value);
            }
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            let words = ((bytes.len() - 16) / 4) as u16;
            bytes[14..16].copy_from_slice(&words.to_be_bytes());
        }
        template.bytes[..bytes.len()].copy_from_slice(&bytes);
        template.len = bytes.len() as u8;
        template
    }

    /// Bytes of the header.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Appends the header of one packet to `out`.
    #[inline]
    pub(crate) fn write(&self, fields: &Fields, carried: &Carried, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes[..self.len()]);
        let header = &mut out[start..];
        header[1] = u8::from(fields.marker) << 7 | fields.payload_type.value();
        header[2..4].copy_from_slice(&fields.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&fields.timestamp.to_be_bytes());
        if let Some(at) = self.orientation {
            header[usize::from(at)] = carried.orientation;
        }
        if let (Some(at), Some(level)) = (self.audio_level, carried.audio_level) {
            header[usize::from(at)] = level;
        }
        if let (Some(at), Some(delay)) = (self.playout_delay, carried.playout_delay) {
            header[usize::from(at)..][..3].copy_from_slice(&delay);
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_rtp::Packet;

    use super::*;

    fn written(template: &Template, carried: &Carried) -> Vec<u8> {
        let fields = Fields {
            payload_type: PayloadType::new(96).expect("in range"),
            marker: true,
            sequence: 7,
            timestamp: 9,
        };
        let mut out = vec![0xff];
        template.write(&fields, carried, &mut out);
        out.split_off(1)
    }

    #[test]
    fn the_header_has_one_length_and_the_viewers_ids() {
        let ids = ExtensionIds { ids: vec![(4, Kind::Mid), (13, Kind::Orientation)], mid: "0".into() };
        let template = Template::new(Ssrc(5), &ids, false);
        let plain = written(&template, &Carried::default());
        let turned = written(&template, &Carried { orientation: 3, ..Carried::default() });
        assert_eq!((plain.len(), turned.len()), (template.len(), template.len()));
        let packet = Packet::parse(&turned[..]).expect("well formed");
        assert_eq!((packet.ssrc(), packet.marker(), packet.timestamp()), (Ssrc(5), true, 9));
        let extensions: Vec<_> = packet.extensions().collect();
        assert_eq!(extensions, [(4, &b"0"[..]), (13, &[3][..])]);
    }

    #[test]
    fn large_ids_take_the_two_byte_form() {
        let ids = ExtensionIds { ids: vec![(20, Kind::Mid), (1, Kind::AudioLevel)], mid: "audio".into() };
        let template = Template::new(Ssrc(5), &ids, false);
        let bytes = written(&template, &Carried { audio_level: Some(0x80 | 12), ..Carried::default() });
        let packet = Packet::parse(&bytes[..]).expect("well formed");
        let extensions: Vec<_> = packet.extensions().collect();
        assert_eq!(extensions, [(20, &b"audio"[..]), (1, &[0x80 | 12][..])]);
    }

    #[test]
    fn an_offer_that_asks_for_the_same_again_and_again_gets_a_short_header() {
        let ids = ExtensionIds { ids: (1..=200).map(|id| (id, Kind::Mid)).collect(), mid: "x".repeat(32) };
        let template = Template::new(Ssrc(5), &ids, true);
        assert!(template.len() <= MAX_HEADER);
        let written = written(&template, &Carried::default());
        assert_eq!(Packet::parse(&written[..]).expect("well-formed").extensions().count(), 1);
    }

    #[test]
    fn a_media_identification_of_kilobytes_is_left_out() {
        let ids = ExtensionIds { ids: vec![(4, Kind::Mid)], mid: "x".repeat(4000) };
        assert_eq!(Template::new(Ssrc(5), &ids, false).len(), 12);
    }

    #[test]
    fn no_extensions_no_extension_block() {
        let template = Template::new(Ssrc(5), &ExtensionIds::default(), true);
        assert_eq!(template.len(), 12);
        assert!(Packet::parse(&written(&template, &Carried::default())[..]).is_ok());
    }
}
