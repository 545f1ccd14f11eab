//! Working together: sessions go to the worker whose socket hears them, streams to those who have viewers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use headwater_sfu::{CloseReason, Datagram, Error, Notice, Parcel, Path, PeerId, Wish};

use crate::clock;
use crate::handle::Message;
use crate::session_id::SessionId;
use crate::strays::{self, Stray};
use crate::worker::{Session, Worker};

/// What workers tell each other.
pub(crate) enum News {
    /// This session's datagrams arrive at your socket: it is yours.
    Adopt(Box<Adoption>),
    /// Of a stream that I have the publisher of.
    Notice(Arc<Notice>),
    /// I have viewers of a stream that you have the publisher of.
    Wish(Wish),
    /// I have failed and begun anew: what I knew is gone.
    Restarted,
}

/// A session on its way to another worker.
pub(crate) struct Adoption {
    id: SessionId,
    session: Session,
    parcel: Parcel,
}

impl Worker {
    /// Takes a datagram that arrived at another worker's socket.
    pub(crate) fn handle_stray(&mut self, mut stray: Stray) {
        self.now = clock::now();
        self.inner.workers()[self.index].strays.fetch_sub(1, Ordering::Relaxed);
        let is_check = headwater_sfu::ufrag_of_request(&stray.contents).is_some();
        let Path { transport, local, remote, .. } = stray.path;
        let mut datagram = Datagram::new(local, remote, stray.received, &mut stray.contents);
        datagram.transport = transport;
        match self.sfu.handle_datagram(self.now, datagram) {
            // Its first check is enough to remember it by; the rest comes the same way. And only what authenticated is worth
            // remembering.
            Ok(()) if is_check && stray.from != self.index && !self.give_away(&stray) => {
                self.elsewhere.learn(&stray);
                let learn = Message::Learn { path: stray.path, worker: self.index };
                self.inner.workers()[stray.from].send(learn);
            }
            // It has moved on while this was on its way.
            Err(Error::Unrouted) => {
                let Stray { from, hops, path, received, ref contents } = stray;
                let again = strays::Datagram { from, hops, path, received, contents };
                self.strays.pass_on(&self.inner, self.index, self.now, &again);
            }
            _ => {}
        }
    }

    /// Gives the session of a check that was just taken to the worker whose socket the check arrived at.
    fn give_away(&mut self, check: &Stray) -> bool {
        let Some(directory) = &self.inner.directory else { return false };
        let Some(peer) = self.sfu.peer_of_request(&check.contents) else { return false };
        let Some(&id) = self.by_peer.get(&peer) else { return false };
        if self.dumps.iter().any(|(_, recorded, _)| *recorded == peer) {
            return false;
        }
        let Some(parcel) = self.sfu.release(peer, &check.path) else { return false };
        self.by_peer.remove(&peer);
        let Some(session) = self.sessions.remove(&id) else { return false };
        for path in parcel.paths() {
            self.strays.learn(self.now, *path, check.from);
        }
        let adoption = Box::new(Adoption { id, session, parcel });
        // In this order: who reads of the new place finds the session there.
        self.tell_worker(check.from, News::Adopt(adoption));
        directory.give(id, self.index, check.from);
        true
    }

    pub(crate) fn handle_news(&mut self, from: usize, news: News) {
        self.now = clock::now();
        match news {
            News::Adopt(adoption) => self.adopt(*adoption),
            News::Notice(notice) => self.sfu.handle_notice(self.now, from, &notice),
            News::Wish(wish) => self.sfu.handle_wish(self.now, from, wish),
            News::Restarted => {
                self.sfu.forget_unit(self.now, from);
                self.sfu.renew_notices();
            }
        }
    }

