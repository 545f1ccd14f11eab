#![doc = include_str!("../README.md")]

mod ahead;
mod audience;
mod batch;
mod broadcast;
mod bucket;
mod burst;
mod config;
mod connections;
mod demux;
mod dump;
mod error;
mod event;
mod forward;
mod handshakes;
mod held;
pub mod history;
mod key_frame;
mod keys;
mod life;
mod local;
mod negotiate;
mod pacer;
mod parcel;
mod peer;
mod peer_id;
mod publisher;
mod receive;
mod replica;
mod rewrite;
mod security;
mod seeds;
mod sfu;
mod share;
mod signal;
mod stats;
mod template;
pub mod track;
mod transmit;
mod viewer;
mod wheel;

pub use batch::{Batch, MAX_BATCH_BYTES, MAX_BATCH_PACKETS};
pub use config::{
    COALESCE, Config, ConfigError, DtlsVersions, Limits, Prefetch, STALE_AFTER, Takeover, Used,
};
pub use error::{Error, SignalError};
pub use event::{CloseReason, Event};
pub use headwater_dtls::Certificate;
/// Formats, sequence numbers and packets of the API are of this crate.
pub use headwater_ice::Path;
pub use headwater_rtp as rtp;
pub use headwater_stun::{Transmit, Transport};
pub use keys::{KeysError, MasterKey};
pub use local::{LocalStream, MediaPacket};
pub use parcel::{Parcel, ufrag_of_request};
pub use peer_id::PeerId;
pub use security::Security;
pub use sfu::{Datagram, Sfu};
pub use share::{Notice, Wish};
pub use signal::{Accepted, Offered, Offering};
pub use stats::{PeerInfo, StreamInfo, Totals, TrackInfo};
