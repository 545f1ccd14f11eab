//! The command line of `headwater doctor`.

use clap::Args;
use headwater_stun::{Uri, UriError};

use crate::config;

/// The settings to look at, and how to print.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) settings: config::Options,
    /// Asks this STUN server what address this machine has outside, e.g. stun:stun.example.org:3478, repeatable
    #[arg(long, value_name = "URL", value_delimiter = ',', value_parser = stun_server)]
    pub(super) stun: Vec<Uri>,
    /// Prints one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// A `stun:` URI, or what stands behind its colon.
fn stun_server(text: &str) -> Result<Uri, String> {
    let parsed = match text.parse::<Uri>() {
        Err(UriError::UnknownScheme) => format!("stun:{text}").parse(),
        parsed => parsed,
    };
    match parsed {
        Ok(uri) if uri.is_turn() || uri.is_secure() => {
            Err("only stun: servers are asked, over UDP".to_owned())
        }
        Ok(uri) => Ok(uri),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stun_server_is_named_with_or_without_its_scheme() {
        for (text, uri) in [
            ("stun:stun.example.org:3479", "stun:stun.example.org:3479"),
            ("stun.example.org:3479", "stun:stun.example.org:3479"),
            ("stun.example.org", "stun:stun.example.org"),
            ("192.0.2.1", "stun:192.0.2.1"),
            ("[2001:db8::1]:3479", "stun:[2001:db8::1]:3479"),
        ] {
            assert_eq!(stun_server(text).unwrap().to_string(), uri, "{text}");
        }
        for text in ["", "turn:a", "stuns:a", "stun://a", "http://a", "a:b"] {
            assert!(stun_server(text).is_err(), "{text}");
        }
    }
}
