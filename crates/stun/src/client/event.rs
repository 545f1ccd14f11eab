//! What becomes of requests.

use std::net::SocketAddr;

use crate::{Refusal, TransactionId};

/// What became of a request. All but [`Redirected`](Self::Redirected) are its end.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server answered.
    Mapped {
        /// The request.
        transaction_id: TransactionId,
        /// The address of ours that it went from.
        local: SocketAddr,
        /// The server that answered.
        server: SocketAddr,
        /// The address that the server saw.
        mapped: SocketAddr,
    },
    /// The server sent us on, and the request goes to the other one now. Over TCP that needs a connection, which the
    /// next [`Transmit`](crate::Transmit) to it implies; over TLS its certificate has another name, if there is a `domain`.
    Redirected {
        /// The request.
        transaction_id: TransactionId,
        /// The server that answered.
        server: SocketAddr,
        /// The server that is asked instead.
        alternate: SocketAddr,
        /// The name of the other server, if it isn't the first one's.
        domain: Option<String>,
    },
    /// The server answered with an error, or without an address in its answer (then the code is 0).
    Refused {
        /// The request.
        transaction_id: TransactionId,
        /// The server.
        server: SocketAddr,
        /// ERROR-CODE's number.
        code: u16,
    },
    /// The server asks for proof, and that came to nothing.
    Denied {
        /// The request.
        transaction_id: TransactionId,
        /// The server.
        server: SocketAddr,
        /// Why.
        refusal: Refusal,
    },
    /// No answer came within 79 RTOs (39.5 s by default).
    TimedOut {
        /// The request.
        transaction_id: TransactionId,
        /// The server.
        server: SocketAddr,
    },
    /// Answers came, but none by somebody who knows the password (RFC 8489 §9.2.5).
    Unauthentic {
        /// The request.
        transaction_id: TransactionId,
        /// The server.
        server: SocketAddr,
    },
}
