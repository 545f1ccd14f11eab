//! `a=extmap` (RFC 8285 §5): the number of an RTP header extension.

use core::fmt;

use super::Direction;
use crate::line::number;

/// `a=extmap:<id>[/<direction>] <uri> [<attributes>]`
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// 1 to 14 in one-byte headers, up to 255 in two-byte headers; 4096 to 4351 are asked for, not given.
    pub id: u16,
    /// The way in which the writer uses it; `None` is both.
    pub direction: Option<Direction>,
    /// What it is.
    pub uri: String,
    /// What follows the URI.
    pub attributes: Option<String>,
}

impl Extension {
    /// `a=extmap:<id> <uri>`
    pub fn new(id: u16, uri: impl Into<String>) -> Self {
        Self { id, direction: None, uri: uri.into(), attributes: None }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.trim().split_once(' ')?;
        let (id, direction) = match head.split_once('/') {
            Some((id, direction)) => (id, Some(Direction::parse(direction)?)),
            None => (head, None),
        };
        let rest = rest.trim_start();
        let (uri, attributes) =
            rest.split_once(' ').map_or((rest, None), |(uri, attributes)| (uri, Some(attributes.trim())));
        (!uri.is_empty()).then_some(Self {
            id: number(id)?,
            direction,
            uri: uri.to_owned(),
            attributes: attributes.filter(|text| !text.is_empty()).map(str::to_owned),
        })
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(direction) = self.direction {
            write!(f, "/{direction}")?;
        }
        write!(f, " {}", self.uri)?;
        match &self.attributes {
            Some(attributes) => write!(f, " {attributes}"),
            None => Ok(()),
        }
    }
}
