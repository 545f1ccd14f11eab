//! DTLS 1.3: new keys for an old connection (KeyUpdate, RFC 9147 §8).

use super::{Connection, Phase};
use crate::handshake13::schedule::Traffic;
use crate::message::{HandshakeType, key_update};
use crate::record::layer::Epoch;
use crate::{Error, ParseError, Role};

/// Records that we protect with one key before we change it by ourselves: half of what AES-GCM allows (RFC 9147
/// §4.5.3).
const MAX_RECORDS: u64 = 1 << 23;
/// Where the peer never acknowledges the change, this is the end of sending (RFC 9147 §4.5.3: 2^24.5 records).
const LAST_RECORD: u64 = 1 << 24;
/// The last epoch: numbers that wrap would use nonces twice.
const MAX_EPOCH: Epoch = Epoch(u16::MAX);

pub(super) struct Rekey {
    traffic: Traffic,
    ours: Update,
}

/// Where the update of our own keys stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Update {
    None,
    /// To begin as soon as the peer has all of our last flight. Whether the peer is to change its keys as well.
    Wanted {
        requests_update: bool,
    },
    /// KeyUpdate is sent; the keys change when the peer acknowledges it.
    Sent,
}

impl Rekey {
    pub(super) fn new(traffic: Traffic) -> Self {
        Self { traffic, ours: Update::None }
    }

    /// The next keys of `role`, for a test's dishonest peer.
    #[cfg(test)]
    pub(super) fn next_keys(&mut self, role: Role) -> crate::record::layer::Protection {
        self.traffic.update(role)
    }
}

impl Connection {
    /// Changes the keys that we send application data with, and asks the peer to change its own (RFC 9147 §8). DTLS 1.3
    /// only; SRTP keys stay as they are. It happens without being asked for before a key is worn out.
    ///
    /// # Errors
    /// [`Error::NotConnected`] before [`Event::Connected`](crate::Event::Connected), [`Error::Closed`] after the end,
    /// [`Error::Unexpected`] in DTLS 1.2, which has no such thing.
    pub fn update_keys(&mut self, now: std::time::Instant) -> Result<(), Error> {
        self.now = self.now.max(now);
        match &mut self.phase {
            Phase::Handshake(_) => return Err(Error::NotConnected),
            Phase::Closed => return Err(Error::Closed),
            Phase::Established(data) => {
                let rekey = data.rekey.as_mut().ok_or(Error::Unexpected)?;
                if rekey.ours != Update::Sent {
                    rekey.ours = Update::Wanted { requests_update: true };
                }
            }
        }
        self.begin_update();
        Ok(())
    }

    /// Sends KeyUpdate if it is wanted and nothing else waits for an ACK.
    pub(super) fn begin_update(&mut self) {
        let Phase::Established(data) = &mut self.phase else { return };
        let Some(rekey) = &mut data.rekey else { return };
        let Update::Wanted { requests_update } = rekey.ours else { return };
        let epoch = self.exchange.records.write_epoch();
        let has_number = self.exchange.next_message_seq < u16::MAX; // they don't wrap
        if !self.exchange.flight.is_empty() || epoch >= MAX_EPOCH || !has_number {
            return;
        }
        rekey.ours = Update::Sent;
        self.exchange.flight.begin_late();
        let mut body = Vec::new();
        key_update::emit(requests_update, &mut body);
        self.exchange.push_late_message(epoch, HandshakeType::KEY_UPDATE, body);
        self.send_flight();
    }

    /// The peer has all of our flight.
    pub(super) fn handle_flight_acknowledged(&mut self) {
        let Phase::Established(data) = &mut self.phase else { return };
        let Some(rekey) = &mut data.rekey else { return };
        let records = &mut self.exchange.records;
        if rekey.ours == Update::Sent {
            rekey.ours = Update::None;
            let epoch = Epoch(records.write_epoch().0.saturating_add(1));
            records.install_write(epoch, rekey.traffic.update(self.role));
        }
        // The handshake's keys are of no more use to us, nor are those before an update.
        records.retire_writers_below(records.write_epoch());
        self.begin_update();
    }

    /// The peer never acknowledged it: the connection goes on with the keys that it has.
    pub(super) fn abandon_update(&mut self) {
        if let Phase::Established(data) = &mut self.phase
            && let Some(rekey) = &mut data.rekey
            && rekey.ours == Update::Sent
        {
            rekey.ours = Update::None;
            // Another one takes its number: if the peer never got this one, it would wait for it for ever; if it did and only
            // its ACKs were lost, it acknowledges the number again, and has the keys.
            self.exchange.next_message_seq -= 1;
        }
    }

    /// The peer's next records come with new keys.
    pub(super) fn handle_key_update(&mut self, body: &[u8], epoch: Epoch) -> Result<(), Error> {
        let requests_update = key_update::parse(body)?;
        let Phase::Established(data) = &mut self.phase else { return Err(Error::Unexpected) };
        let rekey = data.rekey.as_mut().ok_or(Error::Unexpected)?;
        let newest = self.exchange.records.read_epoch();
        if epoch != newest || newest >= MAX_EPOCH {
            return Err(Error::Malformed(ParseError::BadValue));
        }
        let peer = if self.role == Role::Client { Role::Server } else { Role::Client };
        let protection = rekey.traffic.update(peer);
        self.exchange.records.install_read(Epoch(newest.0 + 1), protection);
        if requests_update && rekey.ours == Update::None {
            rekey.ours = Update::Wanted { requests_update: false };
        }
        Ok(())
    }

    /// Whether the key has protected as much as it may. DTLS 1.2 has no other one.
    pub(super) fn is_worn_out(&self) -> bool {
        let is_dtls13 = matches!(&self.phase, Phase::Established(data) if data.rekey.is_some());
        is_dtls13 && self.exchange.records.written() >= LAST_RECORD
    }

    /// After a record was sent.
    pub(super) fn rekey_if_due(&mut self) {
        if self.exchange.records.written() < MAX_RECORDS {
            return;
        }
        if let Phase::Established(data) = &mut self.phase
            && let Some(rekey) = &mut data.rekey
            && rekey.ours == Update::None
        {
            rekey.ours = Update::Wanted { requests_update: false };
            self.begin_update();
        }
    }
}
