//! The `headwater` server: HTTP (WHIP, WHEP, API, pages) around the media node.

mod address;
mod api;
mod banner;
#[cfg_attr(not(target_os = "linux"), path = "bench/elsewhere.rs")]
mod bench;
mod config;
mod doctor;
mod egress;
mod files;
mod http;
mod ice_servers;
mod ingest;
mod listen;
mod media;
mod metrics;
mod names;
mod pages;
mod places;
mod ports;
mod problem;
mod quiet;
mod replay;
mod run;
mod seed;
mod signal;
mod sniff;
mod streams;
mod tls;
mod tokens;
mod turn;
mod view;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;

use crate::config::{Action, Cli, Config};

/// Threads for HTTP: signalling is light, and the cores belong to the media.
const HTTP_THREADS: usize = 2;

fn main() -> ExitCode {
    let (options, print) = match Cli::parse().action() {
        Action::Serve(options) => (options, false),
        Action::PrintConfig(options) => (options, true),
        Action::Bench(options) => return exit(bench::run(options)),
        Action::Turn(options) => return exit(turn::run(options)),
        Action::Doctor(options) => return doctor::run(options),
    };
    exit(Config::load(options).map_err(Into::into).and_then(|config| {
        if print {
            print!("{}", config.to_toml());
            return Ok(());
        }
        serve(&config)
    }))
}

fn exit(ended: Result<(), impl std::fmt::Display>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headwater: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Config) -> Result<(), run::Failure> {
    run::start_logs(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(HTTP_THREADS)
        .thread_name("http")
        .enable_all()
        .build()?;
    let ended = runtime.block_on(run::run(config));
    // A dump or a name look-up may still be at work: not a reason to stay.
    runtime.shutdown_timeout(listen::DRAIN);
    ended
}
