//! What the kernel had no room for.

use std::time::Instant;

use headwater_udp::{Batch, Options, Outgoing, Socket};

#[test]
fn datagrams_that_found_the_receive_buffer_full_are_counted() {
    const SENT: usize = 640;
    let mut options = Options::default();
    options.receive_buffer = 1;
    let here = "127.0.0.1:0".parse().expect("an address");
    let mut receiver = Socket::bind(here, &options).expect("loopback can be bound");
    assert!(receiver.buffer_sizes().0 < 64 << 10, "a small buffer: {:?}", receiver.buffer_sizes());
    assert_eq!(receiver.dropped(), 0);
    let mut sender = Socket::bind(here, &Options::default()).expect("loopback can be bound");
    let message =
        Outgoing { local: None, remote: receiver.local_addr(), start: 0, len: 1000, segment_size: None };
    assert_eq!(sender.send(&[7; 1000], &mut [message; SENT]), SENT);

    let (mut batch, mut received, start) = (Batch::new(&receiver), 0, Instant::now());
    while received + (receiver.dropped() as usize) < SENT && start.elapsed().as_secs() < 10 {
        if receiver.receive(&mut batch).is_ok() {
            batch.for_each(|_, _| received += 1);
        }
    }
    assert!(receiver.dropped() > 0);
    assert_eq!(received + receiver.dropped() as usize, SENT);
}
