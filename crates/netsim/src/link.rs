//! What a link between two endpoints does to datagrams.

use crate::random::Random;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a datagram that is to be overtaken is held back, at least and at most.
const HELD_BACK: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(15));

/// How much later a duplicate arrives, at most.
const DUPLICATE_DELAY: Duration = Duration::from_millis(5);

/// One direction of a link. Each setter returns the link, so that a test can say `Link::wifi().loss(0.05)`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Propagation time of every datagram. Default 5 ms.
    pub latency: Duration,
    /// Extra time, uniform from nothing to this, without changing the order. Default none.
    pub jitter: Duration,
    /// Share of datagrams lost, `0.0..=1.0`. Default none.
    pub loss: f64,
    /// Mean number of datagrams lost in a row. Default 1: each loss stands alone. The share stays `loss`.
    pub loss_burst: f64,
    /// Share of datagrams held back for 2 to 15 ms, so that later ones overtake them. Default none.
    pub reorder: f64,
    /// Share of datagrams that arrive twice. Default none.
    pub duplicate: f64,
    /// Bits per second, headers of IP and UDP included. Default without limit.
    pub rate: Option<u64>,
    /// Bytes that may wait for the rate before datagrams are dropped (drop tail). Default 128 KiB.
    pub queue: usize,
    /// Largest IP packet in bytes; a datagram that doesn't fit is dropped silently. Default 1,500.
    pub mtu: usize,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(5),
            jitter: Duration::ZERO,
            loss: 0.0,
            loss_burst: 1.0,
            reorder: 0.0,
            duplicate: 0.0,
            rate: None,
            queue: 128 << 10,
            mtu: 1500,
        }
    }
}

impl Link {
    /// 0.2 ms and nothing else.
    #[must_use]
    pub fn lan() -> Self {
        Self::default().latency(Duration::from_micros(200))
    }

    /// A fair home network: 10 ms, 8 ms of jitter, 1 % loss, some of it reordered, 30 Mbit/s.
    #[must_use]
    pub fn wifi() -> Self {
        let ms = Duration::from_millis;
        Self::default().latency(ms(10)).jitter(ms(8)).loss(0.01).reorder(0.005).rate(30_000_000)
    }

    /// A phone on the move: 45 ms, 30 ms of jitter, 2 % loss in bursts of three, 5 Mbit/s, a deep queue.
    #[must_use]
    pub fn mobile() -> Self {
        let ms = Duration::from_millis;
        Self::default()
            .latency(ms(45))
            .jitter(ms(30))
            .loss(0.02)
            .loss_burst(3.0)
            .rate(5_000_000)
            .queue(512 << 10)
    }

    /// Nothing arrives.
    #[must_use]
    pub fn broken() -> Self {
        Self::default().loss(1.0)
    }

    /// Sets [`Self::latency`].
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Sets [`Self::jitter`].
    #[must_use]
    pub fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// Sets [`Self::loss`].
    #[must_use]
    pub fn loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// Sets [`Self::loss_burst`].
    #[must_use]
    pub fn loss_burst(self, loss_burst: f64) -> Self {
        Self { loss_burst, ..self }
    }

    /// Sets [`Self::reorder`].
    #[must_use]
    pub fn reorder(self, reorder: f64) -> Self {
        Self { reorder, ..self }
    }

    /// Sets [`Self::duplicate`].
    #[must_use]
    pub fn duplicate(self, duplicate: f64) -> Self {
        Self { duplicate, ..self }
    }

    /// Sets [`Self::rate`] in bits per second.
    #[must_use]
    pub fn rate(self, rate: u64) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// Sets [`Self::queue`] in bytes.
    #[must_use]
    pub fn queue(self, queue: usize) -> Self {
        Self { queue, ..self }
    }

    /// Sets [`Self::mtu`] in bytes of the IP packet.
    #[must_use]
    pub fn mtu(self, mtu: usize) -> Self {
        Self { mtu, ..self }
    }
}

/// Bytes that IP and UDP put before the payload.
pub(crate) fn header_len(remote: SocketAddr) -> usize {
    if remote.is_ipv4() { 28 } else { 48 }
}

/// Bytes that a message takes in TCP segments that fit the MTU, headers of IP and TCP included.
pub(crate) fn stream_len(len: usize, remote: SocketAddr, mtu: usize) -> usize {
    let header = if remote.is_ipv4() { 40 } else { 60 };
    let segments = len.div_ceil(mtu.saturating_sub(header).max(1)).max(1);
    len + segments * header
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    TooLarge,
    QueueFull,
    Arrives { at: Instant, again: Option<Instant> },
}

/// The memory of one direction: what stands in the queue, what arrived last, whether a burst of loss goes on.
#[derive(Clone, Debug)]
pub(crate) struct Direction {
    busy_until: Instant,
    last_arrival: Instant,
    in_burst: bool,
}

impl Direction {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { busy_until: now, last_arrival: now, in_burst: false }
    }

    pub(crate) fn carry(&mut self, link: &Link, size: usize, now: Instant, random: &mut Random) -> Fate {
        if size > link.mtu { Fate::TooLarge } else { self.carry_any_size(link, size, now, random) }
    }

    /// As [`Self::carry`], for what is cut to the MTU.
    pub(crate) fn carry_any_size(
        &mut self,
        link: &Link,
        size: usize,
        now: Instant,
        random: &mut Random,
    ) -> Fate {
        let Some(sent) = self.queue(link, size, now) else { return Fate::QueueFull };
        // What is lost behind the queue has used its share of the rate, as on a radio.
        if self.loses(link, random) {
            return Fate::Lost;
        }
        let mut at = sent + link.latency + random.up_to(link.jitter);
        if random.chance(link.reorder) {
            at += HELD_BACK.0 + random.up_to(HELD_BACK.1 - HELD_BACK.0);
        } else {
            at = at.max(self.last_arrival);
            self.last_arrival = at;
        }
        let again = random.chance(link.duplicate).then(|| at + random.up_to(DUPLICATE_DELAY));
        Fate::Arrives { at, again }
    }

    /// When the last bit has left, or `None` if the queue is full.
    fn queue(&mut self, link: &Link, size: usize, now: Instant) -> Option<Instant> {
        let Some(rate) = link.rate else { return Some(now) };
        let rate = rate.max(1) as f64;
        let waiting = self.busy_until.saturating_duration_since(now).as_secs_f64() * rate / 8.0;
        if waiting as usize + size > link.queue {
            return None;
        }
        let start = self.busy_until.max(now);
        self.busy_until = start + Duration::from_secs_f64(size as f64 * 8.0 / rate);
        Some(self.busy_until)
    }

    /// A two-state chain (Gilbert): a burst ends with probability 1/length and starts as often as keeps the share.
    fn loses(&mut self, link: &Link, random: &mut Random) -> bool {
        if link.loss >= 1.0 {
            return true;
        }
        if link.loss <= 0.0 {
            return false;
        }
        if link.loss_burst <= 1.0 {
            return random.chance(link.loss);
        }
        let end = 1.0 / link.loss_burst;
        let start = (end * link.loss / (1.0 - link.loss)).min(1.0);
        self.in_burst = if self.in_burst { !random.chance(end) } else { random.chance(start) };
        self.in_burst
    }
}
