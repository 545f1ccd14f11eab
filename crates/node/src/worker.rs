//! The only loop: receive a batch, let the forwarding unit work, send what it has, sleep until the next deadline.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use headwater_sfu::{ConfigError, Datagram, Error, Event, PeerId, Sfu};
use headwater_udp::{Batch, Outgoing, Received, Socket};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::clock::Clock;
use crate::directory::Heard;
use crate::links::Links;
use crate::placement::News;
use crate::session_id::SessionId;
use crate::strays::{self, Stray, Strays};
use crate::{Inner, StartError};

/// Messages taken in one turn, so that a flood of commands does not starve the media.
const MESSAGES_PER_TURN: usize = 256;
/// How long that may take before media has its turn again; at least one is taken. Answering an offer takes a tenth of it.
const MESSAGE_TIME_PER_TURN: Duration = Duration::from_millis(1);
/// Receive calls per socket and turn; each takes up to 32 messages.
const BATCHES_PER_TURN: usize = 4;
/// What is handed to the kernel in one call, which is also what is sent in one turn before the sockets are read again. What
/// was encrypted should still be in the cache when the kernel copies it.
const MESSAGES_PER_CALL: usize = 64;
const BYTES_PER_CALL: usize = 96 << 10;
/// Without a deadline the loop still looks around this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How long to wait for room in a full socket before trying again.
const FULL_SOCKET_SLEEP: Duration = Duration::from_millis(2);
/// Datagrams of other workers' peers that may wait for a worker; further ones are lost, as on the network.
pub(crate) const MAX_STRAYS: usize = 4096;
/// None of the protocols here has longer ones.
pub(crate) const MAX_STRAY_BYTES: usize = 2048;
const WAKER: Token = Token(usize::MAX);

/// What a worker is told by others.
pub(crate) enum Message {
    /// Something to do with the state.
    Command(Box<dyn FnOnce(&mut Worker) + Send>),
    /// A datagram that arrived at another worker's socket.
    Stray(Stray),
    /// What another worker tells.
    News { from: usize, news: News },
    /// Datagrams from this address belong to that worker.
    Learn { remote: SocketAddr, worker: usize },
    /// End the thread once everybody has been told goodbye, or at this time.
    Stop(Instant),
}

/// Makes a forwarding unit, for the n-th time.
pub(crate) type MakeSfu = Box<dyn Fn(Clock, u64) -> Result<Sfu, ConfigError> + Send>;

/// One thread's state.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) sfu: Sfu,
    make_sfu: MakeSfu,
    restarts: u64,
    pub(crate) sessions: HashMap<SessionId, Session>,
    pub(crate) by_peer: HashMap<PeerId, SessionId>,
    pub(crate) now: Instant,
    pub(crate) inner: Arc<Inner>,
    messages: Receiver<Message>,
    poll: Poll,
    sockets: Vec<Port>,
    pub(crate) strays: Strays,
    pub(crate) links: Links,
    /// The publishers here by their numbers.
    pub(crate) publishers: HashMap<u32, Heard>,
    outbox: Outbox,
    /// There is more to do than one turn permits.
    is_busy: bool,
    pub(crate) stop: Option<Instant>,
    /// Recordings on their way: when each ends, of whom, and who wants it.
    pub(crate) dumps: Vec<(Instant, PeerId, DumpReply)>,
}

pub(crate) type DumpReply = Box<dyn FnOnce(Option<Vec<u8>>) + Send>;

/// What a session needs beyond its peer.
pub(crate) struct Session {
    pub(crate) peer: PeerId,
    /// Counts ICE restarts: the entity tag.
    pub(crate) generation: u32,
    /// The number under which it publishes, if it does and there are several workers.
    pub(crate) publishes: Option<u32>,
}

struct Port {
    socket: Socket,
    batch: Batch,
    is_readable: bool,
}

impl Worker {
    pub(crate) fn new(
        index: usize,
        make_sfu: MakeSfu,
        sockets: Vec<Socket>,
        inner: Arc<Inner>,
        links: Links,
        messages: Receiver<Message>,
        poll: Poll,
    ) -> Result<Self, StartError> {
        let (sfu, now) = (make_sfu(inner.started, 0)?, inner.started.now());
        let mut ports = Vec::new();
        for (token, mut socket) in sockets.into_iter().enumerate() {
            poll.registry().register(&mut socket, Token(token), Interest::READABLE | Interest::WRITABLE)?;
            ports.push(Port { batch: Batch::new(&socket), socket, is_readable: true });
        }
        Ok(Self {
            index,
            sfu,
            make_sfu,
            restarts: 0,
            sessions: HashMap::new(),
            by_peer: HashMap::new(),
            now,
            inner,
            messages,
            poll,
            sockets: ports,
            strays: Strays::default(),
            links,
            publishers: HashMap::new(),
            outbox: Outbox::default(),
            is_busy: false,
            stop: None,
            dumps: Vec::new(),
        })
    }

