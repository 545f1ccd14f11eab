//! The only loop: receive a batch, let the forwarding unit work, send what it has, sleep until the next deadline.

mod arrivals;
mod connections;
mod detours;
mod drops;
mod outbox;
mod rest;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use headwater_sfu::{ConfigError, Datagram, Event, Path, PeerId, Sfu, Transmit, Transport};
use headwater_udp::{Batch, Received, Socket};
use mio::{Events, Interest, Poll, Token, Waker};

use self::arrivals::Arrivals;
use self::connections::{Connections, turn_to_unit};
use self::drops::Drops;
use self::outbox::{Outbox, Port};
use self::rest::Rest;
pub(crate) use self::turn::Turn;
use crate::clock::{self, Clock};
use crate::directory::Heard;
use crate::handle::Message;
use crate::links::Links;
use crate::session_id::SessionId;
use crate::strays::{Elsewhere, Stray, Strays};
use crate::{Inner, StartError};

/// Messages taken in one turn, so that a flood of commands does not starve the media.
const MESSAGES_PER_TURN: usize = 256;
/// How long that may take before media has its turn again; at least one is taken. Answering an offer takes a tenth of it.
const MESSAGE_TIME_PER_TURN: Duration = Duration::from_millis(1);
/// Receive calls per socket and turn; each takes up to 32 messages.
const BATCHES_PER_TURN: usize = 4;
const WAKER: Token = Token(usize::MAX);

/// Makes a forwarding unit, for the n-th time.
pub(crate) type MakeSfu = Box<dyn Fn(Clock, u64) -> Result<Sfu, ConfigError> + Send>;

/// Makes a TURN server, if there is to be one.
pub(crate) type MakeTurn = Box<dyn Fn(Clock, u64) -> Result<Option<Turn>, StartError> + Send>;

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
    /// Where connections and allocations of our peers are that other workers have.
    pub(crate) elsewhere: Elsewhere,
    /// Datagrams of other workers for connections and allocations here.
    deliveries: VecDeque<Stray>,
    connections: Connections,
    /// A datagram that is to be packed.
    detour: Vec<u8>,
    /// What was packed, and where it begins.
    packed: Vec<(Transmit, usize)>,
    /// The TURN server, if there is to be one.
    pub(crate) turn: Option<Turn>,
    make_turn: MakeTurn,
    pub(crate) links: Links,
    /// The publishers here by their numbers.
    pub(crate) publishers: HashMap<u32, Heard>,
    outbox: Outbox,
    drops: Drops,
    rest: Rest,
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

impl Worker {
    pub(crate) fn new(
        index: usize,
        (make_sfu, make_turn): (MakeSfu, MakeTurn),
        sockets: Vec<Socket>,
        inner: Arc<Inner>,
        links: Links,
        messages: Receiver<Message>,
        poll: Poll,
    ) -> Result<Self, StartError> {
        let (sfu, now) = (make_sfu(inner.started, 0)?, inner.started.now());
        let turn = make_turn(inner.started, 0)?;
        let rest = Rest::new(now, inner.coalesce);
        let mut ports = Vec::new();
        for (token, mut socket) in sockets.into_iter().enumerate() {
            // Not for writing: the kernel would wake us for every message that leaves. A full socket is tried again soon.
            poll.registry().register(&mut socket, Token(token), Interest::READABLE)?;
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
            elsewhere: Elsewhere::default(),
            deliveries: VecDeque::new(),
            connections: Connections::default(),
            detour: Vec::new(),
            packed: Vec::new(),
            turn,
            make_turn,
            links,
            publishers: HashMap::new(),
            outbox: Outbox::default(),
            drops: Drops::new(now),
            rest,
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
            // It has worked before, with the same settings.
            self.turn = (self.make_turn)(self.inner.started, self.restarts).unwrap_or_default();
            self.connections.clear();
            let lost = self.deliveries.drain(..).count();
            self.inner.workers()[self.index].strays.fetch_sub(lost, Ordering::Relaxed);
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
            if !self.rest(timeout)
                && let Err(error) = self.wait(&mut events, timeout)
            {
                tracing::error!(worker = self.index, %error, "cannot wait for datagrams");
                return;
            }
            self.is_busy = false;
            self.take_messages();
            self.receive();
            self.now = clock::now();
            self.take_batches();
            if self.sfu.poll_timeout().is_some_and(|due| due <= self.now) {
                self.sfu.handle_timeout(self.now);
            }
            self.look_at_turn();
            self.look_at_connections();
            self.hand_off();
            self.send();
            self.tell();
            self.share();
            self.hand_out_dumps();
            self.note_drops();
            let is_done = self.sfu.is_empty() && self.outbox.is_empty();
            if self.stop.is_some_and(|deadline| deadline <= self.now || is_done) {
                return;
            }
        }
    }

