//! Both ends, and what is under way between them.

use super::client::Recorded;
use super::guests::{Guest, guests};
use super::owner::Owned;
use super::peers::{SERVER_V4, SERVER_V6};
use super::setups;
use crate::machine::{Machine, advance, drain};
use headwater_stun::{Attempt, Class, Datagram, LongTerm, Message, Transport};
use headwater_turn::FiveTuple;
use headwater_turn::attribute::{Family, XorPeerAddress};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Datagrams under way in one direction; the oldest is lost when there are more.
const MAX_UNDER_WAY: usize = 64;
/// More than the client may have to say at one moment: its requests, of which 32 are open at once.
const MAX_BURST: usize = 64;
/// How long a server remembers the bandwidth of who has left.
const SAVED: Duration = Duration::from_secs(1);
/// How long the last request of a client is waited for, with all its repetitions.
const LAST_WORDS: Duration = Duration::from_secs(120);

/// Both ends, what is under way, and who else is there.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) transport: Transport,
    /// Where the client is.
    pub(super) local: SocketAddr,
    pub(super) client: Recorded,
    pub(super) server: Owned,
    /// With the client's address.
    to_server: Vec<(SocketAddr, Vec<u8>)>,
    to_client: Vec<(SocketAddr, Vec<u8>)>,
    /// Somebody with the password who sends what our client never would, from where it is and from elsewhere.
    pub(super) odd: LongTerm,
    pub(super) attempt: Attempt,
    pub(super) guests: [Guest; 8],
    /// The client's last request, for answers that our server never would give.
    pub(super) asked: Option<(SocketAddr, Vec<u8>)>,
    /// What answers have named.
    pub(super) known: Known,
}

/// Names that the server has given out; the newest last.
#[derive(Default)]
pub(super) struct Known {
    pub(super) tokens: Vec<[u8; 8]>,
    pub(super) tickets: Vec<Vec<u8>>,
    pub(super) connections: Vec<u32>,
}

impl World {
    pub(super) fn new(kind: u8) -> Self {
        let now = Instant::now();
        Self {
            now,
            transport: setups::transport(kind),
            local: setups::local(kind),
            client: Recorded::new(kind, now),
            server: Owned::new(kind, now),
            to_server: Vec::new(),
            to_client: Vec::new(),
            odd: LongTerm::new(setups::MATRIX.0, setups::MATRIX.1),
            attempt: Attempt::default(),
            guests: guests(),
            asked: None,
            known: Known::default(),
        }
    }

    /// The 5-tuple of our client's, if it is at this address.
    pub(super) fn five_tuple(&self, local: SocketAddr) -> FiveTuple {
        FiveTuple::new(self.transport, server_for(local), local)
    }

    /// The `index`th datagram of a direction arrives; says whether there is one.
    pub(super) fn deliver(&mut self, direction: u8, index: usize) -> bool {
        let list = if direction & 1 == 0 { &mut self.to_server } else { &mut self.to_client };
        if index >= list.len() {
            return false;
        }
        let (local, bytes) = list.remove(index);
        if direction & 1 == 0 {
            self.server_hears(self.five_tuple(local), &bytes);
        } else {
            self.client_hears(local, &bytes);
        }
        true
    }

    /// One datagram arrives out of order, and perhaps again.
    pub(super) fn deliver_one(&mut self, choice: u8) {
        let list = if choice & 1 == 0 { &mut self.to_server } else { &mut self.to_client };
        let index = usize::from(choice >> 2) % list.len().max(1);
        if choice & 2 != 0 {
            let copy = list.get(index).cloned();
            list.extend(copy);
        }
        self.deliver(choice & 1, index);
    }

    pub(super) fn lose_all(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
    }