    fn adopt(&mut self, adoption: Adoption) {
        let Adoption { id, mut session, parcel } = adoption;
        let knows = self.inner.directory.as_ref().is_some_and(|directory| directory.place(id, self.index));
        if !knows {
            // Its limits were given back by whoever failed meanwhile.
            self.inner.events.closed(id, CloseReason::NeverConnected);
            return;
        }
        session.peer = self.sfu.adopt(self.now, parcel);
        self.by_peer.insert(session.peer, id);
        if self.stop.is_some() {
            self.sfu.close(self.now, session.peer);
        }
        self.sessions.insert(id, session);
    }

    /// A session is connected; a publisher gets its stream, or is told that another has it.
    pub(crate) fn note_connected(&mut self, peer: PeerId, id: SessionId, is_publisher: bool) {
        let Some(directory) = &self.inner.directory else { return };
        directory.connected(id);
        if !is_publisher {
            return;
        }
        // Who has gone since takes nobody's stream.
        if !self.sfu.peer_info(self.now, peer).is_some_and(|info| info.is_connected) {
            return;
        }
        let Some(grant) = directory.claim(id, self.now) else {
            self.sfu.replace(self.now, peer);
            return;
        };
        if self.sfu.begin_publishing(self.now, peer, grant.generation) {
            self.publishers.insert(grant.generation, grant.heard);
            if let Some(session) = self.sessions.get_mut(&id) {
                session.publishes = Some(grant.generation);
            }
        }
    }

    /// A session is gone.
    pub(crate) fn note_closed(&mut self, id: SessionId, session: &Session) {
        if let Some(directory) = &self.inner.directory {
            directory.leave(id);
        }
        if let Some(generation) = session.publishes {
            self.publishers.remove(&generation);
        }
    }

    /// About to sleep: takes what others hand over until then. Who does so later wakes us.
    pub(crate) fn fall_asleep(&mut self, timeout: Duration) -> Duration {
        if self.inner.directory.is_none() {
            return timeout;
        }
        let sleeps = self.inner.workers()[self.index].sleep.begin(timeout);
        if sleeps && self.take_batches() { Duration::ZERO } else { timeout }
    }

    pub(crate) fn wake_up(&self) {
        self.inner.workers()[self.index].sleep.end();
    }

    /// Takes what other workers have handed over. Returns whether there was something.
    pub(crate) fn take_batches(&mut self) -> bool {
        self.inner.directory.is_some() && self.links.take(self.now, &mut self.sfu)
    }

    /// Hands over what has arrived, before it is sent here: so all workers send at the same time.
    pub(crate) fn hand_off(&mut self) {
        let Some(directory) = self.inner.directory.as_ref().filter(|_| self.sfu.has_news()) else { return };
        for generation in self.sfu.heard_publishers() {
            if let Some(heard) = self.publishers.get(&generation) {
                directory.note_heard(heard, self.now);
            }
        }
        self.links.hand_off(self.now, &mut self.sfu, self.inner.workers());
    }

    /// Tells the other workers what has changed here.
    pub(crate) fn share(&mut self) {
        if self.inner.directory.is_none() {
            return;
        }
        while let Some(notice) = self.sfu.poll_notice(self.now) {
            let notice = Arc::new(notice);
            for other in (0..self.inner.workers().len()).filter(|other| *other != self.index) {
                self.tell_worker(other, News::Notice(Arc::clone(&notice)));
            }
        }
        while let Some((worker, wish)) = self.sfu.poll_wish(self.now) {
            self.tell_worker(worker, News::Wish(wish));
        }
    }

    /// This worker has failed: what others know of it is not so any more.
    pub(crate) fn forget_all(&mut self) {
        self.publishers.clear();
        let Some(directory) = &self.inner.directory else { return };
        directory.forget_worker(self.index);
        for other in (0..self.inner.workers().len()).filter(|other| *other != self.index) {
            self.tell_worker(other, News::Restarted);
        }
    }

    fn tell_worker(&self, to: usize, news: News) {
        if let Some(worker) = self.inner.workers().get(to) {
            worker.send(Message::News { from: self.index, news });
        }
    }
}
