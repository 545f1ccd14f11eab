//! A client that has an allocation and nothing else.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use headwater_stun::attribute::{Nonce, Realm, Username};
use headwater_stun::{Class, Key, Message, MessageBuilder, Method, TransactionId};
use headwater_turn::attribute::{
    ALLOCATE, CHANNEL_BIND, ChannelNumber, RequestedTransport, UDP, XorPeerAddress, XorRelayedAddress,
};

const TRIES: usize = 8;
const WAIT: Duration = Duration::from_millis(500);

pub(crate) struct Client {
    pub(crate) socket: UdpSocket,
    pub(crate) relayed: SocketAddr,
    key: Key,
    nonce: String,
    next_id: u64,
}

/// What an attempt came to.
fn say(what: &str, error: impl std::fmt::Display) -> String {
    format!("{what}: {error}")
}

/// A first Allocate, without credentials.
pub(crate) fn bare_allocate(id: u64, buf: &mut Vec<u8>) {
    MessageBuilder::request(ALLOCATE, transaction(id), buf).attribute(&RequestedTransport(UDP)).finish();
}

fn transaction(id: u64) -> TransactionId {
    let mut bytes = [7; TransactionId::LEN];
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    TransactionId::new(bytes)
}

impl Client {
    /// Makes an allocation from `local`.
    pub(crate) fn allocate(local: (IpAddr, u16), server: SocketAddr) -> Result<Self, String> {
        let socket = UdpSocket::bind(local).map_err(|error| say("a client's socket", error))?;
        socket.connect(server).map_err(|error| say("connect", error))?;
        socket.set_read_timeout(Some(WAIT)).map_err(|error| say("a timeout", error))?;
        let mut buf = Vec::new();
        bare_allocate(1, &mut buf);
        let answer = exchange(&socket, &buf)?;
        let message = Message::parse(&answer).map_err(|error| say("an answer", error))?;
        let realm = message.attribute::<Realm<'_>>().ok().flatten().ok_or("an answer without a realm")?;
        let nonce = message.attribute::<Nonce<'_>>().ok().flatten().ok_or("an answer without a nonce")?;
        let key = Key::long_term_md5("u", realm.0, "p");
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let (realm, nonce) = (realm.0.to_owned(), nonce.0.to_owned());
        let mut client = Self { socket, relayed: unspecified, key, nonce, next_id: 2 };
        let answer =
            client.request(&realm, ALLOCATE, |message| message.attribute(&RequestedTransport(UDP)))?;
        let message = Message::parse(&answer).map_err(|error| say("an answer", error))?;
        let relayed = message.attribute::<XorRelayedAddress>().ok().flatten();
        client.relayed = relayed.ok_or("an answer without an address")?.0;
        Ok(client)
    }

    /// Binds a channel.
    pub(crate) fn bind(&mut self, channel: u16, peer: SocketAddr) -> Result<(), String> {
        self.request("headwater", CHANNEL_BIND, |message| {
            message.attribute(&ChannelNumber(channel)).attribute(&XorPeerAddress(peer))
        })
        .map(drop)
    }

    fn request(
        &mut self,
        realm: &str,
        method: Method,
        attributes: impl for<'b> Fn(MessageBuilder<'b>) -> MessageBuilder<'b>,
    ) -> Result<Vec<u8>, String> {
        let mut buf = Vec::new();
        let message = MessageBuilder::request(method, transaction(self.next_id), &mut buf);
        self.next_id += 1;
        let message = attributes(message).attribute(&Username("u")).attribute(&Realm(realm));
        message.attribute(&Nonce(&self.nonce)).integrity(&self.key).finish();
        let answer = exchange(&self.socket, &buf)?;
        match Message::parse(&answer) {
            Ok(message) if message.class() == Class::Success => Ok(answer),
            Ok(message) => Err(format!(
                "{method:?} was refused: {:?}",
                message.attributes().next().map(|it| it.value.to_vec())
            )),
            Err(error) => Err(say("an answer", error)),
        }
    }
}

/// Sends a request until it is answered.
fn exchange(socket: &UdpSocket, request: &[u8]) -> Result<Vec<u8>, String> {
    let mut buffer = [0; 2048];
    for _ in 0..TRIES {
        socket.send(request).map_err(|error| say("send", error))?;
        loop {
            match socket.recv(&mut buffer) {
                // The transaction id, which is in the first twenty bytes.
                Ok(len) if len >= 20 && buffer[8..20] == request[8..20] => return Ok(buffer[..len].to_vec()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    break;
                }
                Err(error) => return Err(say("receive", error)),
            }
        }
    }
    Err("no answer".to_owned())
}
