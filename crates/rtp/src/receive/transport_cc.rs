//! When packets arrived, over all streams of a transport, and the feedback about it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! The sender's estimate lives on this: a late packet is reported again with all after it, and
//! packets of unknown streams count too.

use std::time::{Duration, Instant};

use crate::rtcp::{Builder, transport_cc};
use crate::{SequenceNumber, Ssrc};

/// Numbers that are remembered; a larger jump, either way, begins anew.
const WINDOW: u64 = 4096;
/// Arrivals older than this are forgotten once they were reported.
const MAX_AGE_TICKS: i64 = 2000; // 500 ms
const DEFAULT_INTERVAL: Duration = Duration::from_millis(50);
const MIN_INTERVAL: Duration = Duration::from_millis(20);
const MAX_INTERVAL: Duration = Duration::from_millis(250);
/// Arrived packets that don't wait for the interval.
const MAX_PENDING: usize = 200;
/// Numbers in one feedback packet. At worst all have deltas of two bytes: then it has
/// 20 + 2 · 500 / 7 + 2 · 500 bytes, which fits a datagram.
const MAX_STATUSES: usize = 500;
/// The clock of reports begins here, so that earlier arrivals have a place: 64 s in ticks.
const CLOCK_START: i64 = 256 * 1000;

/// Logs arrivals and reports them.
#[derive(Clone, Debug)]
pub struct TransportCcRecorder {
    /// Arrival in ticks of 250 µs, by number modulo [`WINDOW`]; `None` if it did not arrive.
    arrivals: Box<[Option<i64>]>,
    /// Remembered numbers: `begin..end`, at most [`WINDOW`] of them.
    begin: u64,
    end: u64,
    /// First number that the next report covers.
    next_report: u64,
    epoch: Option<Instant>,
    /// Arrived since the last report.
    pending: usize,
    due: Option<Instant>,
    interval: Duration,
    feedback_count: u8,
    deltas: Vec<Option<i16>>,
}

impl Default for TransportCcRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl TransportCcRecorder {
    /// A recorder that has seen nothing; reports come each 50 ms while packets do.
    pub fn new() -> Self {
        Self {
            arrivals: vec![None; WINDOW as usize].into_boxed_slice(),
            begin: 0,
            end: 0,
            next_report: 0,
            epoch: None,
            pending: 0,
            due: None,
            interval: DEFAULT_INTERVAL,
            feedback_count: 0,
            deltas: Vec::with_capacity(MAX_STATUSES),
        }
    }

    /// Time between reports, 20 to 250 ms.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
    }

    /// A packet with transport-wide number `sequence` arrived at `received` (the kernel's stamp). HOT.
    /// The first arrival of a number is the one that counts.
    pub fn record(&mut self, sequence: u16, received: Instant) {
        let epoch = *self.epoch.get_or_insert(received);
        let ticks = CLOCK_START + ticks_between(epoch, received);
        let number = self.place(SequenceNumber(sequence));
        let slot = &mut self.arrivals[(number % WINDOW) as usize];
        if slot.is_some() {
            return;
        }
        *slot = Some(ticks);
        self.next_report = self.next_report.min(number);
        self.pending += 1;
        self.forget_old(ticks);
        let due = if self.pending >= MAX_PENDING { received } else { received + self.interval };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Makes room for a number and returns it unwrapped.
    fn place(&mut self, sequence: SequenceNumber) -> u64 {
        if self.begin == self.end {
            return self.restart(sequence);
        }
        let last = self.end - 1;
        let step = i64::from(sequence.distance_from(SequenceNumber(last as u16)));
        let number = last.wrapping_add_signed(step);
        let far = step.unsigned_abs() >= WINDOW || (number < self.begin && self.end - number > WINDOW);
        if far {
            return self.restart(sequence);
        }
        for gap in self.end..=number {
            self.arrivals[(gap % WINDOW) as usize] = None;
        }
        for gap in number..self.begin {
            self.arrivals[(gap % WINDOW) as usize] = None;
        }
        self.end = self.end.max(number + 1);
        self.begin = self.begin.min(number).max(self.end.saturating_sub(WINDOW));
        self.next_report = self.next_report.max(self.begin);
        number
    }

    fn restart(&mut self, sequence: SequenceNumber) -> u64 {
        // Two laps up, so that what came before has a number too.
        let number = (2 << 16) + u64::from(sequence.0);
        self.begin = number;
        self.end = number + 1;
        self.next_report = number;
        self.pending = 0;
        self.arrivals[(number % WINDOW) as usize] = None;
        number
    }

    /// Forgets what was reported and is old. Amortised O(1): each number goes once.
    fn forget_old(&mut self, now: i64) {
        while self.begin < self.next_report {
            match self.arrivals[(self.begin % WINDOW) as usize] {
                Some(arrival) if now - arrival < MAX_AGE_TICKS => break,
                _ => self.begin += 1,
            }
        }
    }

    /// Appends one feedback packet of at most about 1,200 bytes if it is time, and says so. Call it
    /// until it says no, each time for another datagram if the first is full.
    pub fn poll_feedback(
        &mut self,
        now: Instant,
        sender: Ssrc,
        media: Ssrc,
        builder: &mut Builder<'_>,
    ) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let Some((base, reference_time)) = self.collect() else {
            self.due = None;
            self.pending = 0;
            return false;
        };
        let feedback = transport_cc::Feedback::new(base, reference_time, self.feedback_count, &self.deltas);
        builder.transport_cc(sender, media, &feedback);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        if self.next_report == self.end {
            self.due = None;
            self.pending = 0;
        }
        true
    }

    /// Fills `deltas` with the next report; `None` if there is nothing to tell.
    fn collect(&mut self) -> Option<(SequenceNumber, i32)> {
        self.deltas.clear();
        let arrival = |number: u64| self.arrivals[(number % WINDOW) as usize];
        let first = (self.next_report..self.end).find_map(arrival)?;
        // A gap wider than one report holds is told by its end.
        let leading = (self.next_report..self.end).take_while(|number| arrival(*number).is_none()).count();
        let skipped = (leading + 1).saturating_sub(MAX_STATUSES) as u64;
        let base = self.next_report + skipped;
        let reference = first.div_euclid(transport_cc::REFERENCE_TIME_TICKS);
        let mut before = reference * transport_cc::REFERENCE_TIME_TICKS;
        let mut end = base;
        let mut len = 0;
        for number in base..self.end.min(base + MAX_STATUSES as u64) {
            let delta = match arrival(number) {
                None => None,
                Some(ticks) => match i16::try_from(ticks - before) {
                    Ok(delta) => {
                        before = ticks;
                        Some(delta)
                    }
                    // Too long since the one before: the next report has its own reference.
                    Err(_) => break,
                },
            };
            self.deltas.push(delta);
            end = number + 1;
            if delta.is_some() {
                len = self.deltas.len();
            }
        }
        // What did not arrive at the end is left for the next report, which may know better.
        end -= (self.deltas.len() - len) as u64;
        self.deltas.truncate(len);
        self.next_report = end;
        Some((SequenceNumber(base as u16), reference as i32))
    }

    /// When to call [`Self::poll_feedback`] next; `None` while nothing arrives.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

/// Ticks of 250 µs from `epoch` to `instant`, rounded down.
fn ticks_between(epoch: Instant, instant: Instant) -> i64 {
    let unit = transport_cc::DELTA_UNIT.as_nanos();
    match instant.checked_duration_since(epoch) {
        Some(later) => (later.as_nanos() / unit) as i64,
        None => -(epoch.duration_since(instant).as_nanos().div_ceil(unit) as i64),
    }
}
