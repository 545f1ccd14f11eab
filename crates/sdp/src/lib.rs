#![doc = include_str!("../README.md")]

mod answer;
mod attribute;
mod capabilities;
mod codec;
mod emit;
mod error;
mod fragment;
mod line;
mod local;
mod media;
mod negotiated;
mod offer;
mod session;
mod transport;

pub use answer::{Answer, AnswerError, answer, is_same_format};
pub use attribute::{
    Attribute, Bandwidth, Direction, Extension, Group, Msid, Rid, RidDirection, Setup, Simulcast,
    SimulcastStream, Ssrc, SsrcGroup,
};
pub use capabilities::{Capabilities, CodecCapability, Preference};
pub use codec::{Codec, H264Profile};
pub use error::{Error, Reason};
pub use fragment::Fragment;
pub use line::{Line, MAX_LINE, MAX_SIZE};
pub use local::{Local, Outgoing};
pub use media::{MAX_ATTRIBUTES, MAX_FORMATS, Media, MediaKind};
pub use negotiated::{Negotiated, NegotiatedCodec, NegotiatedExtension, NegotiatedMedia, Remote, RemoteSsrc};
pub use offer::{Offer, OfferedMedia, offer, read_answer};
pub use session::{MAX_MEDIA, Origin, Session};
pub use transport::Transport;
