//! `headwater bench`: what this machine serves, measured on the real thing.
//!
//! The server is this program in a process of its own; one publisher and the viewers are in this process, join over
//! WHIP and WHEP with ICE, DTLS and SRTP, and count what arrives. README.md says what each column means.

mod audience;
mod cpus;
mod histogram;
mod link;
mod meter;
mod options;
mod proc;
mod publisher;
mod raw;
mod run;
mod search;
mod server;
mod signal;
mod table;
mod traffic;
mod viewer;

use std::io::{self, Write};
use std::time::Duration;

use headwater_sfu::Certificate;
use serde::Serialize;

use self::cpus::Cpus;
pub(crate) use self::options::Options;
use self::options::Profile;
use self::run::{Bench, Run};

/// The publisher alone before the viewers, so that the server's history is full and counts for nobody.
const ALONE: Duration = Duration::from_millis(2200);
const WARM_UP: Duration = Duration::from_secs(1);

/// Measures and prints.
///
/// # Errors
/// The server cannot be started or refuses its clients, or the system refuses sockets or threads.
pub(crate) fn run(mut options: Options) -> io::Result<()> {
    options.fill_in();
    let cpus = Cpus::place(options.server_cpus.clone(), options.client_cpus.as_deref())?;
    let certificate = Certificate::generate().map_err(io::Error::other)?;
    let bench = Bench { options, cpus, certificate };
    let options = &bench.options;
    if !options.json {
        println!("{}", table::heading());
    }
    let mut good = 0;
    for &profile in &options.profiles {
        for workers in options.workers.iter().copied().map(usize::from) {
            for &viewers in &options.viewers {
                let window = Duration::from_secs_f64(options.seconds);
                let (alone, warm_up) = (ALONE, WARM_UP);
                let run = Run { viewers, workers, profile, alone, warm_up, window, with_raw: true };
                let measured = bench.measure(&run)?;
                print(options, &measured, table::row)?;
                if workers == 1 && profile == Profile::Gcm && search::is_good(&measured) {
                    good = good.max(viewers);
                }
            }
        }
    }
    if !options.no_search {
        let found = search::search(good, |viewers| {
            let measured = bench.measure(&search::probe(viewers))?;
            print(options, &measured, table::row)?;
            Ok(measured)
        })?;
        print(options, &found, table::found)?;
    }
    Ok(())
}

fn print<T: Serialize>(options: &Options, value: &T, text: impl Fn(&T) -> String) -> io::Result<()> {
    let line = if options.json { serde_json::to_string(value)? } else { text(value) };
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
