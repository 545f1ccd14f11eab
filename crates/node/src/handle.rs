//! What others hold of a worker: its ear.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use headwater_sfu::Path;
use mio::Waker;

use crate::links::Sleep;
use crate::placement::News;
use crate::strays::{MAX_STRAY_BYTES, MAX_STRAYS, Stray};
use crate::streams::StreamNews;
use crate::worker::Worker;

/// What a worker is told by others.
pub(crate) enum Message {
    /// Something to do with the state.
    Command(Box<dyn FnOnce(&mut Worker) + Send>),
    /// A datagram that arrived at another worker's socket.
    Stray(Stray),
    /// What another worker tells.
    News { from: usize, news: News },
    /// Datagrams that come along this path belong to that worker.
    Learn { path: Path, worker: usize },
    /// A datagram for somebody whose connection or allocation is at this worker.
    Deliver(Stray),
    /// Of a connection.
    Stream(usize, StreamNews),
    /// End the thread once everybody has been told goodbye, or at this time.
    Stop(Instant),
}

/// A handle to a worker.
pub(crate) struct WorkerHandle {
    sender: Sender<Message>,
    waker: Waker,
    /// Datagrams from other workers that wait.
    pub(crate) strays: AtomicUsize,
    /// Connections given to it.
    pub(crate) streams: AtomicUsize,
    /// Does it sleep?
    pub(crate) sleep: Sleep,
}

impl WorkerHandle {
    /// A handle to the worker that reads from the other end of `sender` and is woken by `waker`.
    pub(crate) fn new(sender: Sender<Message>, waker: Waker) -> Self {
        Self {
            sender,
            waker,
            strays: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            sleep: Sleep::default(),
        }
    }

    /// Gives a worker a message and wakes it.
    pub(crate) fn send(&self, message: Message) {
        if self.sender.send(message).is_ok() {
            self.wake();
        }
    }

    /// Gives a worker a datagram that arrived elsewhere, unless too many wait already or it is too long: whoever floods one worker with
    /// datagrams that name another must not fill the memory.
    pub(crate) fn send_stray(&self, stray: Stray) {
        self.send_bounded(stray, Message::Stray);
    }

    /// Gives a worker a datagram to send, within the same bound.
    pub(crate) fn deliver(&self, stray: Stray) {
        self.send_bounded(stray, Message::Deliver);
    }

    fn send_bounded(&self, stray: Stray, message: fn(Stray) -> Message) {
        if stray.contents.len() > MAX_STRAY_BYTES {
            return;
        }
        if self.strays.fetch_add(1, Ordering::Relaxed) < MAX_STRAYS {
            self.send(message(stray));
        } else {
            self.strays.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Wakes it if it sleeps.
    pub(crate) fn wake_if_asleep(&self) {
        if self.sleep.has_to_be_woken() {
            self.wake();
        }
    }

    /// Wakes it.
    pub(crate) fn wake(&self) {
        let _ = self.waker.wake();
    }
}
