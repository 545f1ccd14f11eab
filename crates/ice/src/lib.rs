#![doc = include_str!("../README.md")]

mod answer;
pub mod attribute;
mod candidate;
mod candidate_text;
mod credentials;
mod error;
mod event;
mod lite;
mod paths;
mod replay;

pub use answer::ufrag_of_request;
pub use candidate::{Address, Candidate, CandidateKind, TcpType};
pub use credentials::Credentials;
pub use error::{CandidateError, ConfigError, CredentialsError, Error};
pub use event::{CloseReason, Event, Path};
pub use lite::{LiteAgent, LiteConfig};
