//! What holds for every machine with time.

use std::time::{Duration, Instant};

/// How often a machine may be due again without time passing, and how much it may say at one moment.
const MAX_TURNS: usize = 10_000;

/// A machine, as far as every machine is alike. The adapters stand with their targets.
pub(crate) trait Machine {
    /// Appends what is to be sent next and returns its length.
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize>;
    /// Takes one event.
    fn poll_event(&mut self) -> bool;
    /// When it wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Calls it.
    fn handle_timeout(&mut self, now: Instant);
}

/// Takes everything that the machine wants to send and tell, and returns the datagrams.
pub(crate) fn drain(machine: &mut impl Machine, now: Instant) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    let mut buf = vec![0x55; 2];
    while let Some(len) = machine.poll_transmit(now, &mut buf) {
        assert_eq!(buf.len(), 2 + len, "what is said to be appended is appended");
        assert_eq!(buf[..2], [0x55; 2], "what stood in the buffer stays");
        sent.push(buf.split_off(2));
        assert!(sent.len() < MAX_TURNS, "the machine doesn't stop sending");
    }
    let mut events = 0;
    while machine.poll_event() {
        events += 1;
        assert!(events < MAX_TURNS, "the machine doesn't stop telling");
    }
    sent
}

/// Lets time pass, calling the machine whenever it is due, and returns what it sent meanwhile.
pub(crate) fn advance(machine: &mut impl Machine, now: &mut Instant, by: Duration) -> Vec<Vec<u8>> {
    let end = *now + by;
    let mut sent = drain(machine, *now);
    let mut turns = 0;
    while let Some(due) = machine.poll_timeout().filter(|due| *due <= end) {
        turns += 1;
        assert!(turns < MAX_TURNS, "the machine asks again and again for a moment that has passed");
        *now = due.max(*now);
        machine.handle_timeout(*now);
        sent.extend(drain(machine, *now));
    }
    *now = end;
    // Early and repeated calls are harmless.
    machine.handle_timeout(*now);
    sent.extend(drain(machine, *now));
    sent
}
