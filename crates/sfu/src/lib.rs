#![doc = include_str!("../README.md")]

mod audience;
mod broadcast;
mod bucket;
mod config;
mod demux;
mod dump;
mod error;
mod event;
mod forward;
mod handshakes;
mod held;
pub mod history;
mod key_frame;
mod life;
mod local;
mod negotiate;
mod pacer;
mod peer;
mod peer_id;
mod publisher;
mod receive;
mod rewrite;
mod seeds;
mod sfu;
mod signal;
mod stats;
mod template;
pub mod track;
mod transmit;
mod viewer;
mod wheel;

pub use config::{COALESCE, Config, ConfigError, Limits, STALE_AFTER, Takeover};
pub use error::{Error, SignalError};
pub use event::{CloseReason, Event};
pub use headwater_dtls::Certificate;
/// Formats, sequence numbers and packets of the API are of this crate.
pub use headwater_rtp as rtp;
pub use headwater_stun::{Transmit, Transport};
pub use local::{LocalStream, MediaPacket};
pub use peer::Security;
pub use peer_id::PeerId;
pub use sfu::{Datagram, Sfu};
pub use signal::{Accepted, Offered, Offering, worker_of_request};
pub use stats::{PeerInfo, StreamInfo, Totals, TrackInfo};
