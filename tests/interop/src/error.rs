//! What can go wrong between a test and the programs that it drives.

use std::time::Duration;

/// Result of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a browser, the server or another program did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program could not be started, or ended before it was ready.
    #[error("{program} did not start: {reason}")]
    Start {
        /// What was to be started.
        program: String,
        /// The system's or the program's own words.
        reason: String,
    },
    /// Something did not happen in time.
    #[error("{what}: nothing within {limit:?}\n{context}")]
    Timeout {
        /// What was awaited.
        what: String,
        /// How long.
        limit: Duration,
        /// The end of the logs that may explain it.
        context: String,
    },
    /// A script threw, or its promise was rejected.
    #[error("script failed: {message}\n{context}")]
    Script {
        /// The exception's text.
        message: String,
        /// The page's console.
        context: String,
    },
    /// The browser refused a command, or its answer was not what the protocol says.
    #[error("{command}: {message}")]
    Protocol {
        /// The command's name.
        command: String,
        /// The browser's words.
        message: String,
    },
    /// The connection to the browser broke: most often it crashed.
    #[error("the connection to the browser broke: {0}")]
    Socket(#[from] tungstenite::Error),
    /// The operating system said no.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
