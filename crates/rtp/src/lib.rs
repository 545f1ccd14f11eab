#![doc = include_str!("../README.md")]

mod builder;
pub mod clock;
mod error;
pub mod extension;
mod id;
mod packet;
pub mod payload;
pub mod receive;
pub mod rtcp;
pub mod rtx;
pub mod send;
mod sequence;

pub use builder::{BuildError, MAX_EXTENSIONS, PacketBuilder};
pub use clock::{NtpAnchor, NtpTime};
pub use error::ParseError;
pub use id::{MAX_TEXT_LEN, Mid, PayloadType, Rid, Ssrc};
pub use packet::{Extensions, Header, Packet, is_rtcp};
pub use payload::{Codec, Descriptor, PictureId, describe};
pub use sequence::{SequenceNumber, Unwrapper};
