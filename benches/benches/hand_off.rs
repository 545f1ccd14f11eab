//! A frame from the unit that has a stream to one that has viewers of it: what a second worker costs for each packet.

mod rig;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rig::{PACKETS, Rig};

fn hand_off(c: &mut Criterion) {
    let mut group = c.benchmark_group("hand-off to another unit");
    group.throughput(Throughput::Elements(PACKETS as u64));
    let mut rig = Rig::of_two_units(1);
    group.bench_function("a frame of 9 packets, given and taken", |b| {
        b.iter_custom(|frames| {
            let mut taken = Duration::ZERO;
            for _ in 0..frames {
                rig.take_frame(false);
                let start = Instant::now();
                let packets = rig.hand_off();
                taken += start.elapsed();
                assert_eq!(packets, PACKETS, "all that came in");
                rig.send(|_, _| ());
                rig.agree();
            }
            taken
        });
    });
    group.finish();
}

criterion_group!(benches, hand_off);
criterion_main!(benches);
