//! One packet through the rooms that every packet passes.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headwater_rtp::payload::{Codec, describe};
use headwater_rtp::{Packet, PacketBuilder, PayloadType, SequenceNumber, Ssrc};
use headwater_srtp::{Context, Profile};

const PAYLOAD: usize = 1160;

fn packet(sequence: u16) -> Vec<u8> {
    let mut payload = vec![0; PAYLOAD];
    payload[..4].copy_from_slice(&[0x90, 0x80, 0x81, 0x02]);
    let payload_type = PayloadType::new(96).expect("in range");
    let mut out = Vec::new();
    PacketBuilder::new(payload_type, SequenceNumber(sequence), 3000, Ssrc(1))
        .extension(3, &sequence.to_be_bytes())
        .extension(4, b"0")
        .write(&payload, &mut out)
        .expect("it fits");
    out
}

fn parse(c: &mut Criterion) {
    let bytes = packet(1);
    c.bench_function("rtp parse and describe", |b| {
        b.iter(|| {
            let packet = Packet::parse(black_box(&bytes[..])).expect("well formed");
            (packet.extension_value(3).is_some(), describe(Codec::Vp8, packet.payload()))
        });
    });
}

fn protect(c: &mut Criterion) {
    let mut group = c.benchmark_group("srtp 1200 bytes");
    group.throughput(Throughput::Elements(1));
    for (name, profile) in [
        ("AES-128-GCM", Profile::AeadAes128Gcm),
        ("AES-256-GCM", Profile::AeadAes256Gcm),
        ("AES-CM HMAC-SHA1", Profile::Aes128CmHmacSha1_80),
    ] {
        let (key, salt) = (vec![7; profile.key_len()], vec![9; profile.salt_len()]);
        group.bench_function(format!("protect {name}"), |b| {
            let mut context = Context::new(profile, &key, &salt).expect("lengths fit");
            let (plain, mut buf, mut sequence) = (packet(0), Vec::with_capacity(1500), 0_u16);
            b.iter(|| {
                buf.clear();
                buf.extend_from_slice(&plain);
                buf[2..4].copy_from_slice(&sequence.to_be_bytes());
                sequence = sequence.wrapping_add(1);
                context.protect_rtp(&mut buf, 0).expect("a fresh index");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse, protect);
criterion_main!(benches);
