//! Video content type: what the picture shows.

use super::{Extension, Kind};
use crate::ParseError;

/// One byte; the lowest bit is set for screen content, the others are for experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType(pub u8);

impl ContentType {
    /// A camera or anything else.
    pub const UNSPECIFIED: Self = Self(0);
    /// A shared screen.
    pub const SCREEN: Self = Self(1);

    /// Whether the picture is a shared screen.
    pub const fn is_screen(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Extension for ContentType {
    const KIND: Kind = Kind::ContentType;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let &[value] = value else { return Err(ParseError::BadLength) };
        Ok(Self(value))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
}
