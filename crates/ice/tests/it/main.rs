//! Behaviour of both agents over a simulated network, through the public API only.

mod browsers;
mod candidates;
mod connect;
mod consent;
mod framing;
mod hostile;
mod lite;
mod nat;
mod patience;
mod peer;
mod preference;
mod properties;
mod remote;
mod removal;
mod renomination;
mod restart;
mod role_conflict;
mod silence;
mod stack;
mod tcp;
