//! Criterion benches of the hot rooms; `cargo xtask bench` runs them.
//!
//! - `packets`: parsing RTP and looking into its payload.
//! - `srtp`: protecting and opening packets, beside what the ciphers take alone.
//! - `srtp_raw`: both together, in turns with the crypto crates' own cost for the same bytes: the ratio is what counts.
//! - `stun`: verifying and answering a consent check.
//! - `fan_out`: one frame from a publisher to N viewers, all logic and crypto, no kernel.
//! - `turn_server`: what the TURN server does with a packet and a request, for one allocation and for 50,000.
//! - `feedback`: what viewers send back: reports, lost packets and their repair, transport-wide feedback.
//! - `send`: a frame's bursts handed to the kernel: quinn-udp, nix's `sendmmsg`, ours; with segmentation and without.
//! - `hand_off`: a frame from the worker that has the publisher to one that has viewers.
//! - `handshake`: the server's side of DTLS handshakes, beside their bare cryptography, dimpl and OpenSSL; backends compared.
//! - `signalling`: the answer to a viewer's offer.
//!
//! Compare revisions in one run (`cargo xtask bench --against REV`): numbers of different days and machines can invert a
//! conclusion. A "floor" is measured in the same run as what it is the floor of.
