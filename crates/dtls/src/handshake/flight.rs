//! Our last flight: kept to be sent again until the peer's next one shows that it arrived (RFC 6347 §4.2.4), or until
//! its ACKs cover all of it (RFC 9147 §7).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::HEADER_LEN;
use super::ranges::Ranges;
use crate::Error;
use crate::handshake::Fragment;
use crate::message::HandshakeType;
use crate::record::ContentType;
use crate::record::layer::{Epoch, RecordLayer, RecordNumber};

/// Each interval is half as long again as the one before, and at most this, or the first one...
///
/// Three flights of ten get lost on a bad network, and each handshake needs two of a row: doubling to 400 ms left
/// one in a hundred unfinished after 3 s, this one in a thousand, for the same number of bytes at the median.
const EARLY_CAP: Duration = Duration::from_millis(300);
/// ...while the handshake is younger than this: a viewer waits for a picture. Then they double.
const EARLY: Duration = Duration::from_secs(5);
/// RFC 6347 §4.2.4.1 asks for a cap of no less than 60 s.
const LATE_CAP: Duration = Duration::from_secs(60);
/// The shortest and the longest first time-out that a measured round trip leads to.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(400);
/// A message is not cut into pieces shorter than this to fill the end of a datagram.
const MIN_PIECE: usize = 32;
/// Datagrams may be too large for the path, which swallows them in silence: after this many losses in a row...
const LARGE_TRIES: u32 = 3;
/// ...they are made smaller (RFC 9147 §4.4), by this much at most...
const SMALLER: usize = 900;
/// ...and after this many still smaller, to what any path takes.
const SMALL_TRIES: u32 = 6;
const SMALLEST: usize = 500;
/// Records whose ACK would still mean something to us; the oldest are forgotten.
const MAX_SENT_RECORDS: usize = 128;

enum Item {
    Message { epoch: Epoch, kind: HandshakeType, message_seq: u16, body: Vec<u8>, acknowledged: Ranges },
    ChangeCipherSpec,
}

impl Item {
    fn is_acknowledged(&self) -> bool {
        match self {
            Self::Message { body, acknowledged, .. } => acknowledged.is_whole(body.len()),
            Self::ChangeCipherSpec => true,
        }
    }
}

/// A piece of a message: index of the item, start, end.
type Piece = (usize, usize, usize);

pub(crate) struct Flight {
    items: Vec<Item>,
    is_unsent: bool,
    is_timed: bool,
    /// DTLS 1.3: what each record carried, so that an ACK of it says something.
    sent: VecDeque<(RecordNumber, Vec<Piece>)>,
    initial: Duration,
    interval: Duration,
    losses: u32,
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
            sent: VecDeque::new(),
            initial,
            interval: initial,
            losses: 0,
            began: None,
            last_sent: None,
            deadline: None,
        }
    }

    /// The first time-out follows the path's round trip from the next flight on, and for the present one unless it has
    /// already been sent again.
    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        self.initial = (round_trip + round_trip / 2).clamp(SHORTEST, LONGEST);
        if self.losses == 0 {
            self.interval = self.initial;
            if let (Some(sent), Some(_)) = (self.last_sent, self.deadline) {
                self.deadline = Some(sent + self.interval);
            }
        }
    }

    /// Forgets the former flight: the peer's answer to it is here. Without a timer the new one is sent again only when the
    /// peer repeats itself.
    pub(crate) fn begin(&mut self, is_timed: bool) {
        self.forget();
        self.is_unsent = true;
        self.is_timed = is_timed;
        self.interval = self.initial;
        self.losses = 0;
    }

    /// As [`Self::begin`], long after the handshake: the clock of the back-off starts anew.
    pub(crate) fn begin_late(&mut self) {
        self.begin(true);
        self.began = None;
    }

    pub(crate) fn push_message(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        message_seq: u16,
        body: Vec<u8>,
    ) {
        let acknowledged = Ranges::default();
        self.items.push(Item::Message { epoch, kind, message_seq, body, acknowledged });
    }

    /// Lets a test change what an honest flight says: type, epoch and body of each message; `false` leaves it out. The
    /// numbers close up.
    #[cfg(test)]
    pub(crate) fn falsify(
        &mut self,
        mut change: impl FnMut(HandshakeType, &mut Epoch, &mut Vec<u8>) -> bool,
    ) {
        let mut next = None;
        self.items.retain_mut(|item| match item {
            Item::Message { epoch, kind, message_seq, body, .. } => {
                let number = *next.get_or_insert(*message_seq);
                *message_seq = number;
                let stays = change(*kind, epoch, body);
                next = Some(number + u16::from(stays));
                stays
            }
            Item::ChangeCipherSpec => true,
        });
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

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How long the peer is given to complete a flight of which we have a part, before an ACK tells it what we miss
    /// (RFC 9147 §7.1).
    pub(crate) fn patience(&self) -> Duration {
        self.initial / 4
    }

    /// How long to wait for an answer to what is no flight; longer each time.
    pub(crate) fn pause(&mut self, now: Instant) -> Duration {
        let pause = self.interval;
        self.lengthen(now);
        pause
    }

    /// Nothing is left to repeat.
    pub(crate) fn forget(&mut self) {
        self.items = Vec::new();
        self.sent = VecDeque::new();
        self.deadline = None;
    }

    /// Whether the peer's repetition calls for ours: not when we have just sent it, since several datagrams of the
    /// peer's repeated flight arrive together.
    pub(crate) fn may_repeat(&self, now: Instant) -> bool {
        !self.items.is_empty()
            && self.last_sent.is_none_or(|sent| now.saturating_duration_since(sent) >= self.initial / 4)
    }

    /// The peer has a record of ours. `true` when that was the last it lacked of the flight, which is then forgotten.
    pub(crate) fn acknowledge(&mut self, number: RecordNumber) -> bool {
        let Some(at) = self.sent.iter().position(|(sent, _)| *sent == number) else { return false };
        let (_, pieces) = self.sent.remove(at).unwrap_or((number, Vec::new()));
        for (index, start, end) in pieces {
            if let Some(Item::Message { acknowledged, .. }) = self.items.get_mut(index) {
                acknowledged.insert(start, end); // at worst a piece is sent again
            }
        }
        let is_done = !self.items.is_empty() && self.items.iter().all(Item::is_acknowledged);
        if is_done {
            self.forget();
        }
        is_done
    }

    /// How long the flight, and in a handshake those before it, have been under way.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began))
    }

    /// A longer interval, after a time-out without an answer.
    pub(crate) fn back_off(&mut self, now: Instant) {
        self.lengthen(now);
        self.count_loss();
    }

    fn lengthen(&mut self, now: Instant) {
        let (next, cap) = if self.age(now) < EARLY {
            (self.interval * 3 / 2, EARLY_CAP)
        } else {
            (self.interval * 2, LATE_CAP)
        };
        self.interval = next.min(cap.max(self.initial));
    }

    /// The flight did not arrive, as a time-out or the peer's repetition of its own shows.
    pub(crate) fn count_loss(&mut self) {
        self.losses = self.losses.saturating_add(1);
    }

    /// Starts the timer for an answer.
    pub(crate) fn arm(&mut self, now: Instant) {
        self.deadline = (self.is_timed && !self.items.is_empty()).then(|| now + self.interval);
    }

    /// Appends the flight's datagrams to `queue`, sealed anew, as few as `mtu` allows, without what the peer has.
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
        let mtu = match self.losses {
            ..LARGE_TRIES => mtu,
            LARGE_TRIES..SMALL_TRIES => mtu.min(SMALLER),
            _ => mtu.min(SMALLEST),
        };
        let sent = &mut self.sent;
        let mut packer = Packer { mtu, records, queue, sent, datagram: Vec::new(), open: None };
        for (index, item) in self.items.iter().enumerate() {
            match item {
                Item::ChangeCipherSpec => packer.push_change_cipher_spec()?,
                Item::Message { epoch, kind, message_seq, body, acknowledged } => {
                    for (start, end) in acknowledged.gaps(body.len()) {
                        let source = Source { index, kind: *kind, message_seq: *message_seq, body };
                        packer.push_message(*epoch, &source, start, end)?;
                    }
                }
            }
        }
        packer.finish()?;
        while self.sent.len() > MAX_SENT_RECORDS {
            self.sent.pop_front();
        }
        Ok(())
    }
}

