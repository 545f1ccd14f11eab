//! `cargo xtask bench turn`: `headwater turn` beside coturn on one machine, in one run.
//!
//! The servers are bound to the first core and everything else to the second. CPU time is what /proc says of the server's
//! process, so on loopback a datagram's way to its receiver counts too, for both. Beside the CPU time of both stands that of
//! a relay which makes the same calls as ours and decides nothing: no relay with these calls costs less.

mod client;
mod crowd;
mod flood;
mod pairs;
mod raw;
mod server;

use std::process::ExitCode;

use server::{Kind, Peer, RAW};

/// Pairs of runs for each size.
const PAIRS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| arguments.is_empty() || arguments.iter().any(|it| it == name);
    let pairs = arguments.iter().find_map(|it| it.strip_prefix("pairs=")?.parse().ok()).unwrap_or(PAIRS);
    let is_plain = arguments.iter().all(|it| it.contains('='));
    headwater_udp::raise_file_limit(131_072);
    let raw = arguments.iter().find_map(|it| it.strip_prefix(RAW)?.parse().ok());
    let done = (|| {
        if let Some(port) = raw {
            return raw::serve(port);
        }
        if is_plain || wants("cpu") {
            for size in [1200, 160] {
                pairs::run(size, pairs)?;
            }
        }
        if is_plain || wants("most") {
            for size in [1200, 160] {
                flood::run(size)?;
            }
        }
        if is_plain || wants("memory") {
            crowd::memory()?;
        }
        if is_plain || wants("crowd") {
            crowd::many()?;
        }
        if is_plain || wants("spoof") {
            crowd::spoofed()?;
        }
        Ok::<(), String>(())
    })();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench turn: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Both, ours first.
const BOTH: [Kind; 2] = [Kind::Ours, Kind::Coturn];

/// The middle one, with the smallest and the largest.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

/// Starts the echo that turnutils_uclient wants.
fn peer() -> Result<Peer, String> {
    Peer::start()
}
