//! The only loop: take what clients and peers have sent, let the server decide, send, sleep until something is due.

mod dtls;
mod events;
mod guard;
mod links;
mod tcp;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use headwater_stun::{Datagram, Transmit, Transport};
use headwater_turn::Server;
use headwater_turn::attribute::Icmp;
use headwater_udp::{Batch, PeerBatch};
use mio::{Events, Poll, Registry};

pub(crate) use self::guard::ADDRESSES_LOOK;
use crate::associations::Associations;
use crate::clock;
use crate::counters::Counters;
use crate::ledger::Charges;
use crate::outbox::{Outbox, Port};
use crate::relays::{Relays, Run};
use crate::streams::Streams;
use crate::token::Kind;
use crate::{Identity, Limits, Shared};

/// Events of the poll taken in one turn.
const EVENTS: usize = 1024;
/// Receive calls for each listener in one turn; each takes up to 32 messages.
const LISTENER_BATCHES: usize = 4;
/// Requests of one batch before their answers are asked for; the server keeps up to 256.
const REQUESTS: usize = 64;
/// Receive calls for each relay in one turn; each takes up to 8 messages.
const RELAY_BATCHES: usize = 4;
/// Datagrams of one turn from which on there is load.
const PACED: usize = 4;
/// Errors taken of one relay in one turn.
const RELAY_ERRORS: usize = 8;
/// Without a deadline the loop still looks around this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How often connections are looked at that may have been silent for too long.
const SWEEP: Duration = Duration::from_secs(1);
/// RFC 8656 §19: the answer to who has all allocations it may have.
const QUOTA_REACHED: u16 = 486;
/// How often timers of DTLS handshakes are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Room for what one read of a connection gives.
const SCRATCH: usize = 64 << 10;

/// What other threads ask.
#[derive(Debug)]
pub(crate) enum Command {
    /// Another certificate.
    Identity(Identity),
    /// No new allocations.
    Drain,
    /// End, by then at the latest.
    Stop(Instant),
}

/// One thread's state.
pub(crate) struct Worker {
    pub(crate) core: Core,
    pub(crate) poll: Poll,
    pub(crate) commands: Receiver<Command>,
    rooms: Rooms,
}

/// Where input lies while it is worked on.
struct Rooms {
    clients: Option<Batch>,
    peers: PeerBatch,
    streams: Scratch,
}

/// Where a connection's input lies.
struct Scratch {
    wire: Box<[u8]>,
    plain: Vec<u8>,
}

/// All that one thread decides with.
pub(crate) struct Core {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) registry: Registry,
    pub(crate) identity: Option<Identity>,
    pub(crate) limits: Limits,
    pub(crate) coalesce: Duration,
    pub(crate) outbox: Outbox,
    pub(crate) relays: Relays,
    pub(crate) charges: Charges,
    pub(crate) streams: Streams,
    pub(crate) associations: Option<Associations>,
    pub(crate) counters: Counters,
    /// The server has something to say.
    pub(crate) has_news: bool,
    pub(crate) stop: Option<Instant>,
    /// Datagrams taken in this turn.
    pub(crate) taken: usize,
    pub(crate) next_sweep: Instant,
    pub(crate) next_look: Instant,
    pub(crate) next_tick: Instant,
}

impl Worker {
    pub(crate) fn new(core: Core, poll: Poll, commands: Receiver<Command>) -> Self {
        let rooms = Rooms {
            clients: core.outbox.ports.first().map(|port| Batch::new(&port.socket)),
            peers: PeerBatch::new(),
            streams: Scratch { wire: vec![0; SCRATCH].into_boxed_slice(), plain: Vec::new() },
        };
        Self { core, poll, commands, rooms }
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            if let Err(error) = self.poll.poll(&mut events, Some(self.core.sleep()))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(worker = self.core.index, %error, "cannot wait for datagrams");
                self.core.shared.has_failed.store(true, Ordering::Release);
                break;
            }
            let Self { core, rooms, .. } = &mut self;
            core.now = clock::now();
            core.taken = 0;
            let mut has_commands = false;
            for event in &events {
                has_commands |= core.note(event) == Kind::Waker;
            }
            core.accept();
            core.receive_of_clients(&mut rooms.clients);
            core.read_clients(&mut rooms.streams);
            core.receive_of_peers(&mut rooms.peers);
            core.read_links(&mut rooms.streams);
            core.take_errors();
            core.keep_time();
            if has_commands {
                self.take_commands();
            }
            let core = &mut self.core;
            core.drain();
            core.outbox.flush();
            core.flush_streams();
            if core.has_news {
                core.drain();
                core.outbox.flush();
            }
            core.show();
            core.pace();
            if core.stop.is_some_and(|deadline| deadline <= core.now || core.server.is_empty()) {
                break;
            }
        }
        self.core.end();
    }

    fn take_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Identity(identity)) => self.core.set_identity(identity),
                Ok(Command::Drain) => self.core.server.drain(),
                Ok(Command::Stop(deadline)) => {
                    self.core.server.drain();
                    self.core.stop = Some(deadline);
                }
                Err(TryRecvError::Disconnected) => {
                    self.core.stop.get_or_insert(self.core.now);
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }
}

