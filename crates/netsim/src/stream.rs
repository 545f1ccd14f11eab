//! Connections: who has opened one with whom, and what has come in order.
//!
//! ```text
//!  ends[0] opens                      ends[1] accepts
//!     Syn ──────────────────────────────► accepts()? else a reset
//!     Connected ◄──────────────── Open (0)
//!     Open (0) ─────────────────────────► Connected
//!     Message (1..) ◄───────────────────► Message (1..)
//!     Close ────────────────────────────► Closed(ByPeer)
//! ```
//!
//! Both directions are numbered by themselves. A segment that the path loses is sent again by the wire; the receiver
//! keeps what comes early. Acknowledgements are not simulated: the wire knows what it lost.

use crate::endpoint::StreamClosed;
use crate::network::EndpointId;
use crate::pcap::Header;
use crate::topology::Route;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

// Flags of TCP (RFC 9293 §3.1).
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PUSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Names one end of a connection: its number, and 0 for who opened it, 1 for who accepted.
pub(crate) type EndId = (usize, usize);

/// What travels along a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Syn,
    Open,
    Message(Vec<u8>),
    Close,
}

/// An item under way, or waiting to be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) from: EndId,
    number: u64,
    /// Bytes sent in this direction before it, for captures.
    offset: u32,
    pub(crate) item: Item,
    /// How often it was lost.
    pub(crate) losses: u32,
}

impl Segment {
    /// Sequence number and flags, for captures.
    pub(crate) fn header(&self) -> Header {
        let (number, flags) = match (&self.item, self.from.1) {
            (Item::Syn, _) => (0, SYN),
            (Item::Open, 1) => (0, SYN | ACK),
            (Item::Open, _) => (1, ACK),
            (Item::Message(_), _) => (1, PUSH | ACK),
            (Item::Close, _) => (1, FIN | ACK),
        };
        Header::Tcp(self.offset.wrapping_add(number), flags)
    }
}

/// What an endpoint is told next.
#[derive(Debug)]
pub(crate) enum Told {
    Connected,
    Message(Vec<u8>),
    Closed(StreamClosed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    /// The endpoint has closed it; what it sent before still goes out.
    Closing,
    Dead,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) endpoint: EndpointId,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    state: State,
    next_out: u64,
    bytes_out: u32,
    next_in: u64,
    early: BTreeMap<u64, Item>,
    /// Written before the connection was open.
    waiting: Vec<Item>,
}

impl End {
    fn new(endpoint: EndpointId, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            endpoint,
            local,
            remote,
            state: State::Connecting,
            next_out: 0,
            bytes_out: 0,
            next_in: 0,
            early: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    fn segment(&mut self, from: EndId, item: Item) -> Segment {
        let (number, offset) = (self.next_out, self.bytes_out);
        if item != Item::Syn {
            self.next_out += 1;
        }
        if let Item::Message(contents) = &item {
            self.bytes_out = self.bytes_out.wrapping_add(u32::try_from(contents.len()).unwrap_or(u32::MAX));
        }
        Segment { from, number, offset, item, losses: 0 }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state == State::Dead
    }

    fn is_at(&self, route: Route) -> bool {
        (self.endpoint, self.local, self.remote) == (route.to, route.local, route.remote)
    }
}

/// All connections that there ever were, and what endpoints are to be told.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    connections: Vec<Vec<End>>,
    told: VecDeque<(EndId, Told)>,
}

impl Streams {
    pub(crate) fn end(&self, (connection, side): EndId) -> Option<&End> {
        self.connections.get(connection)?.get(side)
    }

    fn end_mut(&mut self, (connection, side): EndId) -> Option<&mut End> {
        self.connections.get_mut(connection)?.get_mut(side)
    }

    /// The end that an endpoint means by these addresses, if it is in use.
    pub(crate) fn find(&self, endpoint: EndpointId, local: SocketAddr, remote: SocketAddr) -> Option<EndId> {
        let is_meant = |end: &End| {
            (end.endpoint, end.local, end.remote) == (endpoint, local, remote)
                && matches!(end.state, State::Connecting | State::Open)
        };
        self.connections
            .iter()
            .enumerate()
            .rev()
            .find_map(|(connection, ends)| Some((connection, ends.iter().position(is_meant)?)))
    }

