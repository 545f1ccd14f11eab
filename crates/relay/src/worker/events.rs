//! What the server asks and tells.

use headwater_stun::Transmit;
use headwater_turn::{EndReason, Event, FiveTuple, RelayError};

use mio::event::Event as Readiness;

use super::Core;
use crate::streams::Speech;
use crate::token::{self, Kind};

impl Core {
    /// Notes what an event of the poll says.
    pub(super) fn note(&mut self, event: &Readiness) -> Kind {
        let kind = token::kind(event.token());
        match kind {
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
            Kind::Door(index) => {
                if let Some(door) = self.streams.doors.get_mut(index) {
                    door.is_readable = true;
                }
            }
            Kind::Stream(index) => {
                if let Some(stream) = self.streams.clients.get_mut(index) {
                    if stream.pipe.note(event) {
                        self.streams.list_client(index);
                    }
                    if event.is_writable() {
                        self.streams.mark_client(index);
                    }
                }
            }
            Kind::Peer(index) => self.note_link(index, event),
            Kind::Waker => {}
        }
        kind
    }

    /// Lets the server say all it has to say.
    pub(super) fn drain(&mut self) {
        loop {
            self.has_news = false;
            let mut is_quiet = true;
            // First the events: one says what becomes of a connection after its answer, which is polled next.
            while let Some(event) = self.server.poll_event() {
                self.handle_event(event);
                is_quiet = false;
            }
            while let Some(transmit) = self.server.poll_transmit(self.now, &mut self.outbox.bytes) {
                self.dispatch(&transmit, false);
                is_quiet = false;
            }
            if is_quiet && !self.has_news {
                return;
            }
        }
    }

    /// A message for a client over TCP.
    pub(super) fn dispatch_stream(&mut self, transmit: &Transmit, is_data: bool) {
        let start = self.outbox.bytes.len() - transmit.len;
        let client = FiveTuple::new(transmit.transport, transmit.local, transmit.remote);
        let goes_on = self.streams.send(&client, &self.outbox.bytes[start..], is_data);
        self.outbox.bytes.truncate(start);
        let Some(index) = self.streams.client_index(&client) else { return };
        if !goes_on {
            return self.close_client(index);
        }
        if !is_data && let Some(connection) = self.streams.clients[index].splice_next.take() {
            self.splice(client, connection);
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::OpenRelay { relay, transport, family, port, client, user } => {
                let result = if self.charges.charge(relay, client, &user) {
                    self.relays.open(&self.registry, relay, transport, family, port)
                } else {
                    Err(RelayError::Quota)
                };
                if result.is_err() {
                    self.charges.refund(relay);
                }
                if result.is_err_and(|error| error != RelayError::Quota) {
                    self.counters.no_relay += 1;
                }
                self.server.relay_opened(self.now, relay, result);
            }
            Event::CloseRelay { relay } => {
                self.charges.refund(relay);
                self.relays.close(relay);
            }
            Event::Connect { relay, connection, peer } => self.connect(relay, connection, peer),
            Event::Splice { client, connection } => {
                if let Some(index) = self.streams.client_index(&client)
                    && matches!(self.streams.clients[index].speech, Speech::Messages(_))
                {
                    self.streams.clients[index].splice_next = Some(connection);
                }
            }
            Event::CloseConnection { connection } => self.drop_link(connection),
            Event::Allocated { client, user, relayed } => {
                self.charges.close_last();
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
}
