//! TCP connections under paths (RFC 6544): asked for, open, gone.
//!
//! The agent never sees a socket. It tells where to open a connection, and by [`Event::Removed`] which ones nobody needs.

use std::net::SocketAddr;
use std::time::Instant;

use headwater_stun::Transport;

use super::Agent;
use crate::check::Nominating;
use crate::pair::{PairId, State};
use crate::{Error, Event, Path};

impl Agent {
    /// The connection that [`Event::Connect`] asked for is open, from our address `local`; its first check follows.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if nobody needs it any more: close it. [`Error::Closed`].
    pub fn connected(&mut self, now: Instant, asked: &Path, local: SocketAddr) -> Result<(), Error> {
        self.check_open()?;
        let taken = self.current.checklist.by_path(&Path { local, ..*asked });
        let Some(id) = self.current.checklist.by_path(asked).filter(|_| taken.is_none()) else {
            return Err(Error::Unexpected);
        };
        match self.current.checklist.get_mut(id) {
            Some(pair) if matches!(pair.state, State::Connecting(_)) => pair.path.local = local,
            _ => return Err(Error::Unexpected),
        }
        self.now = self.now.max(now);
        let nominating = self.ordinary_nomination();
        self.begin_check(id, nominating);
        Ok(())
    }

    /// A connection has ended or could not be opened (ICE-TCP), or a relay has ended.
    ///
    /// If it carried media, the best other valid path takes its place, and is nominated if that is our part. If there is
    /// none, nothing is selected until one is found, for as long as consent lasts; a connection that we had opened and
    /// that had worked is asked for again.
    pub fn path_closed(&mut self, now: Instant, path: &Path) {
        if self.is_closed {
            return;
        }
        self.now = self.now.max(now);
        self.close_path(*path);
    }

    /// Begins what the checklist has chosen: a check, or the connection that one needs.
    pub(super) fn begin(&mut self, id: PairId) {
        let now = self.now;
        match self.current.checklist.get_mut(id) {
            Some(pair) if pair.needs_connection() => {
                pair.state = State::Connecting(now);
                self.events.push_back(Event::Connect(pair.path));
            }
            _ => {
                let nominating = self.ordinary_nomination();
                self.begin_check(id, nominating);
            }
        }
    }

    /// A pair failed: before a nomination the next best carries media. Nobody needs its connection.
    pub(super) fn forget_failed(&mut self, id: PairId) {
        let Some(pair) = self.current.checklist.get_mut(id) else { return };
        let path = pair.path;
        if path.transport == Transport::Tcp {
            pair.path = pair.to_connect.unwrap_or(path);
            self.paths.remove(&path);
            self.events.push_back(Event::Removed(path));
            self.lose(path);
        } else if Some(path) == self.selected
            && !self.current.is_nominated
            && let Some(best) = self.best_valid()
        {
            self.select(best);
        }
    }

    fn close_path(&mut self, path: Path) {
        self.answers.forget(|it| *it == path);
        let pair = self.current.checklist.by_path(&path);
        if let Some(pair) = pair.and_then(|id| self.current.checklist.get_mut(id)) {
            // One that had worked is opened again: it takes an authentic answer each time, so this can't run wild.
            let reopens = pair.is_valid() && pair.to_connect.is_some();
            pair.path = pair.to_connect.unwrap_or(path);
            pair.state = if reopens { State::Waiting } else { State::Failed };
            (pair.round_trip, pair.nominated_by_peer) = (None, Nominating::No);
        }
        if self.paths.remove(&path).is_some() {
            self.events.push_back(Event::Removed(path));
        }
        self.lose(path);
    }

    /// Nothing can be sent along `path` any more.
    pub(super) fn lose(&mut self, path: Path) {
        let previous = self.previous.as_mut().and_then(|it| it.consent.as_mut());
        let consents = [self.current.consent.as_mut(), previous];
        consents.into_iter().flatten().for_each(|it| it.suspend(path));
        if self.selected == Some(path) {
            self.selected = None;
            self.current.is_nominated = false;
            if let Some(best) = self.best_valid() {
                self.select(best);
                // The peer learns by it where we are: it may be that it hears nothing on the old path, and sends there.
                self.ask();
            }
        }
    }

    /// These connections were begun and came to nothing.
    pub(super) fn tell_needless(&mut self, connections: Vec<Path>) {
        for path in connections {
            self.paths.remove(&path);
            self.events.push_back(Event::Removed(path));
        }
    }
}
