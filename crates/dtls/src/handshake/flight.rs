//! Our last flight: kept to be sent again until the peer's next one shows that it arrived (RFC 6347 §4.2.4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Fragment, HEADER_LEN};
use crate::Error;
use crate::message::HandshakeType;
use crate::record::ContentType;
use crate::record::layer::{Epoch, RecordLayer};

/// The back-off stays at or below this...
const EARLY_CAP: Duration = Duration::from_millis(400);
/// ...while the handshake is younger than this: a viewer waits for a picture.
const EARLY: Duration = Duration::from_secs(5);
/// RFC 6347 §4.2.4.1 asks for a cap of no less than 60 s.
const LATE_CAP: Duration = Duration::from_secs(60);
/// A message is not cut into pieces shorter than this to fill the end of a datagram.
const MIN_PIECE: usize = 32;

enum Item {
    Message { epoch: Epoch, kind: HandshakeType, message_seq: u16, body: Vec<u8> },
    ChangeCipherSpec,
}

pub(crate) struct Flight {
    items: Vec<Item>,
    is_unsent: bool,
    is_timed: bool,
    initial: Duration,
    interval: Duration,
    began: Option<Instant>,
    last_sent: Option<Instant>,
    deadline: Option<Instant>,
}

impl Flight {
    pub(crate) fn new(initial: Duration) -> Self {
        Self {
            items: Vec::new(),
            is_unsent: false,
            is_timed: false,
            initial,
            interval: initial,
            began: None,
            last_sent: None,
            deadline: None,
        }
    }

    /// Forgets the former flight: the peer's answer to it is here. Without a timer the new one is sent again only when the
    /// peer repeats itself.
    pub(crate) fn begin(&mut self, is_timed: bool) {
        self.items = Vec::new();
        self.is_unsent = true;
        self.is_timed = is_timed;
        self.interval = self.initial;
        self.deadline = None;
    }

    pub(crate) fn push_message(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        message_seq: u16,
        body: Vec<u8>,
    ) {
        self.items.push(Item::Message { epoch, kind, message_seq, body });
    }

    pub(crate) fn push_change_cipher_spec(&mut self) {
        self.items.push(Item::ChangeCipherSpec);
    }

    pub(crate) fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Nothing is left to repeat.
    pub(crate) fn forget(&mut self) {
        self.items = Vec::new();
        self.deadline = None;
    }

    /// Whether the peer's repetition calls for ours: not when we have just sent it, since several datagrams of the
    /// peer's repeated flight arrive together.
    pub(crate) fn may_repeat(&self, now: Instant) -> bool {
        !self.items.is_empty()
            && self.last_sent.is_none_or(|sent| now.saturating_duration_since(sent) >= self.initial / 4)
    }

    /// Doubles the interval, after a time-out without an answer.
    pub(crate) fn back_off(&mut self, now: Instant) {
        let age = self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        let cap = if age < EARLY { EARLY_CAP } else { LATE_CAP };
        self.interval = (self.interval * 2).min(cap.max(self.initial));
    }

    /// Starts the timer for an answer.
    pub(crate) fn arm(&mut self, now: Instant) {
        self.deadline = self.is_timed.then(|| now + self.interval);
    }

    /// Appends the flight's datagrams to `queue`, sealed anew, as few as `mtu` allows.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        mtu: usize,
        records: &mut RecordLayer,
        queue: &mut VecDeque<Vec<u8>>,
    ) -> Result<(), Error> {
        self.is_unsent = false;
        self.began.get_or_insert(now);
        self.last_sent = Some(now);
        let mut packer = Packer { mtu, records, queue, datagram: Vec::new(), open: None };
        for item in &self.items {
            match item {
                Item::ChangeCipherSpec => packer.push_change_cipher_spec()?,
                Item::Message { epoch, kind, message_seq, body } => {
                    packer.push_message(*epoch, *kind, *message_seq, body)?;
                }
            }
        }
        packer.finish()
    }
}

/// Packs messages into records and records into datagrams.
struct Packer<'a> {
    mtu: usize,
    records: &'a mut RecordLayer,
    queue: &'a mut VecDeque<Vec<u8>>,
    datagram: Vec<u8>,
    /// A handshake record that can take more messages (RFC 6347 §4.2.3).
    open: Option<(Epoch, Vec<u8>)>,
}

impl Packer<'_> {
    fn push_message(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        message_seq: u16,
        body: &[u8],
    ) -> Result<(), Error> {
        if self.open.as_ref().is_some_and(|(open, _)| *open != epoch) {
            self.close_record()?;
        }
        let mut offset = 0;
        loop {
            let rest = &body[offset..];
            let (_, content) = self.open.get_or_insert_with(|| (epoch, Vec::new()));
            let used = self.datagram.len() + epoch.overhead() + content.len() + HEADER_LEN;
            let room = self.mtu.saturating_sub(used);
            let is_fresh = self.datagram.is_empty() && content.is_empty();
            if (used > self.mtu || room < rest.len().min(MIN_PIECE)) && !is_fresh {
                self.close_datagram()?;
                continue;
            }
            let piece = &rest[..rest.len().min(room)];
            Fragment::new(kind, body.len(), message_seq, offset, piece).emit(content);
            offset += piece.len();
            if offset == body.len() {
                return Ok(());
            }
            self.close_datagram()?;
        }
    }

    fn push_change_cipher_spec(&mut self) -> Result<(), Error> {
        self.close_record()?;
        if self.datagram.len() + Epoch::Plain.overhead() + 1 > self.mtu {
            self.close_datagram()?;
        }
        self.records.seal(Epoch::Plain, ContentType::CHANGE_CIPHER_SPEC, &[1], &mut self.datagram)
    }

    fn close_record(&mut self) -> Result<(), Error> {
        if let Some((epoch, content)) = self.open.take()
            && !content.is_empty()
        {
            self.records.seal(epoch, ContentType::HANDSHAKE, &content, &mut self.datagram)?;
        }
        Ok(())
    }

    fn close_datagram(&mut self) -> Result<(), Error> {
        self.close_record()?;
        if !self.datagram.is_empty() {
            self.queue.push_back(std::mem::take(&mut self.datagram));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Error> {
        self.close_datagram()
    }
}
