//! `headwater bench` where it cannot be: it counts by `/proc` and gives viewers addresses of 127.0.0.0/8.

use std::io::{self, ErrorKind};

use clap::Args;

/// Whatever is given.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

/// Says that it needs Linux.
pub(crate) fn run(options: Options) -> io::Result<()> {
    drop(options.arguments);
    Err(io::Error::new(
        ErrorKind::Unsupported,
        "bench measures by what only Linux tells of processes and sockets",
    ))
}