    /// The server takes a datagram. What it answers is for who has asked; what it refuses changes nothing. Returns what is to go
    /// to a peer.
    pub(super) fn server_hears(&mut self, from: FiveTuple, bytes: &[u8]) -> Option<Vec<u8>> {
        self.settle();
        let (now, Owned { server, laws, relays, .. }) = (self.now, &mut self.server);
        if let Ok(message) = Message::parse(bytes) {
            laws.asked(now, &message);
        }
        let before = (server.allocations(), server.poll_timeout());
        let mut is_refused = false;
        let data = match server
            .handle_datagram(now, Datagram::new(from.transport, from.local, from.remote, bytes))
        {
            Ok(Some(to)) => {
                assert!(bytes.as_ptr_range().contains(&to.data.as_ptr()) || to.data.is_empty());
                let relay = relays.iter().find(|it| it.id == to.relay).expect("an open relay");
                assert_eq!(relay.family, Family::of(&to.peer));
                laws.talks(now, to.peer);
                laws.carries(now, &relay.user, to.data.len());
                Some(to.data.to_vec())
            }
            Ok(None) => None,
            Err(_) => {
                assert_eq!((server.allocations(), server.poll_timeout()), before, "refused, yet changed");
                laws.refused += 1;
                is_refused = true;
                None
            }
        };
        let told = self.server.told;
        let answers = self.server_says();
        assert!(!is_refused || answers.is_empty() && self.server.told == told, "refused, yet answered");
        for (to, answer) in answers {
            self.server.laws.answered(now, from, bytes.len(), to, &answer);
            self.route(to, answer);
        }
        data
    }

    /// All that the server has to say and to tell.
    fn server_says(&mut self) -> Vec<(FiveTuple, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let told = self.server.told;
            let sent = drain(&mut self.server, self.now);
            let is_quiet = sent.is_empty() && self.server.told == told;
            all.extend(self.server.sent_to.drain(..).zip(sent));
            if is_quiet {
                self.server.check();
                return all;
            }
        }
    }

    /// What the server sends goes to our client, or to a guest, who learns from it at once.
    pub(super) fn route(&mut self, to: FiveTuple, bytes: Vec<u8>) {
        self.known.learn(&bytes);
        if let Ok(message) = Message::parse(&bytes) {
            if let (Class::Indication, Ok(Some(XorPeerAddress(peer)))) =
                (message.class(), message.attribute())
            {
                self.server.laws.talks(self.now, peer);
            }
            self.odd.handle_response(&mut self.attempt, &message);
            self.guests.iter_mut().filter(|it| it.address == to.remote).for_each(|it| it.hear(&message));
        }
        if to.remote.ip() == self.local.ip() {
            self.to_client.push((to.remote, bytes));
        }
    }

    pub(super) fn wait(&mut self, by: Duration) {
        let start = self.now;
        let mut now = start;
        let sent = advance(&mut self.client, &mut now, by);
        self.client_sent(sent);
        now = start;
        let sent = advance(&mut self.server, &mut now, by);
        let to = std::mem::take(&mut self.server.sent_to);
        to.into_iter().zip(sent).for_each(|(to, bytes)| self.route(to, bytes));
        self.now = now;
        self.settle();
    }

    /// Takes what both ends have to say.
    pub(super) fn settle(&mut self) {
        let sent = drain(&mut self.client, self.now);
        assert!(sent.len() <= MAX_BURST, "{} datagrams at one moment", sent.len());
        self.client_sent(sent);
        for (to, bytes) in self.server_says() {
            self.route(to, bytes);
        }
        for list in [&mut self.to_server, &mut self.to_client] {
            let surplus = list.len().saturating_sub(MAX_UNDER_WAY);
            list.drain(..surplus);
        }
    }

    fn client_sent(&mut self, sent: Vec<Vec<u8>>) {
        let from = std::mem::take(&mut self.client.sent_from);
        assert_eq!(from.len(), sent.len());
        for (local, bytes) in from.into_iter().zip(sent) {
            let message = Message::parse(&bytes).expect("a client asks with proper messages");
            if message.class() == Class::Request {
                self.asked = Some((local, bytes.clone()));
            }
            self.to_server.push((local, bytes));
        }
    }

    /// Both ends are closed, and nothing is left of what they had.
    pub(super) fn finish(mut self) {
        self.settle();
        self.server.server.close(self.now);
        self.settle();
        self.server.check_empty();
        self.client.client.close(self.now);
        self.wait(SAVED);
        assert_eq!(self.server.poll_timeout(), None, "closed, yet it waits for something");
        self.wait(LAST_WORDS);
        assert_eq!(self.client.poll_timeout(), None, "closed, yet it waits for something");
    }
}

/// The server's address that a client at `local` talks to.
pub(super) const fn server_for(local: SocketAddr) -> SocketAddr {
    if local.is_ipv4() { SERVER_V4 } else { SERVER_V6 }
}
