//! Allocations that move with their owner (RFC 8016).

use headwater_stun::Message;
use headwater_stun::attribute::ErrorCode;
use rand_chacha::rand_core::Rng;

use super::Server;
use super::allocation::Ticket;
use super::refusal::{MOBILITY_FORBIDDEN, Refusal};
use crate::attribute::MobilityTicket;

/// Length of a ticket: the allocation's key and its secret.
const TICKET_LEN: usize = 20;

impl Ticket {
    /// What the client is given.
    pub(super) fn bytes(&self, key: u32) -> [u8; TICKET_LEN] {
        let mut bytes = [0; TICKET_LEN];
        bytes[..4].copy_from_slice(&key.to_be_bytes());
        bytes[4..].copy_from_slice(&self.current);
        bytes
    }
}

impl Server {
    /// The ticket of a new allocation whose owner asks for one by an empty MOBILITY-TICKET.
    pub(super) fn first_ticket(&mut self, request: &Message<'_>) -> Result<Option<Ticket>, Refusal> {
        match request.attribute()? {
            None => Ok(None),
            Some(MobilityTicket(_)) if !self.config.mobility => Err(MOBILITY_FORBIDDEN.into()),
            Some(MobilityTicket([])) => {
                let mut current = [0; 16];
                self.rng.fill_bytes(&mut current);
                Ok(Some(Ticket { current, previous: None }))
            }
            Some(MobilityTicket(_)) => Err(ErrorCode::BAD_REQUEST.into()),
        }
    }
}
