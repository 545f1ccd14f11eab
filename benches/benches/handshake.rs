//! A whole DTLS 1.2 handshake with client certificate, both ends in one thread.

use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater_dtls::{Certificate, Config, Connection, Role};

fn handshake(c: &mut Criterion) {
    let ends = [0, 1].map(|_| Certificate::generate().expect("a certificate"));
    let configs = [0, 1].map(|end: usize| Arc::new(Config::new(ends[end].clone())));
    let prints = ends.map(|end| end.fingerprint());
    let mut seed = 0_u64;
    c.bench_function("dtls 1.2 handshake, both ends", |b| {
        b.iter(|| {
            let now = Instant::now();
            seed += 1;
            let mut random = [0; 32];
            random[..8].copy_from_slice(&seed.to_be_bytes());
            let connection = |end: usize, role| {
                let expected = vec![prints[1 - end].clone()];
                Connection::new(configs[end].clone(), role, expected, random, now).expect("it can work")
            };
            let (mut client, mut server) = (connection(0, Role::Client), connection(1, Role::Server));
            server.credit(1000);
            let mut buf = Vec::new();
            while !(client.is_connected() && server.is_connected()) {
                let mut moved = false;
                for forth in [true, false] {
                    let (from, to) =
                        if forth { (&mut client, &mut server) } else { (&mut server, &mut client) };
                    buf.clear();
                    while from.poll_transmit(now, &mut buf).is_some() {
                        to.handle_datagram(now, &buf).expect("nobody interferes");
                        buf.clear();
                        moved = true;
                    }
                }
                assert!(moved, "it stalled");
            }
        });
    });
}

criterion_group!(benches, handshake);
criterion_main!(benches);