    /// Makes the poller and the waker of a worker.
    pub(crate) fn poller() -> io::Result<(Poll, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok((poll, waker))
    }

    /// Works until it is told to stop. A panic costs this worker's sessions, whose clients connect again; it does not
    /// cost the process, nor the other workers' sessions.
    pub(crate) fn run(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.work())).is_err() {
            self.inner.panics.fetch_add(1, Ordering::Relaxed);
            self.restarts += 1;
            self.inner.events.restarted(self.index);
            tracing::error!(
                worker = self.index,
                sessions = self.sessions.len(),
                "a media worker failed and starts anew"
            );
            match (self.make_sfu)(self.inner.started, self.restarts) {
                Ok(sfu) => self.sfu = sfu,
                Err(error) => {
                    tracing::error!(worker = self.index, %error, "the media worker cannot start anew");
                    return;
                }
            }
            self.sessions.clear();
            self.by_peer.clear();
            self.outbox.clear();
            self.dumps.clear();
            self.forget_all();
        }
    }

    fn work(&mut self) {
        let mut events = Events::with_capacity(64);
        loop {
            let timeout = self.sleep();
            let timeout = self.fall_asleep(timeout);
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(worker = self.index, %error, "cannot wait for datagrams");
                return;
            }
            self.wake_up();
            for event in &events {
                let Some(port) = self.sockets.get_mut(event.token().0) else { continue };
                port.is_readable |= event.is_readable();
            }
            self.is_busy = false;
            self.take_messages();
            self.receive();
            self.now = Clock::read().now();
            self.take_batches();
            if self.sfu.poll_timeout().is_some_and(|due| due <= self.now) {
                self.sfu.handle_timeout(self.now);
            }
            self.hand_off();
            self.send();
            self.tell();
            self.share();
            self.hand_out_dumps();
            let is_done = self.sfu.is_empty() && self.outbox.is_empty();
            if self.stop.is_some_and(|deadline| deadline <= self.now || is_done) {
                return;
            }
        }
    }

    fn sleep(&self) -> Duration {
        if self.is_busy || self.sockets.iter().any(|port| port.is_readable) {
            return Duration::ZERO;
        }
        let due = self.sfu.poll_timeout();
        let dumps = self.dumps.iter().map(|(ends, ..)| *ends);
        let due = due.into_iter().chain(self.stop).chain(dumps).min();
        let now = Clock::read().now();
        // While the socket is full nothing gets on that is due; it says when it has room again.
        let shortest = if self.outbox.is_empty() { Duration::ZERO } else { FULL_SOCKET_SLEEP };
        due.map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(now)).clamp(shortest, LONGEST_SLEEP)
    }

    fn take_messages(&mut self) {
        let began = Clock::read().now();
        for taken in 0..MESSAGES_PER_TURN {
            if taken > 0 && self.now.saturating_duration_since(began) >= MESSAGE_TIME_PER_TURN {
                break;
            }
            match self.messages.try_recv() {
                Ok(Message::Command(command)) => {
                    self.now = Clock::read().now();
                    command(self);
                }
                Ok(Message::Stray(stray)) => self.handle_stray(stray),
                Ok(Message::News { from, news }) => self.handle_news(from, news),
                Ok(Message::Learn { remote, worker }) => self.strays.learn(self.now, remote, worker),
                Ok(Message::Stop(deadline)) => self.stop = Some(deadline),
                Err(TryRecvError::Disconnected) => {
                    self.stop.get_or_insert(self.now);
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
        // More may wait; come back at once after the media.
        self.is_busy = true;
    }

    fn receive(&mut self) {
        let Self { sockets, sfu, strays, inner, index, .. } = self;
        for port in sockets {
            for _ in 0..BATCHES_PER_TURN {
                if !port.is_readable {
                    break;
                }
                match port.socket.receive(&mut port.batch) {
                    Ok(_) => {}
                    Err(error) => {
                        // Errors other than WouldBlock are old ICMP answers; the next call gets on.
                        port.is_readable = error.kind() != io::ErrorKind::WouldBlock;
                        continue;
                    }
                }
                let clock = Clock::read();
                let bound = port.socket.local_addr();
                port.batch.for_each(|received: Received, contents| {
                    let local = SocketAddr::new(received.local.unwrap_or_else(|| bound.ip()), bound.port());
                    let at = clock.instant_of(received.stamp);
                    let mut datagram = Datagram::new(local, received.remote, at, contents);
                    datagram.ecn = received.ecn;
                    if sfu.handle_datagram(clock.now(), datagram) == Err(Error::Unrouted)
                        && inner.directory.is_some()
                    {
                        let (from, remote) = (*index, received.remote);
                        let stray = strays::Datagram { from, hops: 0, local, remote, received: at, contents };
                        strays.pass_on(inner, from, clock.now(), &stray);
                    }
                });
            }
        }
    }

    /// Sends what is due, up to one call's worth.
    fn send(&mut self) {
        let Self { outbox, sfu, sockets, now, .. } = self;
        let was_full = !outbox.is_empty();
        if !was_full {
            outbox.clear();
            while outbox.has_room() {
                let start = outbox.bytes.len();
                let Some(transmit) = sfu.poll_transmit(*now, &mut outbox.bytes) else { break };
                let local = transmit.local;
                let Some(port) = sockets.iter().position(|port| port.reaches(local, transmit.remote)) else {
                    continue;
                };
                outbox.ports.push(port);
                outbox.messages.push(Outgoing {
                    local: (!local.ip().is_unspecified()).then_some(local.ip()),
                    remote: transmit.remote,
                    start,
                    len: transmit.len,
                    segment_size: transmit.segment_size,
                });
            }
            // More may wait: read the sockets and come back at once.
            self.is_busy |= !outbox.has_room();
        }
        outbox.flush(sockets);
        // What waited behind a full socket has gone; the unit has not been asked for more yet, and no deadline says so.
        self.is_busy |= was_full && self.outbox.is_empty();
    }

    fn hand_out_dumps(&mut self) {
        let mut index = 0;
        while let Some((ends, peer, _)) = self.dumps.get(index) {
            if *ends > self.now && self.sfu.contains(*peer) {
                index += 1;
                continue;
            }
            let (_, peer, reply) = self.dumps.swap_remove(index);
            reply(self.sfu.take_dump(peer));
        }
    }

    fn tell(&mut self) {
        while let Some(event) = self.sfu.poll_event() {
            let name = |worker: &Self, peer: &PeerId| worker.by_peer.get(peer).copied();
            match &event {
                Event::Connected(peer) => {
                    let info = self.sfu.peer_info(self.now, *peer);
                    if let (Some(session), Some(info)) = (name(self, peer), info) {
                        let role = if info.is_publisher { "publisher" } else { "viewer" };
                        tracing::info!(stream = info.stream, ?session, "{role} connected");
                        self.note_connected(*peer, session, info.is_publisher);
                        // Who was replaced is to be told, and this turn has sent already.
                        self.is_busy |= info.is_publisher;
                        self.inner.events.connected(session, &info.stream, info.is_publisher);
                    }
                }
                Event::Closed { peer, reason } => {
                    if let Some(session) = self.by_peer.remove(peer) {
                        if let Some(ended) = self.sessions.remove(&session) {
                            self.note_closed(session, &ended);
                        }
                        tracing::info!(?session, reason = reason.as_str(), "session ended");
                        self.inner.events.closed(session, *reason);
                    }
                }
                Event::Live { stream } => {
                    tracing::info!(stream, "live");
                    self.inner.events.live(self.index, stream);
                }
                Event::Offline { stream } => {
                    tracing::info!(stream, "offline");
                    self.inner.events.offline(self.index, stream);
                }
                _ => {}
            }
        }
    }
}

impl Port {
    /// Can it send from `local` to `remote`?
    fn reaches(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        let bound = self.socket.local_addr();
        bound.port() == local.port()
            && bound.is_ipv4() == remote.is_ipv4()
            && (bound.ip() == local.ip() || bound.ip().is_unspecified())
    }
}

/// Messages on their way to the kernel.
struct Outbox {
    bytes: Vec<u8>,
    messages: Vec<Outgoing>,
    /// The socket of each.
    ports: Vec<usize>,
    done: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            bytes: Vec::with_capacity(BYTES_PER_CALL + (64 << 10)),
            messages: Vec::with_capacity(MESSAGES_PER_CALL),
            ports: Vec::with_capacity(MESSAGES_PER_CALL),
            done: 0,
        }
    }
}

impl Outbox {
    fn clear(&mut self) {
        self.bytes.clear();
        self.messages.clear();
        self.ports.clear();
        self.done = 0;
    }

    fn is_empty(&self) -> bool {
        self.done == self.messages.len()
    }

    fn has_room(&self) -> bool {
        self.messages.len() < MESSAGES_PER_CALL && self.bytes.len() < BYTES_PER_CALL
    }

    /// Hands everything to the kernel, as far as it has room.
    fn flush(&mut self, sockets: &mut [Port]) {
        while let Some(&port) = self.ports.get(self.done) {
            let same = self.ports[self.done..].iter().take_while(|other| **other == port).count();
            let messages = &mut self.messages[self.done..self.done + same];
            let sent = sockets[port].socket.send(&self.bytes, messages);
            self.done += sent;
            if sent < same {
                return;
            }
        }
    }
}
