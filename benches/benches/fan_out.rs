//! One video frame from a publisher to N viewers: history, rewriting, headers, SRTP; everything but the kernel.

mod rig;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headwater_srtp::Profile;
use rig::{PACKETS, Rig};

const PROFILES: [(&str, Profile); 2] =
    [("AES-128-GCM", Profile::AeadAes128Gcm), ("AES-CM HMAC-SHA1", Profile::Aes128CmHmacSha1_80)];

fn fan_out(c: &mut Criterion) {
    for (name, profile) in PROFILES {
        let mut group = c.benchmark_group(format!("fan-out of a frame, {name}"));
        for viewers in [1, 10, 100, 1000] {
            let mut rig = Rig::new(viewers, profile);
            let packets = rig.frame(false);
            assert!(packets >= viewers * PACKETS, "everybody gets the frame: {packets}");
            group.throughput(Throughput::Elements((viewers * PACKETS) as u64));
            group.bench_with_input(BenchmarkId::from_parameter(viewers), &viewers, |b, _| {
                b.iter(|| rig.frame(false));
            });
        }
        group.finish();
    }
}

/// A frame's packets to a hundred viewers: all of a size, and as libwebrtc splits a frame, the last ones a byte shorter.
fn shapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan-out to 100 by the frame's shape");
    for packets in [7, 16] {
        for (name, shorter) in [("of one size", 0), ("a byte apart", packets / 2)] {
            let mut rig = Rig::new(100, Profile::AeadAes128Gcm);
            rig.sizes =
                (0..packets).map(|index| rig::PAYLOAD - usize::from(index >= packets - shorter)).collect();
            assert!(rig.frame(false) >= 100 * packets, "everybody gets the frame");
            group.throughput(Throughput::Elements(100 * packets as u64));
            group.bench_function(format!("{packets} packets {name}"), |b| b.iter(|| rig.frame(false)));
        }
    }
    group.finish();
}

criterion_group!(benches, fan_out, shapes);
criterion_main!(benches);
