//! Which of the offered header extensions the answer keeps (RFC 8285 §6).

use crate::{
    attribute::{Direction, Extension},
    negotiated::NegotiatedExtension,
};

/// RFC 8285 §4.2: 15 is reserved in one-byte headers; above it only two-byte headers can say it.
const ONE_BYTE_IDS: core::ops::RangeInclusive<u16> = 1..=14;
const TWO_BYTE_IDS: core::ops::RangeInclusive<u16> = 16..=255;

/// The extensions that we have too and that flow the way the media does.
///
/// `direction` is the section's, from our side. What the offerer only receives (Firefox's `extmap:2/recvonly`) is
/// of no use when we receive, and the answer's direction mirrors the offer's.
pub(super) fn choose<'a>(
    offered: impl Iterator<Item = &'a Extension>,
    ours: &[String],
    direction: Direction,
    allow_mixed: bool,
) -> Vec<(Extension, NegotiatedExtension)> {
    let mut chosen: Vec<(Extension, NegotiatedExtension)> = Vec::new();
    for extension in offered {
        let is_known = chosen.iter().any(|(known, _)| known.uri == extension.uri || known.id == extension.id);
        let our_direction = extension.direction.unwrap_or(Direction::SendRecv).reversed();
        let flows =
            direction == Direction::Inactive || our_direction.intersection(direction) != Direction::Inactive;
        let has_room =
            ONE_BYTE_IDS.contains(&extension.id) || (allow_mixed && TWO_BYTE_IDS.contains(&extension.id));
        let Ok(id) = u8::try_from(extension.id) else { continue };
        if is_known || !flows || !has_room || !ours.contains(&extension.uri) {
            continue;
        }
        let answered = Extension {
            direction: extension.direction.map(Direction::reversed),
            attributes: None,
            ..extension.clone()
        };
        chosen.push((answered, NegotiatedExtension { id, uri: extension.uri.clone() }));
    }
    chosen
}
