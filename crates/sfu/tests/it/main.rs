//! Behaviour of the forwarding unit over a simulated network: publishers and viewers are units of our own in the
//! client's part, with real ICE, DTLS and SRTP between them.

mod bursts;
mod faults;
mod hostile;
mod keys;
mod life;
mod media;
mod memory;
mod rig;
mod srtp;
mod storm;
mod units;
mod wired;
