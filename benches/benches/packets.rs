//! One packet through the rooms that every packet passes.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater_rtp::payload::{Codec, describe};
use headwater_rtp::{Packet, PacketBuilder, PayloadType, SequenceNumber, Ssrc};

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
    let mut group = c.benchmark_group("rtp");
    group.bench_function("parse and describe", |b| {
        b.iter(|| {
            let packet = Packet::parse(black_box(&bytes[..])).expect("well formed");
            (packet.extension_value(3).is_some(), describe(Codec::Vp8, packet.payload()))
        });
    });
    // The payload alone: a first packet of a key frame, or of a frame.
    for (codec, start) in [
        (
            Codec::Vp8,
            &[0x90, 0x80, 0x81, 0x02, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01][..],
        ),
        (Codec::Vp9, &[0x8a, 0x81, 0x02, 0x08, 0x27, 0xff, 0x02, 0xcf]),
        (Codec::H264, &[0x7c, 0x85]),
        (Codec::Av1, &[0x18, 0x0a, 0x0b, 0x00, 0x00, 0x00]),
        (Codec::Opus, &[0x78]),
    ] {
        let mut payload = vec![0; PAYLOAD];
        payload[..start.len()].copy_from_slice(start);
        group.bench_function(format!("describe {codec:?}"), |b| {
            b.iter(|| describe(codec, black_box(&payload)));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
