//! The only loop: take what clients and peers have sent, let the server decide, send, sleep until something is due.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use headwater_stun::{Datagram, Transmit, Transport};
use headwater_turn::attribute::Icmp;
use headwater_turn::{EndReason, Event, RelayError, RelayTransport, Server};
use mio::{Events, Poll};

use crate::Shared;
use crate::counters::Counters;
use crate::outbox::{Outbox, Port};
use crate::relays::{Relays, Run};
use crate::token::{self, Kind};

/// Events of the poll taken in one turn.
const EVENTS: usize = 1024;
/// Receive calls for each listener in one turn; each takes up to 32 messages.
const LISTENER_BATCHES: usize = 4;
/// Receive calls for each relay in one turn; each takes up to 8 messages.
const RELAY_BATCHES: usize = 4;
/// Errors taken of one relay in one turn.
const RELAY_ERRORS: usize = 8;
/// Without a deadline the loop still looks around this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// What other threads ask.
#[derive(Debug)]
pub(crate) enum Command {
    /// No new allocations.
    Drain,
    /// End, by then at the latest.
    Stop(Instant),
}

/// One thread's state.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) poll: Poll,
    pub(crate) outbox: Outbox,
    pub(crate) relays: Relays,
    pub(crate) counters: Counters,
    pub(crate) commands: Receiver<Command>,
    /// There is more to do than one turn permits.
    pub(crate) is_busy: bool,
    pub(crate) stop: Option<Instant>,
}

