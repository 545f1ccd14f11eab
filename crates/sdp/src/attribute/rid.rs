//! `a=rid` (RFC 8851 §4): a name for one encoding of a track.

use core::fmt;

/// Who sends the encoding, seen from the side that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RidDirection {
    /// The writer sends it.
    Send,
    /// The writer receives it.
    Recv,
}

/// `a=rid:<id> send|recv [<restrictions>]`
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rid {
    /// The name, as in the header extension.
    pub id: String,
    /// Who sends it.
    pub direction: RidDirection,
    /// `pt=...;max-width=...` and the like, as text.
    pub restrictions: Option<String>,
}

impl Rid {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let id = words.next()?.to_owned();
        let direction = match words.next()? {
            "send" => RidDirection::Send,
            "recv" => RidDirection::Recv,
            _ => return None,
        };
        let restrictions = words.collect::<Vec<_>>().join(" ");
        Some(Self { id, direction, restrictions: (!restrictions.is_empty()).then_some(restrictions) })
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            RidDirection::Send => "send",
            RidDirection::Recv => "recv",
        };
        write!(f, "{} {direction}", self.id)?;
        self.restrictions.iter().try_for_each(|restrictions| write!(f, " {restrictions}"))
    }
}
