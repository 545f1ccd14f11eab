//! What outsiders can make a node write into its log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::client::{Client, node, until};

/// Lines of the log, of all tests in this process.
static LINES: AtomicU64 = AtomicU64::new(0);

/// Counts what an operator sees who wants to see everything.
struct Counting;

impl Subscriber for Counting {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target().starts_with("headwater") {
            LINES.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// S11, on sockets: the forged packets come from the publisher's own address and port.
#[test]
fn a_flood_of_unauthenticated_srtp_is_counted_and_not_logged() {
    const ROUNDS: u32 = 400;
    const PACKETS: u32 = 100;
    let _ = tracing::subscriber::set_global_default(Counting);
    let node = node(1);
    let mut clients = vec![Client::publisher(&node, "s")];
    until(&mut clients, "going live", |_| node.counters().streams == 1);
    clients.push(Client::viewer(&node, "s"));
    until(&mut clients, "watching", |clients| clients[1].received > 5);

    let before = LINES.load(Ordering::Relaxed);
    assert!(before > 0, "sessions are logged");
    let received = clients[1].received;
    let to = node.media_addresses()[0];
    for round in 0..ROUNDS {
        for number in 0..PACKETS {
            let second = if number % 10 == 0 { 200 } else { 96 };
            let mut packet = vec![0x80, second];
            packet.extend((number as u16).to_be_bytes());
            packet.extend(round.to_be_bytes());
            packet.extend((round % 7).to_be_bytes());
            packet.resize(40 + number as usize, 0x3c);
            clients[0].send(&packet, to);
        }
        clients.iter_mut().for_each(Client::turn);
    }
    let seen_in_flood = clients[1].received - received;
    until(&mut clients, "watching on", |clients| clients[1].received > received + seen_in_flood + 20);
    let lines = LINES.load(Ordering::Relaxed) - before;

    let refused: u64 = node.counters().totals.iter().map(|totals| totals.unauthentic).sum();
    // The kernel may have dropped some.
    assert!(refused > u64::from(ROUNDS * PACKETS / 10), "{refused}");
    // Those of the tests beside this one.
    assert!(lines < u64::from(ROUNDS), "{lines} lines for {refused} packets");
    assert!(clients.iter().all(|client| !client.is_told_goodbye()));
    node.shutdown(Duration::from_secs(1));
}
