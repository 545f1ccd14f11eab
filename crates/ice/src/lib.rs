#![doc = include_str!("../README.md")]

mod agent;
mod answer;
pub mod attribute;
mod candidate;
mod candidate_text;
mod check;
mod checklist;
mod consent;
mod credentials;
mod error;
mod event;
pub mod framing;
mod generation;
mod lite;
mod nomination;
mod pair;
mod paths;
mod preference;
mod random;
mod replay;
mod role;

pub use agent::{Agent, AgentConfig};
pub use answer::ufrag_of_request;
pub use candidate::{Address, Candidate, CandidateKind, TcpType};
pub use credentials::Credentials;
pub use error::{CandidateError, ConfigError, CredentialsError, Error};
pub use event::{CloseReason, Event, Path};
pub use lite::{LiteAgent, LiteConfig};
pub use nomination::NominationMode;
pub use preference::interleave;
pub use role::Role;
