//! What to measure.

use std::thread;

use clap::{Args, ValueEnum};

/// Most viewers of one run: some thousands of sockets.
pub(crate) const MAX_VIEWERS: usize = 20_000;
/// Longest window: after half a minute the run would have to renew what it now takes from the joining.
const MAX_SECONDS: f64 = 20.0;

/// `headwater bench`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Viewers, one row for each number
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "10,100,300,1000",
          value_parser = parse_viewers)]
    pub(super) viewers: Vec<usize>,
    /// Media workers of the server [default: 1, 2, 4 and so on up to the cores]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) workers: Vec<u16>,
    /// SRTP profiles that the viewers offer
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "gcm,cm")]
    pub(super) profiles: Vec<Profile>,
    /// Seconds measured for each row, after the warm-up
    #[arg(long, value_name = "S", default_value = "3", value_parser = parse_seconds)]
    pub(super) seconds: f64,
    /// Spreads a frame's packets over so many milliseconds, as browsers do, instead of one burst
    #[arg(long, value_name = "MS", num_args = 0..=1, default_missing_value = "5", default_value = "0",
          value_parser = clap::value_parser!(u32).range(0..=30))]
    pub(super) pace: u32,
    /// Viewers that open every packet and send reports and transport feedback; the others count headers
    #[arg(long, value_name = "N", default_value = "20")]
    pub(super) full: usize,
    /// CPUs for the server and the raw limit, as in taskset(1) [default: any]
    #[arg(long, value_name = "CPUS")]
    pub(super) server_cpus: Option<String>,
    /// CPUs for the publisher and the viewers [default: any]
    #[arg(long, value_name = "CPUS")]
    pub(super) client_cpus: Option<String>,
    /// Threads that play the viewers [default: one for each two cores, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) client_threads: Option<u16>,
    /// Leaves out the search for the most viewers that one core serves
    #[arg(long)]
    pub(super) no_search: bool,
    /// Prints one JSON object a line instead of a table
    #[arg(long)]
    pub(super) json: bool,
    /// Further arguments of the server measured
    #[arg(last = true, value_name = "SERVER ARGUMENTS")]
    pub(super) server: Vec<String>,
}

/// An SRTP profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Profile {
    /// AES-128-GCM
    Gcm,
    /// AES-128 counter mode with HMAC-SHA1
    Cm,
}

impl Profile {
    /// The IANA number.
    pub(super) fn iana(self) -> u16 {
        match self {
            Self::Gcm => 7,
            Self::Cm => 1,
        }
    }

    /// The word in the table.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Gcm => "GCM",
            Self::Cm => "CM",
        }
    }
}

impl Options {
    /// Puts in what was not given and follows from the machine; to be called before this process is pinned.
    pub(super) fn fill_in(&mut self) {
        let cores = thread::available_parallelism().map_or(1, usize::from) as u16;
        if self.workers.is_empty() {
            self.workers = (0..7).map(|power| 1 << power).take_while(|workers| *workers <= cores).collect();
        }
        let threads = (cores / 2).clamp(1, 8);
        self.client_threads = self.client_threads.or(Some(threads));
    }

    pub(super) fn client_threads(&self) -> usize {
        self.client_threads.map_or(1, usize::from)
    }
}

fn parse_viewers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(viewers @ 1..=MAX_VIEWERS) => Ok(viewers),
        _ => Err(format!("is a number from 1 to {MAX_VIEWERS}")),
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.5..=MAX_SECONDS).contains(&seconds) => Ok(seconds),
        _ => Err(format!("is a number from 0.5 to {MAX_SECONDS}")),
    }
}
