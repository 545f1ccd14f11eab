//! The application's bytes, to peers and from them.

use std::net::SocketAddr;
use std::time::Instant;

use headwater_stun::{Message, MessageBuilder, ParseError, Transmit};

use super::{Client, ClientConfig, ClientEvent};
use crate::attribute::{
    self, CONNECTION_ATTEMPT, ConnectionId, DATA, Data, DontFragment, Icmp, SEND, XorPeerAddress,
};
use crate::{Error, channel_data};

/// Most bytes for a peer in one message: what a UDP datagram holds beside the longest header of ours.
const MAX_DATA_LEN: usize = 65_400;
/// Events that wait, beyond which indications of the server are refused.
const MAX_EVENTS: usize = 256;

/// Data of a peer: part of the datagram that it came in.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromPeer<'d> {
    /// Who.
    pub peer: SocketAddr,
    /// What.
    pub data: &'d [u8],
}

impl Client {
    /// Appends `data` for `peer` as a message to the server: ChannelData if there is a channel, else a Send
    /// indication. HOT.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] without a channel or a permission that the server has confirmed,
    /// [`Error::Malformed`] if there are more than 65,400 bytes. Nothing is appended then.
    pub fn wrap(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        data: &[u8],
        buf: &mut Vec<u8>,
    ) -> Result<Transmit, Error> {
        let got = data.len();
        if got > MAX_DATA_LEN {
            return Err(ParseError::TooLong { limit: MAX_DATA_LEN, got }.into());
        }
        let ClientConfig { transport, local, server, .. } = self.config;
        let channel = self.peers.channel_of(now, peer);
        let len = match channel.and_then(|number| channel_data::emit(transport, number, data, buf)) {
            Some(len) => len,
            None if self.peers.is_permitted(now, peer.ip()) => {
                let id = self.transactions.next_id();
                let indication = MessageBuilder::indication(SEND, id, buf).attribute(&XorPeerAddress(peer));
                match self.options.dont_fragment {
                    true => indication.attribute(&DontFragment).attribute(&Data(data)).finish(),
                    false => indication.attribute(&Data(data)).finish(),
                }
            }
            None => return Err(Error::NotPermitted),
        };
        self.last_sent = now;
        Ok(Transmit::new(transport, local, server, len))
    }

    /// Data and ConnectionAttempt (RFC 8656 §11.4, RFC 6062 §4.4). Nobody signs them; so they count for peers with
    /// a permission only.
    pub(super) fn handle_indication<'d>(
        &mut self,
        now: Instant,
        indication: &Message<'d>,
    ) -> Result<Option<FromPeer<'d>>, Error> {
        if indication.unknown_required(attribute::is_known).next().is_some() {
            return Err(Error::Unexpected);
        }
        let XorPeerAddress(peer) = indication.attribute()?.ok_or(Error::Unexpected)?;
        if !self.peers.is_permitted(now, peer.ip()) {
            return Err(Error::NotPermitted);
        }
        let event = match indication.method() {
            DATA => match indication.attribute()? {
                Some(Data(data)) => return Ok(Some(FromPeer { peer, data })),
                None => ClientEvent::Icmp(peer, indication.attribute::<Icmp>()?.ok_or(Error::Unexpected)?),
            },
            CONNECTION_ATTEMPT => {
                let connection = indication.attribute::<ConnectionId>()?.ok_or(Error::Unexpected)?;
                ClientEvent::PeerConnected(peer, connection)
            }
            _ => return Err(Error::Unexpected),
        };
        if self.events.len() >= MAX_EVENTS {
            return Err(Error::Overloaded);
        }
        self.events.push_back(event);
        Ok(None)
    }
}
