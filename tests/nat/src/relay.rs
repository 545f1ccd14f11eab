//! A client of one TURN server over one transport (RFC 8656), as small as the tables need it: no loss, no refreshes
//! (five minutes are enough), Send and Data indications instead of channels.

use headwater_ice::Path;
use headwater_stun::attribute::XorMappedAddress;
use headwater_stun::{
    Attempt, Class, LongTerm, Message, MessageBuilder, Method, TransactionId, Transport, Verdict,
};
use headwater_turn::attribute::{
    ALLOCATE, CREATE_PERMISSION, DATA, Data, RequestedTransport, SEND, UDP, XorPeerAddress, XorRelayedAddress,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// The two addresses of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocated {
    /// Where peers send to.
    pub(crate) relayed: SocketAddr,
    /// Where the server sees us.
    pub(crate) mapped: SocketAddr,
}

/// What came of a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    Allocated(Allocated),
    Data { peer: SocketAddr, contents: Vec<u8> },
}

#[derive(Debug)]
struct Request {
    id: TransactionId,
    attempt: Attempt,
    /// The peer of a CreatePermission; `None`: Allocate.
    peer: Option<SocketAddr>,
}

/// A client of a TURN server.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) transport: Transport,
    pub(crate) local: SocketAddr,
    pub(crate) server: SocketAddr,
    credentials: LongTerm,
    allocated: Option<Allocated>,
    open: Vec<Request>,
    /// Peers that may send to us, or what waits until they may.
    permitted: BTreeMap<IpAddr, Option<Vec<(SocketAddr, Vec<u8>)>>>,
    outgoing: VecDeque<Vec<u8>>,
    next_id: u8,
}

impl Relay {
    pub(crate) fn new(transport: Transport, local: SocketAddr, server: SocketAddr) -> Self {
        Self {
            transport,
            local,
            server,
            credentials: LongTerm::new(crate::service::USER, crate::service::PASSWORD),
            allocated: None,
            open: Vec::new(),
            permitted: BTreeMap::new(),
            outgoing: VecDeque::new(),
            next_id: 0,
        }
    }

    pub(crate) const fn allocated(&self) -> Option<Allocated> {
        self.allocated
    }

    /// Whether this is our relayed address.
    pub(crate) fn is_at(&self, relayed: SocketAddr) -> bool {
        self.allocated.is_some_and(|it| it.relayed == relayed)
    }

    /// Whether this is the way between the server and us.
    pub(crate) fn is_from(&self, path: Path) -> bool {
        (path.transport, path.local, path.remote) == (self.transport, self.local, self.server)
    }

    /// Asks for an allocation, anew if there was one.
    pub(crate) fn allocate(&mut self) {
        self.allocated = None;
        self.open.clear();
        self.permitted.clear();
        self.credentials.reset();
        self.request(Attempt::default(), None);
    }

    /// Sends to a peer, once it is permitted.
    pub(crate) fn send(&mut self, peer: SocketAddr, contents: Vec<u8>) {
        match self.permitted.get_mut(&peer.ip()) {
            Some(None) => {
                let id = self.fresh_id();
                let mut buf = Vec::new();
                let message = MessageBuilder::indication(SEND, id, &mut buf);
                message.attribute(&XorPeerAddress(peer)).attribute(&Data(&contents)).finish();
                self.outgoing.push_back(buf);
            }
            Some(Some(waiting)) => waiting.push((peer, contents)),
            None => {
                self.permitted.insert(peer.ip(), Some(vec![(peer, contents)]));
                self.request(Attempt::default(), Some(peer));
            }
        }
    }

    /// Takes a message of the server.
    pub(crate) fn handle(&mut self, contents: &[u8]) -> Came {
        let Ok(message) = Message::parse(contents) else { return Came::Nothing };
        if (message.method(), message.class()) == (DATA, Class::Indication) {
            let peer = message.attribute::<XorPeerAddress>().ok().flatten();
            let data = message.attribute::<Data<'_>>().ok().flatten();
            return match (peer, data) {
                (Some(XorPeerAddress(peer)), Some(Data(data))) => {
                    Came::Data { peer, contents: data.to_vec() }
                }
                _ => Came::Nothing,
            };
        }
        let Some(index) = self.open.iter().position(|it| it.id == message.transaction_id()) else {
            return Came::Nothing;
        };
        let Request { mut attempt, peer, .. } = self.open.swap_remove(index);
        match self.credentials.handle_response(&mut attempt, &message) {
            Verdict::Retry => self.request(attempt, peer),
            Verdict::Genuine if message.class() == Class::Success => return self.succeeded(&message, peer),
            _ => {}
        }
        Came::Nothing
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    fn succeeded(&mut self, message: &Message<'_>, peer: Option<SocketAddr>) -> Came {
        if let Some(peer) = peer {
            let waiting = self.permitted.insert(peer.ip(), None).flatten().unwrap_or_default();
            waiting.into_iter().for_each(|(peer, contents)| self.send(peer, contents));
            return Came::Nothing;
        }
        let relayed = message.attribute::<XorRelayedAddress>().ok().flatten();
        let mapped = message.attribute::<XorMappedAddress>().ok().flatten();
        let (Some(XorRelayedAddress(relayed)), Some(XorMappedAddress(mapped))) = (relayed, mapped) else {
            return Came::Nothing;
        };
        let allocated = Allocated { relayed, mapped };
        self.allocated = Some(allocated);
        Came::Allocated(allocated)
    }

    fn request(&mut self, mut attempt: Attempt, peer: Option<SocketAddr>) {
        let id = self.fresh_id();
        let mut buf = Vec::new();
        let of = |method: Method, buf| MessageBuilder::request(method, id, buf);
        let message = match peer {
            None => of(ALLOCATE, &mut buf).attribute(&RequestedTransport(UDP)),
            Some(peer) => of(CREATE_PERMISSION, &mut buf).attribute(&XorPeerAddress(peer)),
        };
        self.credentials.sign(&mut attempt, message).finish();
        self.outgoing.push_back(buf);
        self.open.push(Request { id, attempt, peer });
    }

    fn fresh_id(&mut self) -> TransactionId {
        self.next_id = self.next_id.wrapping_add(1);
        TransactionId::new([self.next_id; TransactionId::LEN])
    }
}
