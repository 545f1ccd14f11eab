//! Connections of the owner's that carry media: ICE-TCP, and TURN over TCP or TLS.
//!
//! Whoever accepts connections (the node does not) moves bytes: what comes is [pushed](Stream::push), what is to be sent is
//! [pulled](Stream::pull). A worker takes off the framing and puts it on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_sfu::{Path, Transport};

use crate::handle::Message;
use crate::{Inner, Node};

/// Connections that a worker has at most; further ones are refused.
pub const MAX_STREAMS: usize = 8192;
/// Bytes that wait for the worker; then the connection is not read until they are taken.
const MAX_INBOUND: usize = 256 << 10;
/// Bytes that wait for the connection beyond which a datagram is dropped, as a router would.
const MAX_OUTBOUND: usize = 1 << 20;
/// Beyond this a viewer's video waits in the history instead.
const FULL: usize = 128 << 10;
/// Below this it goes on.
const ROOMY: usize = 32 << 10;
/// Bytes that [`Stream::pull`] gives at a time: what is pulled waits for a slow connection, and cannot be taken back.
pub const MAX_PULLED: usize = 16 << 10;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamKind {
    /// ICE-TCP: datagrams framed by their length (RFC 4571, RFC 6544).
    Ice,
    /// TURN over TCP, or over TLS that the owner has taken off (RFC 8656).
    Turn,
}

/// The worker cannot take the connection: it has [`MAX_STREAMS`], or there is no TURN server here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room for another connection")]
pub struct StreamRefused;

/// A connection's end at the owner; dropping it tells the worker that the connection has ended.
pub struct Stream {
    id: usize,
    worker: usize,
    path: Path,
    shared: Arc<Shared>,
    inner: Arc<Inner>,
}

/// What both ends hold.
pub(crate) struct Shared {
    inbound: Mutex<Vec<u8>>,
    /// The worker knows that there is something.
    is_told: AtomicBool,
    outbound: Mutex<Vec<u8>>,
    /// The worker waits for room.
    is_full: AtomicBool,
    /// The worker is done with it.
    has_ended: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// What a worker hears of a connection.
pub(crate) enum StreamNews {
    /// A new one.
    Opened { kind: StreamKind, path: Path, shared: Arc<Shared> },
    /// There are bytes of the peer.
    Readable,
    /// There is room again.
    Writable,
    /// It has ended.
    Closed,
}

impl Node {
    /// Gives a worker a connection that was accepted. `local` and `remote` are its ends. `wake` is called, from the worker's
    /// thread, when there is something to [pull](Stream::pull), when there is room to [push](Stream::push) again, and
    /// when it [has ended](Stream::has_ended).
    ///
    /// # Errors
    /// [`StreamRefused`].
    pub fn open_stream(
        &self,
        kind: StreamKind,
        local: SocketAddr,
        remote: SocketAddr,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Stream, StreamRefused> {
        if kind == StreamKind::Turn && !self.inner.has_turn {
            return Err(StreamRefused);
        }
        let workers = self.inner.workers();
        let id = self.inner.next_stream.fetch_add(1, Ordering::Relaxed);
        let worker = id % workers.len();
        if workers[worker].streams.fetch_add(1, Ordering::Relaxed) >= MAX_STREAMS {
            workers[worker].streams.fetch_sub(1, Ordering::Relaxed);
            return Err(StreamRefused);
        }
        let shared = Arc::new(Shared {
            inbound: Mutex::default(),
            is_told: AtomicBool::new(false),
            outbound: Mutex::default(),
            is_full: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            wake: Box::new(wake),
        });
        let path = Path::new(Transport::Tcp, local, remote);
        let opened = StreamNews::Opened { kind, path, shared: Arc::clone(&shared) };
        workers[worker].send(Message::Stream(id, opened));
        Ok(Stream { id, worker, path, shared, inner: Arc::clone(&self.inner) })
    }
}

impl Stream {
    /// Hands in bytes of the peer. Returns `false`, and has taken nothing, if too many wait: try again when woken.
    #[must_use]
    pub fn push(&self, bytes: &[u8]) -> bool {
        {
            let mut inbound = lock(&self.shared.inbound);
            if inbound.len() >= MAX_INBOUND {
                return false;
            }
            inbound.extend_from_slice(bytes);
        }
        if !self.shared.is_told.swap(true, Ordering::AcqRel) {
            self.tell(StreamNews::Readable);
        }
        true
    }

    /// Appends what is to be sent next to `out`, at most [`MAX_PULLED`] bytes, and returns how many. Write them before
    /// pulling again: what waits here is what a viewer's video waits for.
    pub fn pull(&self, out: &mut Vec<u8>) -> usize {
        let (taken, is_roomy) = {
            let mut outbound = lock(&self.shared.outbound);
            let taken = outbound.len().min(MAX_PULLED);
            out.extend(outbound.drain(..taken));
            (taken, outbound.len() < ROOMY)
        };
        if is_roomy && self.shared.is_full.swap(false, Ordering::AcqRel) {
            self.tell(StreamNews::Writable);
        }
        taken
    }

    /// Our end.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.path.local
    }

    /// Is the worker done with it? What is left can be pulled; then the connection is to be closed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.has_ended.load(Ordering::Acquire)
    }

    fn tell(&self, news: StreamNews) {
        self.inner.workers()[self.worker].send(Message::Stream(self.id, news));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.inner.workers()[self.worker].streams.fetch_sub(1, Ordering::Relaxed);
        self.tell(StreamNews::Closed);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("id", &self.id).field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl Shared {
    /// Takes what has come.
    pub(crate) fn take(&self, into: &mut Vec<u8>) {
        // In this order: what is pushed from here on is told of again.
        self.is_told.store(false, Ordering::Release);
        into.clear();
        let was_full = {
            let mut inbound = lock(&self.inbound);
            std::mem::swap(into, &mut inbound);
            into.len() >= MAX_INBOUND
        };
        if was_full {
            (self.wake)();
        }
    }

    /// Adds bytes to be sent, unless there is no room at all. Returns whether the connection is full now, and was not before.
    pub(crate) fn send(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let (was_empty, is_full) = {
            let mut outbound = lock(&self.outbound);
            if outbound.len() >= MAX_OUTBOUND {
                return false;
            }
            let was_empty = outbound.is_empty();
            write(&mut outbound);
            (was_empty, outbound.len() >= FULL)
        };
        if was_empty {
            (self.wake)();
        }
        is_full && !self.is_full.swap(true, Ordering::AcqRel)
    }

    /// The worker is done with it.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        (self.wake)();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
