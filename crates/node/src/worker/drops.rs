//! What the kernel dropped because a worker did not read its sockets in time.

use std::time::{Duration, Instant};

use super::Worker;

/// Between two looks, and thus between two warnings.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Notices when there are more.
#[derive(Debug)]
pub(super) struct Drops {
    looks: Instant,
    told: u64,
}

impl Drops {
    pub(super) fn new(now: Instant) -> Self {
        Self { looks: now + LOOK_EVERY, told: 0 }
    }

    /// How many are new, if it is time to tell and there are any.
    fn grown(&mut self, now: Instant, count: impl FnOnce() -> u64) -> Option<u64> {
        if now < self.looks {
            return None;
        }
        self.looks = now + LOOK_EVERY;
        let count = count();
        let new = count.saturating_sub(self.told);
        self.told = count;
        (new > 0).then_some(new)
    }
}

impl Worker {
    /// Datagrams that the kernel dropped so far, of all sockets.
    pub(crate) fn kernel_drops(&self) -> u64 {
        self.sockets.iter().map(|port| port.socket.dropped()).sum()
    }

    /// Warns when there are more.
    pub(super) fn note_drops(&mut self) {
        let Self { sockets, drops, now, index, .. } = self;
        let count = || sockets.iter().map(|port| port.socket.dropped()).sum();
        let Some(datagrams) = drops.grown(*now, count) else { return };
        let buffer = sockets.first().map_or(0, |port| port.socket.buffer_sizes().0);
        tracing::warn!(
            worker = *index,
            datagrams,
            buffer,
            "the kernel dropped datagrams because the receive buffer was full: the worker is too busy, or the buffer too \
             small for the bursts, which `sysctl net.core.rmem_max` limits"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use headwater_udp::{Options, Outgoing, Socket};

    use super::*;
    use crate::worker::Message;
    use crate::{Config, Node};

    #[test]
    fn growth_is_told_at_most_every_ten_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut drops = Drops::new(start);
        assert_eq!(drops.grown(at(9), || unreachable!("no look before it is time")), None);
        assert_eq!(drops.grown(at(10), || 5), Some(5));
        assert_eq!(drops.grown(at(11), || unreachable!("nor again so soon")), None);
        assert_eq!(drops.grown(at(20), || 5), None);
        assert_eq!(drops.grown(at(31), || 7), Some(2));
    }

    #[test]
    fn what_a_busy_worker_does_not_read_in_time_is_counted() {
        /// More than the largest buffer that is asked for holds.
        const SENT: usize = 10_000;
        let mut config = Config::new([3; 32]);
        let loopback = "127.0.0.1:0".parse().expect("an address");
        config.media = vec![loopback];
        let node = Node::start(config).expect("loopback can be bound");
        assert_eq!(node.counters().totals[0].kernel_drops, 0);
        let (release, wait) = channel::<()>();
        let (begun, begins) = channel();
        node.inner.workers()[0].send(Message::Command(Box::new(move |_| {
            let _ = begun.send(());
            let _ = wait.recv();
        })));
        begins.recv().expect("the command runs");
        let mut sender = Socket::bind(loopback, &Options::default()).expect("loopback can be bound");
        let remote = node.media_addresses()[0];
        let message = Outgoing { local: None, remote, start: 0, len: 1400, segment_size: None };
        assert_eq!(sender.send(&[0xff; 1400], &mut [message; SENT]), SENT);
        drop(release);
        // What was not dropped is of no protocol, and counted as such.
        let counts = |node: &Node| {
            let totals = &node.counters().totals[0];
            (totals.kernel_drops, totals.unrouted + totals.unknown_datagrams)
        };
        let start = Instant::now();
        while counts(&node).0 == 0 || counts(&node).1 == 0 {
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", counts(&node));
        }
        // A busy machine's loopback may lose some by itself.
        assert!(counts(&node).0 + counts(&node).1 <= SENT as u64);
        node.shutdown(Duration::from_secs(1));
    }
}
