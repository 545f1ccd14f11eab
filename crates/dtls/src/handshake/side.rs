//! Whose turn it is: which role, which version, hello or later.

use super::accept::Accept;
use super::exchange::Exchange;
use super::offer::Offer;
use super::{Failure, Message, Progress};
use crate::{handshake12, handshake13};

pub(crate) enum Side {
    /// A client whose hello is not answered yet.
    Offer(Offer),
    /// A server that waits for a hello.
    Accept(Accept),
    Client12(handshake12::client::Client),
    Server12(handshake12::server::Server),
    Client13(handshake13::client::Client),
    Server13(handshake13::server::Server),
}

impl Side {
    pub(crate) fn handle_message(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let next = match self {
            Self::Client12(client) => return client.handle_message(exchange, message),
            Self::Server12(server) => return server.handle_message(exchange, message),
            Self::Client13(client) => return client.handle_message(exchange, message),
            Self::Server13(server) => return server.handle_message(exchange, message),
            Self::Offer(offer) => offer.handle_message(exchange, message)?,
            Self::Accept(accept) => accept.handle_message(exchange, message)?,
        };
        if let Some(next) = next {
            *self = next;
        }
        Ok(Progress::Continue)
    }

    /// The hellos chose DTLS 1.3.
    pub(crate) fn is_dtls13(&self) -> bool {
        matches!(self, Self::Client13(_) | Self::Server13(_))
    }

    /// All that we lack is the peer's last flight.
    pub(crate) fn is_peer_ahead(&self) -> bool {
        match self {
            Self::Server13(_) => true,
            Self::Client12(client) => client.has_finished(),
            _ => false,
        }
    }
}
