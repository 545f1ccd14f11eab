#![doc = include_str!("../README.md")]

mod cipher;
mod context;
mod cryptex;
mod error;
mod header;
mod key_derivation;
mod profile;
mod replay;
mod stream;

pub use context::{Context, MAX_STREAMS};
pub use error::{Error, ParseError};
pub use profile::Profile;
pub use replay::{REPLAY_WINDOW, RTCP_REPLAY_WINDOW, SEND_WINDOW};
