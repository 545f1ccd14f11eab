//! Behaviour of the public API. `pair` is the harness: two ends, a link that loses what a test says, time that jumps.

mod handshake;
mod pair;
