//! One file per attribute: what it holds, how it is read, how it is written.
//!
//! A value that can't be read as what it should be makes no error: the attribute is kept as text.

mod direction;
mod extension;
mod group;
mod msid;
mod rid;
mod setup;
mod simulcast;
mod ssrc;

use core::fmt;

pub use direction::Direction;
pub use extension::Extension;
pub use group::Group;
pub use msid::Msid;
pub use rid::{Rid, RidDirection};
pub use setup::Setup;
pub use simulcast::{Simulcast, SimulcastStream};
pub use ssrc::{Ssrc, SsrcGroup};

use crate::line::number;

/// An attribute without a typed field: `a=name` or `a=name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// The part before the first colon.
    pub name: String,
    /// The part after it, if there is a colon.
    pub value: Option<String>,
}

impl Attribute {
    /// `a=name` or `a=name:value`.
    pub fn new(name: impl Into<String>, value: Option<String>) -> Self {
        Self { name: name.into(), value }
    }

    pub(crate) fn split(text: &str) -> (&str, Option<&str>) {
        text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)))
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}:{value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// `b=<kind>:<value>` (RFC 8866 §5.8, RFC 3890): `AS` in kbit/s, `TIAS` in bit/s.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bandwidth {
    /// `AS`, `TIAS`, `CT`, `RS`, `RR` ...
    pub kind: String,
    /// In the unit that the kind says.
    pub value: u64,
}

impl Bandwidth {
    /// `b=<kind>:<value>`.
    pub fn new(kind: impl Into<String>, value: u64) -> Self {
        Self { kind: kind.into(), value }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        Some(Self::new(kind, number(value.trim())?))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}
