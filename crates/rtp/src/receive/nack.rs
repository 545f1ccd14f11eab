//! Which packets to ask for again, and when (RFC 4585 §6.2.1).
//!
//! A gap is asked for a few milliseconds after it is seen, then once each round trip, until the
//! packet comes or is given up. What is given up needs a key frame.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::SequenceNumber;

/// Most packets that are missed at a time. A larger gap is a broken or restarted stream.
pub const MAX_MISSING: usize = 1000;
/// Numbers behind the highest that are remembered as received.
const WINDOW: u64 = 2048;
/// A missing packet this far behind the highest is given up.
const MAX_AGE_PACKETS: u64 = 1000;
/// A missing packet is given up after this time.
const MAX_AGE: Duration = Duration::from_secs(2);
/// Requests for one packet.
const MAX_REQUESTS: u8 = 10;
/// From gap to first request, so that mere reordering costs nothing.
const FIRST_DELAY: Duration = Duration::from_millis(4);
const DEFAULT_ROUND_TRIP: Duration = Duration::from_millis(100);
const MIN_INTERVAL: Duration = Duration::from_millis(10);
const MAX_INTERVAL: Duration = Duration::from_millis(500);

/// What a packet is to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// Newer than all before.
    New,
    /// It was missing: late, or sent again.
    Recovered,
    /// It came before.
    Duplicate,
    /// Too old to know, or given up.
    Late,
    /// The numbers jumped so far that the stream begins anew here.
    Restarted,
}

/// Finds gaps in one stream and says what to ask for.
#[derive(Clone, Debug)]
pub struct NackGenerator {
    highest: Option<u64>,
    /// One bit for each of the last [`WINDOW`] numbers: received.
    received: [u64; (WINDOW / 64) as usize],
    /// In ascending order; those that came stay as `done` until they are at the front.
    missing: VecDeque<Missing>,
    /// Not `done` ones.
    missing_count: usize,
    next_request: Option<Instant>,
    round_trip: Duration,
    first_delay: Duration,
    needs_key_frame: bool,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    number: u64,
    since: Instant,
    due: Instant,
    requests: u8,
    done: bool,
}

impl Default for NackGenerator {
    fn default() -> Self {
        Self::new()
    }
}

impl NackGenerator {
    /// A generator that has seen nothing, for a round trip of 100 ms.
    pub const fn new() -> Self {
        Self {
            highest: None,
            received: [0; (WINDOW / 64) as usize],
            missing: VecDeque::new(),
            missing_count: 0,
            next_request: None,
            round_trip: DEFAULT_ROUND_TRIP,
            first_delay: FIRST_DELAY,
            needs_key_frame: false,
        }
    }

    /// Requests for one packet are at least a round trip apart (10 to 500 ms).
    pub fn set_rtt(&mut self, round_trip: Duration) {
        self.round_trip = round_trip.clamp(MIN_INTERVAL, MAX_INTERVAL);
    }

    /// Time from seeing a gap to the first request; 4 ms at first.
    pub fn set_first_delay(&mut self, delay: Duration) {
        self.first_delay = delay.min(MAX_INTERVAL);
    }

    /// A packet arrived: media, padding, or one taken out of RTX under its original number. HOT.
    pub fn handle_packet(&mut self, now: Instant, sequence_number: SequenceNumber) -> Arrival {
        let Some(highest) = self.highest else {
            self.restart_at(sequence_number);
            return Arrival::New;
        };
        let step = sequence_number.distance_from(SequenceNumber(highest as u16));
        match step {
            1.. => self.handle_newer(now, highest, sequence_number, step.unsigned_abs()),
            _ => self.handle_older(highest, sequence_number, u64::from(step.unsigned_abs())),
        }
    }

    fn handle_newer(
        &mut self,
        now: Instant,
        highest: u64,
        sequence_number: SequenceNumber,
        step: u16,
    ) -> Arrival {
        if usize::from(step) > MAX_MISSING {
            self.needs_key_frame = true;
            self.restart_at(sequence_number);
            return Arrival::Restarted;
        }
        let number = highest + u64::from(step);
        for missing in highest + 1..number {
            self.mark(missing, false);
            self.note_missing(now, missing);
        }
        self.mark(number, true);
        self.highest = Some(number);
        Arrival::New
    }