impl Worker {
    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            if let Err(error) = self.poll.poll(&mut events, Some(self.sleep()))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(worker = self.index, %error, "cannot wait for datagrams");
                return;
            }
            self.now = Instant::now();
            self.is_busy = false;
            for event in &events {
                match token::kind(event.token()) {
                    Kind::Port(index) => {
                        if let Some(port) = self.outbox.ports.get_mut(index) {
                            port.is_readable = true;
                        }
                    }
                    Kind::Relay(index) => {
                        self.relays.note_readable(index);
                        if event.is_error() {
                            self.relays.note_failed(index);
                        }
                    }
                    Kind::Waker => self.take_commands(),
                    _ => {}
                }
            }
            self.receive_of_clients();
            self.receive_of_peers();
            self.take_errors();
            if self.server.poll_timeout().is_some_and(|due| due <= self.now) {
                self.server.handle_timeout(self.now);
            }
            self.drain();
            self.outbox.flush();
            self.show();
            if self.stop.is_some_and(|deadline| deadline <= self.now || self.server.is_empty()) {
                self.end();
                return;
            }
        }
    }

    fn sleep(&self) -> Duration {
        if self.is_busy || !self.relays.readable.is_empty() || !self.relays.failed.is_empty() {
            return Duration::ZERO;
        }
        if self.outbox.ports.iter().any(|port| port.is_readable) {
            return Duration::ZERO;
        }
        let due = self.server.poll_timeout().into_iter().chain(self.stop).min();
        due.map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(Instant::now())).min(LONGEST_SLEEP)
    }

    fn take_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Drain) => self.server.drain(),
                Ok(Command::Stop(deadline)) => {
                    self.server.drain();
                    self.stop = Some(deadline);
                }
                Err(TryRecvError::Disconnected) => {
                    self.stop.get_or_insert(self.now);
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    /// Reads the listeners. HOT.
    fn receive_of_clients(&mut self) {
        for index in 0..self.outbox.ports.len() {
            for _ in 0..LISTENER_BATCHES {
                let Self { outbox, server, relays, counters, now, .. } = self;
                let port = &mut outbox.ports[index];
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
                let bound = port.socket.local_addr();
                let mut run = Run::new();
                let mut has_answers = false;
                for (received, contents) in port.batch.datagrams() {
                    let local = Port::local(bound, received.local);
                    let datagram = Datagram::new(Transport::Udp, local, received.remote, contents);
                    match server.handle_datagram(*now, datagram) {
                        Ok(Some(to_peer)) => run.push(relays, &to_peer),
                        Ok(None) => has_answers = true,
                        Err(_) => counters.refused += 1,
                    }
                }
                run.flush(relays);
                if has_answers {
                    self.drain();
                }
            }
        }
    }

    /// Reads the relays that have something. HOT.
    fn receive_of_peers(&mut self) {
        let mut readable = std::mem::take(&mut self.relays.readable);
        for index in readable.drain(..) {
            self.receive_of_relay(index);
        }
        // The list of those that have more was begun meanwhile.
        readable.append(&mut self.relays.readable);
        self.relays.readable = readable;
    }

    fn receive_of_relay(&mut self, index: u32) {
        let Self { outbox, server, relays, counters, now, .. } = self;
        for _ in 0..RELAY_BATCHES {
            let Some((relay, socket, batch)) = relays.socket(index) else { return };
            let has_more = match socket.receive(batch) {
                Ok(has_more) => has_more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    relays.note_failed(index);
                    continue;
                }
            };
            for (peer, data) in batch.datagrams() {
                match server.handle_peer_data(*now, relay, peer, data, &mut outbox.bytes) {
                    Ok(transmit) => {
                        counters.to_clients += 1;
                        counters.to_clients_bytes += data.len() as u64;
                        dispatch(outbox, &transmit);
                    }
                    Err(_) => counters.not_permitted += 1,
                }
            }
            if !has_more {
                return;
            }
        }
        relays.note_readable(index);
    }

    fn take_errors(&mut self) {
        for index in std::mem::take(&mut self.relays.failed) {
            for taken in 0..RELAY_ERRORS {
                let Some((relay, socket, _)) = self.relays.socket(index) else { break };
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

    /// Lets the server say all it has to say.
    fn drain(&mut self) {
        loop {
            let mut is_quiet = true;
            while let Some(transmit) = self.server.poll_transmit(self.now, &mut self.outbox.bytes) {
                dispatch(&mut self.outbox, &transmit);
                is_quiet = false;
            }
            while let Some(event) = self.server.poll_event() {
                self.handle_event(event);
                is_quiet = false;
            }
            if is_quiet {
                return;
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::OpenRelay { relay, transport, family, port, .. } => {
                let result = match transport {
                    RelayTransport::Udp => self.relays.open(self.poll.registry(), relay, family, port),
                    _ => Err(RelayError::Capacity),
                };
                match result {
                    Err(RelayError::Quota) => self.counters.over_quota += 1,
                    Err(_) => self.counters.no_relay += 1,
                    Ok(_) => {}
                }
                self.server.relay_opened(self.now, relay, result);
            }
            Event::CloseRelay { relay } => self.relays.close(relay),
            Event::Allocated { client, user, relayed } => {
                self.counters.allocations += 1;
                self.counters.allocated += 1;
                tracing::debug!(client = %client.remote, %user, %relayed, "allocated");
            }
            Event::Ended { client, user, reason } => {
                self.counters.allocations = self.counters.allocations.saturating_sub(1);
                match reason {
                    EndReason::Client => self.counters.ended_by_client += 1,
                    EndReason::Expired => self.counters.expired += 1,
                    EndReason::Disconnected => self.counters.disconnected += 1,
                    _ => {}
                }
                tracing::debug!(client = %client.remote, %user, ?reason, "allocation ended");
            }
            Event::Moved { from, to } => {
                self.counters.moved += 1;
                tracing::debug!(from = %from.remote, to = %to.remote, "allocation moved");
            }
            _ => {}
        }
    }

    /// Shows what was counted.
    fn show(&mut self) {
        let Self { counters, relays, outbox, .. } = self;
        counters.relays = relays.open;
        counters.to_peers = relays.sent;
        counters.to_peers_bytes = relays.sent_bytes;
        counters.dropped = relays.dropped + outbox.dropped;
        self.shared.boards[self.index].show(counters);
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

/// The bytes at the outbox' end go to a client.
fn dispatch(outbox: &mut Outbox, transmit: &Transmit) {
    match transmit.transport {
        Transport::Udp => outbox.push(transmit),
        _ => outbox.bytes.truncate(outbox.bytes.len() - transmit.len),
    }
}

#[expect(dead_code, reason = "soon")]
fn unused(_: SocketAddr) {}