/// A message to take pieces of.
struct Source<'a> {
    index: usize,
    kind: HandshakeType,
    message_seq: u16,
    body: &'a [u8],
}

/// A handshake record that can take more messages (RFC 6347 §4.2.3).
struct OpenRecord {
    epoch: Epoch,
    content: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Packs messages into records and records into datagrams.
struct Packer<'a> {
    mtu: usize,
    records: &'a mut RecordLayer,
    queue: &'a mut VecDeque<Vec<u8>>,
    sent: &'a mut VecDeque<(RecordNumber, Vec<Piece>)>,
    datagram: Vec<u8>,
    open: Option<OpenRecord>,
}

impl Packer<'_> {
    fn push_message(
        &mut self,
        epoch: Epoch,
        source: &Source<'_>,
        start: usize,
        end: usize,
    ) -> Result<(), Error> {
        if self.open.as_ref().is_some_and(|open| open.epoch != epoch) {
            self.close_record()?;
        }
        let overhead = self.records.overhead(epoch);
        let mut offset = start;
        loop {
            let rest = &source.body[offset..end];
            let open = self.open.get_or_insert_with(|| OpenRecord { epoch, content: vec![], pieces: vec![] });
            let used = self.datagram.len() + overhead + open.content.len() + HEADER_LEN;
            let room = self.mtu.saturating_sub(used);
            let is_fresh = self.datagram.is_empty() && open.content.is_empty();
            if (used > self.mtu || room < rest.len().min(MIN_PIECE)) && !is_fresh {
                self.close_datagram()?;
                continue;
            }
            let piece = &rest[..rest.len().min(room)];
            Fragment::new(source.kind, source.body.len(), source.message_seq, offset, piece)
                .emit(&mut open.content);
            open.pieces.push((source.index, offset, offset + piece.len()));
            offset += piece.len();
            if offset == end {
                return Ok(());
            }
            self.close_datagram()?;
        }
    }

    fn push_change_cipher_spec(&mut self) -> Result<(), Error> {
        self.close_record()?;
        if self.datagram.len() + self.records.overhead(Epoch::PLAIN) + 1 > self.mtu {
            self.close_datagram()?;
        }
        self.records.seal(Epoch::PLAIN, ContentType::CHANGE_CIPHER_SPEC, &[1], &mut self.datagram)?;
        Ok(())
    }

    fn close_record(&mut self) -> Result<(), Error> {
        if let Some(OpenRecord { epoch, content, pieces }) = self.open.take()
            && !content.is_empty()
        {
            let number = self.records.seal(epoch, ContentType::HANDSHAKE, &content, &mut self.datagram)?;
            self.sent.push_back((number, pieces));
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
