//! What a join costs before its first datagram: the answer to a WHEP offer.

mod rig;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use headwater_srtp::Profile;
use rig::Rig;

const OFFERS: [(&str, &str); 2] = [
    (
        "Chromium",
        include_str!("../../crates/sdp/tests/fixtures/chromium156-play-recvonly-gathered.offer.sdp"),
    ),
    ("Firefox", include_str!("../../crates/sdp/tests/fixtures/firefox153-play-recvonly-gathered.offer.sdp")),
];

fn answer(c: &mut Criterion) {
    let mut group = c.benchmark_group("sdp answer");
    let Rig { server, now, certificate, .. } = Rig::new(0, Profile::AeadAes128Gcm);
    let (_, ours) = rig::offer(&certificate, now, SocketAddr::from(([127, 0, 0, 1], 5000)), 1);
    let (server, now) = (RefCell::new(server), Cell::new(now));
    let last = RefCell::new(None);
    for (name, offer) in OFFERS.into_iter().chain([("our own client", &*ours.offer)]) {
        group.bench_function(format!("to {name}, session and all"), |b| {
            b.iter_batched(
                || {
                    // Whoever came before leaves.
                    let mut server = server.borrow_mut();
                    last.take().map(|peer| server.close(now.get(), peer));
                    let mut out = Vec::new();
                    while server.poll_transmit(now.get(), &mut out).is_some() {}
                    now.set(now.get() + rig::FRAME);
                    server.handle_timeout(now.get());
                    while server.poll_event().is_some() {}
                    assert!(server.is_empty(), "the last one is gone");
                },
                |()| {
                    let from = IpAddr::from([127, 0, 0, 1]);
                    let accepted = server.borrow_mut().watch(now.get(), rig::STREAM, offer, from);
                    last.replace(Some(accepted.expect("a good offer").peer));
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, answer);
criterion_main!(benches);