    fn take_messages(&mut self) {
        let began = clock::now();
        for taken in 0..MESSAGES_PER_TURN {
            if taken > 0 && self.now.saturating_duration_since(began) >= MESSAGE_TIME_PER_TURN {
                break;
            }
            match self.messages.try_recv() {
                Ok(Message::Command(command)) => {
                    self.now = clock::now();
                    command(self);
                }
                Ok(Message::Stray(stray)) => self.handle_stray(stray),
                Ok(Message::News { from, news }) => self.handle_news(from, news),
                Ok(Message::Learn { path, worker }) => self.strays.learn(self.now, path, worker),
                // Counted among the strays until it is sent: that bounds the queue.
                Ok(Message::Deliver(stray)) => self.deliveries.push_back(stray),
                Ok(Message::Stream(id, news)) => {
                    self.now = clock::now();
                    self.handle_stream(id, news);
                }
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
        let Self { sockets, sfu, strays, inner, index, turn, .. } = self;
        let mut arrivals = Arrivals { sfu, strays, inner, index: *index };
        for port in sockets {
            for _ in 0..BATCHES_PER_TURN {
                if !port.is_readable {
                    break;
                }
                match port.socket.receive(&mut port.batch) {
                    // What comes after a call that was not filled announces itself again.
                    Ok(_) => port.is_readable = port.batch.is_full(),
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
                    if let Some(turn) = turn.as_mut().filter(|_| Turn::concerns(contents)) {
                        let path = Path::new(Transport::Udp, local, received.remote);
                        turn_to_unit(turn, &mut arrivals, clock.now(), &path, contents);
                        return;
                    }
                    let at = clock.instant_of(received.stamp);
                    let mut datagram = Datagram::new(local, received.remote, at, contents);
                    datagram.ecn = received.ecn;
                    arrivals.take(clock.now(), datagram);
                });
            }
        }
    }

    /// Sends what is due, up to one call's worth.
    fn send(&mut self) {
        let was_full = !self.outbox.is_empty();
        if !was_full {
            let rounds = self.sfu.rounds();
            self.outbox.clear();
            while self.outbox.has_room() {
                let Self { outbox, sfu, sockets, now, .. } = self;
                let start = outbox.bytes.len();
                if let Some(transmit) = sfu.poll_transmit(*now, &mut outbox.bytes) {
                    match transmit.transport {
                        Transport::Udp => outbox.push(sockets, &transmit, start),
                        _ => self.send_along(&transmit, start),
                    }
                } else if !self.send_for_others() {
                    break;
                }
            }
            self.rest.note(self.now, rounds, self.outbox.len());
            // More may wait: read the sockets and come back at once.
            self.is_busy |= !self.outbox.has_room();
        }
        let Self { outbox, sockets, .. } = self;
        outbox.flush(sockets);
        // What waited behind a full socket has gone; the unit has not been asked for more yet, and no deadline says so.
        self.is_busy |= was_full && self.outbox.is_empty();
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
