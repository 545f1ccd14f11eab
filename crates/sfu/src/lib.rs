#![doc = include_str!("../README.md")]

mod batch;
mod broadcast;
mod bucket;
mod config;
mod demux;
mod dump;
mod error;
mod event;
mod forward;
pub mod history;
mod key_frame;
mod life;
mod local;
mod negotiate;
mod parcel;
mod peer;
mod peer_id;
mod publisher;
mod receive;
mod replica;
mod rewrite;
mod seeds;
mod sfu;
mod share;
mod signal;
mod stats;
mod template;
pub mod track;
mod transmit;
mod viewer;

pub use batch::{Batch, MAX_BATCH_BYTES, MAX_BATCH_PACKETS};
pub use config::{Config, ConfigError, Limits, STALE_AFTER, Takeover};
pub use error::{Error, SignalError};
pub use event::{CloseReason, Event};
pub use headwater_dtls::Certificate;
/// Formats, sequence numbers and packets of the API are of this crate.
pub use headwater_rtp as rtp;
pub use headwater_stun::{Transmit, Transport};
pub use local::{LocalStream, MediaPacket};
pub use parcel::{Parcel, ufrag_of_request};
pub use peer::Security;
pub use peer_id::PeerId;
pub use sfu::{Datagram, Sfu};
pub use share::{Notice, Wish};
pub use signal::{Accepted, Offered, Offering, worker_of_request};
pub use stats::{PeerInfo, StreamInfo, Totals, TrackInfo};
