//! What an event of the poll is about: a kind in the upper bits, an index in the lower ones.

use mio::Token;

const SHIFT: u32 = 32;

/// A kind and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Another thread has something to say.
    Waker,
    /// A UDP listener.
    Port(usize),
    /// A relay.
    Relay(u32),
    /// A TCP listener.
    Door(usize),
    /// A connection of a client.
    Stream(usize),
    /// A connection with a peer.
    Peer(usize),
}

const PORT: usize = 1;
const RELAY: usize = 2;
const DOOR: usize = 3;
const STREAM: usize = 4;
const PEER: usize = 5;

pub(crate) const WAKER: Token = Token(0);

pub(crate) const fn port(index: usize) -> Token {
    Token(PORT << SHIFT | index)
}

pub(crate) const fn relay(index: u32) -> Token {
    Token(RELAY << SHIFT | index as usize)
}

pub(crate) const fn door(index: usize) -> Token {
    Token(DOOR << SHIFT | index)
}

pub(crate) const fn stream(index: usize) -> Token {
    Token(STREAM << SHIFT | index)
}

pub(crate) const fn peer(index: usize) -> Token {
    Token(PEER << SHIFT | index)
}

pub(crate) const fn kind(token: Token) -> Kind {
    let index = token.0 & ((1 << SHIFT) - 1);
    match token.0 >> SHIFT {
        PORT => Kind::Port(index),
        RELAY => Kind::Relay(index as u32),
        DOOR => Kind::Door(index),
        STREAM => Kind::Stream(index),
        PEER => Kind::Peer(index),
        _ => Kind::Waker,
    }
}