    fn handle_older(&mut self, highest: u64, sequence_number: SequenceNumber, behind: u64) -> Arrival {
        if behind >= WINDOW {
            // So old that no network delays it: the sender began anew.
            self.needs_key_frame = true;
            self.restart_at(sequence_number);
            return Arrival::Restarted;
        }
        let Some(number) = highest.checked_sub(behind) else { return Arrival::Late };
        if self.is_received(number) {
            return Arrival::Duplicate;
        }
        self.mark(number, true);
        let Ok(index) = self.missing.binary_search_by_key(&number, |missing| missing.number) else {
            return Arrival::Late;
        };
        let missing = &mut self.missing[index];
        if missing.done {
            return Arrival::Late;
        }
        missing.done = true;
        self.missing_count -= 1;
        self.drop_done();
        Arrival::Recovered
    }

    fn note_missing(&mut self, now: Instant, number: u64) {
        if self.missing.len() == MAX_MISSING {
            // The oldest makes room.
            self.give_up_front();
        }
        let due = now + self.first_delay;
        self.missing.push_back(Missing { number, since: now, due, requests: 0, done: false });
        self.missing_count += 1;
        self.next_request = Some(self.next_request.map_or(due, |next| next.min(due)));
    }

    fn give_up_front(&mut self) {
        if self.missing.pop_front().is_some_and(|missing| !missing.done) {
            self.missing_count -= 1;
            self.needs_key_frame = true;
        }
        self.drop_done();
    }

    fn drop_done(&mut self) {
        while self.missing.front().is_some_and(|missing| missing.done) {
            self.missing.pop_front();
        }
        if self.missing.is_empty() {
            self.next_request = None;
        }
    }

    /// Appends the packets to ask for now, in ascending order; each call counts as a request. Costs
    /// nothing while none is due.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<SequenceNumber>) {
        if self.next_request.is_none_or(|next| next > now) {
            return;
        }
        let oldest = self.highest.unwrap_or(0).saturating_sub(MAX_AGE_PACKETS);
        let mut next = None;
        for missing in self.missing.iter_mut().filter(|missing| !missing.done) {
            let old = missing.number < oldest || now.saturating_duration_since(missing.since) >= MAX_AGE;
            if missing.due <= now {
                if old || missing.requests >= MAX_REQUESTS {
                    missing.done = true;
                    self.missing_count -= 1;
                    self.needs_key_frame = true;
                    continue;
                }
                out.push(SequenceNumber(missing.number as u16));
                missing.requests += 1;
                missing.due = now + self.round_trip;
            }
            next = Some(next.map_or(missing.due, |next: Instant| next.min(missing.due)));
        }
        self.next_request = next;
        self.drop_done();
    }

    /// When to call [`Self::poll`] next; `None` while nothing is missing.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.next_request
    }

    /// Packets that are missing and not given up.
    pub const fn missing(&self) -> usize {
        self.missing_count
    }

    /// Whether something was given up since [`Self::forget_missing`] or
    /// [`Self::key_frame_requested`]: without a key frame a decoder stays broken.
    pub const fn needs_key_frame(&self) -> bool {
        self.needs_key_frame
    }

    /// The owner has asked for a key frame: [`Self::needs_key_frame`] is false until something
    /// else is given up.
    pub const fn key_frame_requested(&mut self) {
        self.needs_key_frame = false;
    }

    /// Forgets what is missing before `sequence_number`, where a key frame begins: nobody needs it.
    pub fn forget_missing(&mut self, before: SequenceNumber) {
        let Some(highest) = self.highest else { return };
        let distance = before.distance_from(SequenceNumber(highest as u16));
        let Some(before) = highest.checked_add_signed(i64::from(distance)) else { return };
        for missing in self.missing.iter_mut().take_while(|missing| missing.number < before) {
            self.missing_count -= usize::from(!missing.done);
            missing.done = true;
        }
        self.needs_key_frame = false;
        self.drop_done();
    }

    fn restart_at(&mut self, sequence_number: SequenceNumber) {
        // One lap up, so that what came before has a number too.
        let number = (1 << 16) + u64::from(sequence_number.0);
        self.highest = Some(number);
        self.received = [0; (WINDOW / 64) as usize];
        self.mark(number, true);
        self.missing.clear();
        self.missing_count = 0;
        self.next_request = None;
    }

    fn is_received(&self, number: u64) -> bool {
        self.received[(number % WINDOW / 64) as usize] >> (number % 64) & 1 == 1
    }

    fn mark(&mut self, number: u64, received: bool) {
        let word = &mut self.received[(number % WINDOW / 64) as usize];
        *word = *word & !(1 << (number % 64)) | u64::from(received) << (number % 64);
    }
}