impl Core {
    /// Is there more than one turn takes?
    fn is_busy(&self) -> bool {
        !self.relays.readable.is_empty()
            || !self.relays.failed.is_empty()
            || self.streams.is_busy()
            || self.outbox.ports.iter().any(|port| port.is_readable)
    }

    fn sleep(&self) -> Duration {
        if self.is_busy() {
            return Duration::ZERO;
        }
        let handshakes = self.associations.as_ref().is_some_and(Associations::has_handshakes);
        let tick = (handshakes || self.streams.has_held).then_some(self.next_tick);
        let due = self.server.poll_timeout().into_iter().chain(self.stop).chain(tick).min();
        due.map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(clock::now())).min(LONGEST_SLEEP)
    }

    /// Under load, lets datagrams gather for the next turn: a call that finds several costs little more than one that finds
    /// one, and who is woken for several at once is woken less often. A turn with little to do is not waited after, nor one
    /// that has left something.
    fn pace(&self) {
        if self.taken >= PACED && self.stop.is_none() && !self.is_busy() {
            let rest = (self.now + self.coalesce).saturating_duration_since(clock::now());
            if !rest.is_zero() {
                std::thread::sleep(rest);
            }
        }
    }

    /// Reads the listeners. HOT.
    fn receive_of_clients(&mut self, batch: &mut Option<Batch>) {
        let Some(batch) = batch else { return };
        for index in 0..self.outbox.ports.len() {
            for _ in 0..LISTENER_BATCHES {
                let port = &mut self.outbox.ports[index];
                if !port.is_readable {
                    break;
                }
                match port.socket.receive(batch) {
                    // What comes after a call that was not filled announces itself again.
                    Ok(_) => port.is_readable = batch.is_full(),
                    Err(error) => {
                        // Errors other than WouldBlock are old ICMP answers; the next call gets on.
                        port.is_readable = error.kind() != io::ErrorKind::WouldBlock;
                        continue;
                    }
                }
                let (bound, is_secure) = (port.socket.local_addr(), port.is_secure);
                let mut run = Run::new();
                let mut requests = 0;
                for (received, contents) in batch.datagrams() {
                    self.taken += 1;
                    let local = Port::local(bound, received.local);
                    let from = received.remote;
                    if is_secure
                        && (self.is_forged(local, from, contents)
                            || !self.is_plain(index, local, from, contents))
                    {
                        continue;
                    }
                    let datagram = Datagram::new(Transport::Udp, local, received.remote, contents);
                    match self.server.handle_datagram(self.now, datagram) {
                        Ok(Some(to_peer)) => run.push(&mut self.relays, &to_peer),
                        Ok(None) => requests += 1,
                        Err(_) => self.counters.refused += 1,
                    }
                    if requests >= REQUESTS {
                        requests = 0;
                        run.flush(&mut self.relays);
                        self.drain();
                    }
                }
                run.flush(&mut self.relays);
                if requests > 0 {
                    self.drain();
                }
            }
        }
    }

    /// Reads the relays that have something. HOT.
    fn receive_of_peers(&mut self, batch: &mut PeerBatch) {
        let mut readable = std::mem::take(&mut self.relays.readable);
        for index in readable.drain(..) {
            if self.relays.is_tcp(index) {
                self.accept_peers(index);
            } else {
                self.receive_of_relay(index, batch);
            }
        }
        // The list of those that have more was begun meanwhile.
        readable.append(&mut self.relays.readable);
        self.relays.readable = readable;
    }

    fn receive_of_relay(&mut self, index: u32, batch: &mut PeerBatch) {
        for first in [true, false].into_iter().chain([false; RELAY_BATCHES - 2]) {
            let Some((relay, socket)) = self.relays.socket(index) else { return };
            // Mostly there is one: room for more than two costs.
            let has_more = match socket.receive(batch, if first { 2 } else { usize::MAX }) {
                Ok(has_more) => has_more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.relays.note_failed(index);
                    continue;
                }
            };
            for (peer, data) in batch.datagrams() {
                self.taken += 1;
                match self.server.handle_peer_data(self.now, relay, peer, data, &mut self.outbox.bytes) {
                    Ok(transmit) => {
                        self.counters.to_clients += 1;
                        self.counters.to_clients_bytes += data.len() as u64;
                        self.dispatch(&transmit, true);
                    }
                    Err(_) => self.counters.not_permitted += 1,
                }
            }
            if !has_more {
                return;
            }
        }
        self.relays.note_readable(index);
    }

    /// The bytes at the outbox' end go to a client. HOT.
    fn dispatch(&mut self, transmit: &Transmit, is_data: bool) {
        match transmit.transport {
            Transport::Udp => {
                if self.associations.as_ref().is_none_or(|associations| associations.len() == 0) {
                    self.outbox.push(transmit);
                } else {
                    self.dispatch_secure(transmit);
                }
            }
            _ => self.dispatch_stream(transmit, is_data),
        }
    }

    fn take_errors(&mut self) {
        for index in std::mem::take(&mut self.relays.failed) {
            for taken in 0..RELAY_ERRORS {
                let Some((relay, socket)) = self.relays.socket(index) else { break };
                let Some(report) = socket.take_error() else { break };
                self.counters.unreachable += 1;
                if report.is_icmp {
                    let icmp = Icmp { kind: report.kind, code: report.code.into(), error_data: report.info };
                    self.server.handle_icmp(self.now, relay, report.remote, icmp);
                }
                if taken + 1 == RELAY_ERRORS {
                    self.relays.note_failed(index);
                }
            }
        }
    }

    /// Does what is due.
    fn keep_time(&mut self) {
        if self.server.poll_timeout().is_some_and(|due| due <= self.now) {
            self.server.handle_timeout(self.now);
        }
        let sweeps = self.next_sweep <= self.now;
        if sweeps || self.next_tick <= self.now {
            self.next_tick = self.now + TICK;
            self.tick_associations(sweeps);
            self.let_go();
        }
        if sweeps {
            self.next_sweep = self.now + SWEEP;
            self.sweep_streams();
        }
        self.look_at_addresses();
    }

    /// Shows what was counted.
    fn show(&mut self) {
        let Self { server, counters, relays, outbox, streams, associations, .. } = self;
        let turn = server.counters();
        counters.over_quota = turn.errors_of(QUOTA_REACHED);
        counters.failed_authentications = turn.failed_authentications;
        counters.withheld_answers = turn.withheld_answers;
        counters.over_bitrate = turn.refused_from_clients.over_quota + turn.refused_from_peers.over_quota;
        counters.relays = relays.open;
        counters.connections = streams.clients.len() as u64;
        counters.peer_connections = streams.links.len() as u64;
        counters.associations = associations.as_ref().map_or(0, |it| it.len() as u64);
        counters.to_peers = relays.sent;
        counters.to_peers_bytes = relays.sent_bytes;
        counters.dropped = relays.dropped + outbox.dropped + streams.dropped;
        // Those are no improper ones, and have a count of their own.
        let [clients, peers] = [&turn.refused_from_clients, &turn.refused_from_peers];
        let mut shown = *counters;
        shown.refused = shown.refused.saturating_sub(clients.over_quota + clients.overloaded);
        shown.not_permitted = shown.not_permitted.saturating_sub(peers.over_quota);
        self.shared.boards[self.index].show(&shown);
    }

    /// Ends all allocations and tells their relays.
    fn end(&mut self) {
        self.server.close(self.now);
        self.drain();
        self.outbox.flush();
        self.show();
        self.shared.running.fetch_sub(1, Ordering::Release);
    }
}
