//! Criterion benches of the hot rooms; `cargo xtask bench` runs them.
//!
//! - `packets`: parsing RTP, protecting and opening SRTP, answering a STUN check.
//! - `handshake`: a whole DTLS 1.2 handshake, both ends.
//! - `fan_out`: one frame from a publisher to N viewers, all logic and crypto, no kernel.
//!
//! Compare revisions in one run (`cargo xtask bench --against REV`): numbers of different days and machines can invert a
//! conclusion.
