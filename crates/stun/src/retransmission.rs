//! When a request is sent again, and when it is given up (RFC 8489 §6.2.1).
//!
//! ```text
//!  sent at   0   RTO   3 RTO   7 RTO  15 RTO  31 RTO  63 RTO      given up at 79 RTO  (Rc = 7, Rm = 16)
//! ```

use std::time::{Duration, Instant};

/// How often a request is sent: 7 times.
const RC: u32 = 7;
/// How many RTOs to wait after the last time.
const RM: u32 = 16;
/// How long to wait for a response over a reliable transport.
const TI: Duration = Duration::from_millis(39_500);

/// The sending times of one request.
#[derive(Clone, Debug)]
pub struct Retransmission {
    rto: Duration,
    sent: u32,
    reliable: bool,
    next: Instant,
}

/// What a [`Retransmission`] wants done now.
#[expect(clippy::exhaustive_enums, reason = "a request is sent, waited for, or given up")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send the same bytes again (or for the first time).
    Send,
    /// No response came.
    GiveUp,
}

impl Retransmission {
    /// A request that is due at once. `rto` is the first wait; it doubles each time. RFC 8489 wants at least
    /// 500 ms where nothing is known of the path; zero is taken as 1 ms.
    #[must_use]
    pub fn new(now: Instant, rto: Duration) -> Self {
        Self { rto: rto.max(Duration::from_millis(1)), sent: 0, reliable: false, next: now }
    }

    /// The same for a transport that does not lose: sent once, given up after 39.5 s (RFC 8489 §6.2.2).
    #[must_use]
    pub const fn reliable(now: Instant) -> Self {
        Self { rto: TI, sent: 0, reliable: true, next: now }
    }

    /// Says what is due, and counts a [`Due::Send`] as done.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        if now < self.next {
            return Due::Nothing;
        }
        let times = if self.reliable { 1 } else { RC };
        if self.sent >= times {
            return Due::GiveUp;
        }
        self.sent += 1;
        let wait = match (self.reliable, self.sent) {
            (true, _) => self.rto,
            (false, RC) => self.rto * RM,
            (false, sent) => self.rto * (1 << (sent - 1)),
        };
        self.next = now + wait;
        Due::Send
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub const fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// How often the request was sent.
    #[must_use]
    pub const fn sent(&self) -> u32 {
        self.sent
    }

    /// Makes the next sending due at `now` if any is left: the path was just seen to work.
    pub fn hurry(&mut self, now: Instant) {
        if !self.reliable && self.sent < RC {
            self.next = self.next.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_sent_seven_times_and_given_up_after_79_rto() {
        let start = Instant::now();
        let rto = Duration::from_millis(500);
        let mut schedule = Retransmission::new(start, rto);
        for at in [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500] {
            let at = start + Duration::from_millis(at);
            assert_eq!(schedule.poll_timeout(), at);
            assert_eq!(schedule.handle_timeout(at), Due::Send);
            assert_eq!(schedule.handle_timeout(at), Due::Nothing);
        }
        assert_eq!(schedule.handle_timeout(start + Duration::from_millis(39_499)), Due::Nothing);
        assert_eq!(schedule.handle_timeout(start + Duration::from_millis(39_500)), Due::GiveUp);
    }

    #[test]
    fn over_a_reliable_transport_it_is_sent_once() {
        let start = Instant::now();
        let mut schedule = Retransmission::reliable(start);
        assert_eq!(schedule.handle_timeout(start), Due::Send);
        assert_eq!(schedule.poll_timeout(), start + TI);
        assert_eq!(schedule.handle_timeout(start + TI), Due::GiveUp);
    }
}
