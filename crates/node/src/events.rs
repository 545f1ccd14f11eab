//! What an owner may want to hear of: sessions and streams that come and go.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwater_sfu::CloseReason;

use crate::SessionId;

/// Events that may wait for one listener. Media does not wait for who doesn't read: further events are lost, and
/// [`Event::Missed`] says how many.
pub const MAX_WAITING_EVENTS: usize = 1024;

/// A fact of life, of one session or stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session is connected: media may flow.
    Connected {
        /// Its name.
        session: SessionId,
        /// Name of its stream.
        stream: String,
        /// A publisher, or a viewer?
        is_publisher: bool,
    },
    /// A session is gone, or did not come about.
    Closed {
        /// Its name.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// A stream has a publisher whose media flows.
    Live {
        /// Its name.
        stream: String,
    },
    /// A stream's publisher is gone; viewers may still wait for the next.
    Offline {
        /// Its name.
        stream: String,
    },
    /// A worker failed and began anew, and its sessions are gone without an event of their own.
    Restarted {
        /// Its number.
        worker: usize,
    },
    /// The listener was too slow.
    Missed {
        /// How many events were lost at this place.
        count: u64,
    },
}

/// Tells all listeners. Locked for an event, never for media.
#[derive(Default)]
pub(crate) struct Events(Mutex<State>);

#[derive(Default)]
struct State {
    listeners: Vec<Listener>,
    /// On which workers a stream is live, a bit for each: it is told of once, wherever it has viewers. As many as the
    /// limits permit streams.
    live: HashMap<String, u64>,
    has_ended: bool,
}

struct Listener {
    sender: SyncSender<Event>,
    missed: u64,
}

impl Events {
    pub(crate) fn listen(&self) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(MAX_WAITING_EVENTS);
        let mut state = self.state();
        if !state.has_ended {
            state.listeners.push(Listener { sender, missed: 0 });
        }
        receiver
    }

    pub(crate) fn connected(&self, session: SessionId, stream: &str, is_publisher: bool) {
        self.state().tell(&Event::Connected { session, stream: stream.to_owned(), is_publisher });
    }

    pub(crate) fn closed(&self, session: SessionId, reason: CloseReason) {
        self.state().tell(&Event::Closed { session, reason });
    }

    pub(crate) fn live(&self, worker: usize, stream: &str) {
        let mut state = self.state();
        let workers = state.live.entry(stream.to_owned()).or_default();
        let is_new = *workers == 0;
        *workers |= bit(worker);
        if is_new {
            state.tell(&Event::Live { stream: stream.to_owned() });
        }
    }

    pub(crate) fn offline(&self, worker: usize, stream: &str) {
        let mut state = self.state();
        let Some(workers) = state.live.get_mut(stream) else { return };
        *workers &= !bit(worker);
        if *workers == 0 {
            state.live.remove(stream);
            state.tell(&Event::Offline { stream: stream.to_owned() });
        }
    }

    pub(crate) fn restarted(&self, worker: usize) {
        let mut state = self.state();
        state.tell(&Event::Restarted { worker });
        let State { live, .. } = &mut *state;
        live.values_mut().for_each(|workers| *workers &= !bit(worker));
        for (stream, _) in live.extract_if(|_, workers| *workers == 0).collect::<Vec<_>>() {
            state.tell(&Event::Offline { stream });
        }
    }

    /// Nothing happens any more: who waits for an event stops waiting.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.has_ended = true;
        state.listeners.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, event: &Event) {
        self.listeners.retain_mut(|listener| listener.tell(event));
    }
}

impl Listener {
    /// Returns `false` if nobody listens any more.
    fn tell(&mut self, event: &Event) -> bool {
        if self.missed > 0 {
            match self.sender.try_send(Event::Missed { count: self.missed }) {
                Ok(()) => self.missed = 0,
                Err(TrySendError::Full(_)) => {
                    self.missed += 1;
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        match self.sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// There are at most 64 workers.
fn bit(worker: usize) -> u64 {
    1 << (worker % crate::MAX_WORKERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_live_once_however_many_workers_have_it() {
        let events = Events::default();
        let told = events.listen();
        let name = |event: &Event| format!("{event:?}").split(' ').next().unwrap_or_default().to_owned();
        let all = || told.try_iter().map(|event| name(&event)).collect::<Vec<_>>();
        events.live(0, "s");
        events.live(5, "s");
        events.offline(0, "s");
        assert_eq!(all(), ["Live"]);
        events.offline(5, "s");
        events.offline(5, "s");
        assert_eq!(all(), ["Offline"]);
        events.live(1, "s");
        events.restarted(1);
        assert_eq!(all(), ["Live", "Restarted", "Offline"]);
    }

    #[test]
    fn who_does_not_read_is_told_how_much_it_missed() {
        let events = Events::default();
        let (slow, gone) = (events.listen(), events.listen());
        drop(gone);
        for _ in 0..MAX_WAITING_EVENTS + 10 {
            events.restarted(0);
        }
        assert_eq!(slow.try_iter().count(), MAX_WAITING_EVENTS);
        events.restarted(1);
        let rest: Vec<_> = slow.try_iter().collect();
        assert_eq!(rest, [Event::Missed { count: 10 }, Event::Restarted { worker: 1 }]);
        assert_eq!(events.state().listeners.len(), 1);
        events.end();
        assert!(slow.recv().is_err());
        assert!(events.listen().recv().is_err());
    }
}
