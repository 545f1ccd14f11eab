//! The command line of `headwater doctor`.

use clap::Args;

use crate::config;

/// The settings to look at, and how to print.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) settings: config::Options,
    /// Prints one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}
