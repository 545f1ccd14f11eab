//! Fuzz targets over the public API of the crates: one function each, at most 12 in all.
//!
//! A wire format's target parses, checks the law of its format (what is written parses back equal), and looks at every
//! field. A machine's target reads a list of operations (datagrams, time, commands), obeys them, and checks what holds
//! for every machine: nothing panics, sending ends, `poll_timeout` moves forward, memory is bounded.
//! What is more than one file is a folder in `targets/`: `turn` keeps the laws of its server in `laws`, and checks them after
//! each step.
//!
//! `cargo xtask fuzz` runs them under libFuzzer; `tests/corpus.rs` replays the seeds of `corpus/` and some thousand
//! mutations of them with the ordinary tests. A crash becomes a file in `corpus/` and a named test in its crate.
//!
//! `cargo xtask fuzz --coverage` says which share of each room that reads other people's bytes the seeds and mutations reach.
//!
//! To add a target: a file or a folder in `targets/`, a row in [`TARGETS`], a program in `fuzz_targets/` (with its row in
//! `Cargo.toml`), seeds in `corpus/`. To add a format or a codec, prefer a row in the table of a target that is there.

mod input;
mod machine;
mod odd;
mod targets;

pub use input::Input;
pub use targets::*;

/// A target.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Its name: that of its program and of its folder of seeds.
    pub name: &'static str,
    /// Runs it over one input. A panic is a finding.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident)*) => { &[$(Target { name: stringify!($name), run: $name }),*] };
}

/// All targets.
pub const TARGETS: &[Target] = targets! { stun_message ice_agent dtls_wire dtls_connection srtp rtp_packet rtcp rtp_receive payload sdp sfu turn };
