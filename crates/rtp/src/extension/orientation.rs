//! Coordination of video orientation (3GPP TS 26.114 §7.4.5).

use super::{Extension, Kind};
use crate::ParseError;

/// How far the picture must be turned clockwise to stand upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Rotation {
    /// As it is.
    #[default]
    None,
    /// A quarter.
    Quarter,
    /// Upside down.
    Half,
    /// Three quarters.
    ThreeQuarters,
}

impl Rotation {
    /// Degrees clockwise.
    pub const fn degrees(self) -> u16 {
        self as u16 * 90
    }
}

/// | 0000 | C (1) | F (1) | rotation (2) |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Orientation {
    /// A camera that looks away from the user.
    pub back_camera: bool,
    /// The picture is mirrored.
    pub flipped: bool,
    /// Turn it by this much.
    pub rotation: Rotation,
}

impl Orientation {
    /// A picture to turn by `rotation`, from a front camera, not mirrored.
    pub const fn new(rotation: Rotation) -> Self {
        Self { back_camera: false, flipped: false, rotation }
    }

    /// The value on the wire.
    pub fn to_bytes(self) -> [u8; 1] {
        [u8::from(self.back_camera) << 3 | u8::from(self.flipped) << 2 | self.rotation as u8]
    }
}

impl Extension for Orientation {
    const KIND: Kind = Kind::Orientation;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let &[bits] = value else { return Err(ParseError::BadLength) };
        let rotation = match bits & 3 {
            0 => Rotation::None,
            1 => Rotation::Quarter,
            2 => Rotation::Half,
            _ => Rotation::ThreeQuarters,
        };
        Ok(Self { back_camera: bits & 8 != 0, flipped: bits & 4 != 0, rotation })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}