    pub(crate) fn connect(&mut self, endpoint: EndpointId, local: SocketAddr, remote: SocketAddr) -> Segment {
        let mut end = End::new(endpoint, local, remote);
        let segment = end.segment((self.connections.len(), 0), Item::Syn);
        self.connections.push(vec![end]);
        segment
    }

    /// The answer to a `Syn` that has arrived.
    pub(crate) fn accept(&mut self, connection: usize, route: Route) -> Option<Segment> {
        let ends = self.connections.get_mut(connection).filter(|ends| ends.len() == 1)?;
        let mut end = End::new(route.to, route.local, route.remote);
        let segment = end.segment((connection, 1), Item::Open);
        ends.push(end);
        Some(segment)
    }

    /// Numbers an item that an endpoint sends, or keeps it until the connection is open.
    pub(crate) fn write(&mut self, id: EndId, item: Item) -> Option<Segment> {
        let end = self.end_mut(id)?;
        match end.state {
            State::Connecting => {
                if item == Item::Close {
                    end.state = State::Dead;
                } else {
                    end.waiting.push(item);
                }
                None
            }
            State::Open => {
                if item == Item::Close {
                    end.state = State::Closing;
                }
                Some(end.segment(id, item))
            }
            State::Closing | State::Dead => None,
        }
    }

    /// Whether a segment that takes this route reaches the other end of its connection.
    pub(crate) fn is_for(&self, segment: &Segment, route: Route) -> bool {
        let (connection, side) = segment.from;
        segment.item == Item::Syn || self.end((connection, 1 - side)).is_some_and(|end| end.is_at(route))
    }

    /// Takes what has arrived. Returns what is to be sent now, or `Err` if a reset is the answer.
    pub(crate) fn arrive(&mut self, segment: Segment) -> Result<Vec<Segment>, ()> {
        let (connection, side) = segment.from;
        let id = (connection, 1 - side);
        let Some(end) = self.connections.get_mut(connection).and_then(|ends| ends.get_mut(1 - side)) else {
            return Err(());
        };
        if end.state == State::Dead {
            return if segment.item == Item::Close { Ok(Vec::new()) } else { Err(()) };
        }
        if segment.number >= end.next_in {
            end.early.insert(segment.number, segment.item);
        }
        let mut replies = Vec::new();
        while let Some(item) = end.early.remove(&end.next_in) {
            end.next_in += 1;
            match item {
                Item::Open if end.state == State::Connecting => {
                    end.state = State::Open;
                    self.told.push_back((id, Told::Connected));
                    if id.1 == 0 {
                        replies.push(end.segment(id, Item::Open));
                    }
                    for item in std::mem::take(&mut end.waiting) {
                        replies.push(end.segment(id, item));
                    }
                }
                Item::Message(contents) if end.state == State::Open => {
                    self.told.push_back((id, Told::Message(contents)));
                }
                Item::Close => {
                    if end.state != State::Closing {
                        self.told.push_back((id, Told::Closed(StreamClosed::ByPeer)));
                    }
                    end.state = State::Dead;
                }
                Item::Syn | Item::Open | Item::Message(_) => {}
            }
        }
        Ok(replies)
    }

    /// Ends one side; the other one finds out when it sends.
    pub(crate) fn fail(&mut self, id: EndId, why: StreamClosed) {
        let Some(end) = self.end_mut(id) else { return };
        let why = if why == StreamClosed::Reset && end.state == State::Connecting && id.1 == 0 {
            StreamClosed::Refused
        } else {
            why
        };
        let is_open = matches!(end.state, State::Connecting | State::Open);
        // An end that accepted and never heard `Open` was never shown to its endpoint.
        let is_known = id.1 == 0 || end.next_in > 0;
        end.state = State::Dead;
        if is_open && is_known {
            self.told.push_back((id, Told::Closed(why)));
        }
    }

    /// What an endpoint is told next.
    pub(crate) fn poll_told(&mut self) -> Option<(&End, Told)> {
        let ((connection, side), told) = self.told.pop_front()?;
        Some((self.connections.get(connection)?.get(side)?, told))
    }

    pub(crate) fn has_told(&self) -> bool {
        !self.told.is_empty()
    }
}
