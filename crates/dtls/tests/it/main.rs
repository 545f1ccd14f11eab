//! Behaviour of the public API. `pair` is the harness: two ends, a link that loses what a test says, time that jumps.

mod browsers;
mod cookie;
mod dtls13;
mod handshake;
mod hostile;
mod loss;
mod pair;
mod properties;
mod recovery;
mod wire;
