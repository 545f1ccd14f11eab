//! SRTP of one packet, sending and receiving, beside what its cipher costs with nothing around it.

use std::hint::black_box;

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ctr::{CtrCore, flavors::Ctr128BE};
use headwater_rtp::{PacketBuilder, PayloadType, SequenceNumber, Ssrc};
use headwater_srtp::{Context, Profile};
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;

const PROFILES: [(&str, Profile); 3] = [
    ("AES-128-GCM", Profile::AeadAes128Gcm),
    ("AES-256-GCM", Profile::AeadAes256Gcm),
    ("AES-CM HMAC-SHA1", Profile::Aes128CmHmacSha1_80),
];
/// A viewer gets video, its repair and audio: the context knows three SSRCs.
const SSRCS: [u32; 3] = [1, 2, 3];
const VIEWERS: usize = 1000;

fn packet(sequence: u16, ssrc: u32, length: usize) -> Vec<u8> {
    let payload_type = PayloadType::new(96).expect("in range");
    let mut out = Vec::new();
    PacketBuilder::new(payload_type, SequenceNumber(sequence), 3000, Ssrc(ssrc))
        .extension(3, &sequence.to_be_bytes())
        .extension(4, b"0")
        .write(&vec![7; length - 24], &mut out)
        .expect("it fits");
    assert_eq!(out.len(), length);
    out
}

fn context(profile: Profile) -> Context {
    let (key, salt) = (vec![7; profile.key_len()], vec![9; profile.salt_len()]);
    let mut context = Context::new(profile, &key, &salt).expect("lengths fit");
    for ssrc in SSRCS {
        context.protect_rtp(&mut packet(0, ssrc, 100), 0).expect("a fresh index");
    }
    context
}

fn protect(c: &mut Criterion) {
    for length in [100, 1200] {
        let mut group = c.benchmark_group(format!("srtp protect {length} bytes"));
        group.throughput(Throughput::Elements(1));
        let copy = |buf: &mut Vec<u8>, plain: &[u8], sequence: &mut u16| {
            buf.clear();
            buf.extend_from_slice(plain);
            *sequence = sequence.wrapping_add(1);
            buf[2..4].copy_from_slice(&sequence.to_be_bytes());
        };
        for (name, profile) in PROFILES {
            group.bench_function(name, |b| {
                let mut context = context(profile);
                let (plain, mut buf, mut sequence) = (packet(0, 1, length), Vec::with_capacity(1500), 0);
                b.iter(|| {
                    copy(&mut buf, &plain, &mut sequence);
                    context.protect_rtp(&mut buf, 0).expect("a fresh index");
                });
            });
        }
        for (name, algorithm) in [("ring AES-128-GCM", &AES_128_GCM), ("ring AES-256-GCM", &AES_256_GCM)] {
            group.bench_function(format!("floor: {name}"), |b| {
                let key = sealing_key(algorithm);
                let (plain, mut buf, mut sequence) = (packet(0, 1, length), Vec::with_capacity(1500), 0);
                b.iter(|| {
                    copy(&mut buf, &plain, &mut sequence);
                    let mut nonce = [9; 12];
                    nonce[..2].copy_from_slice(&sequence.to_be_bytes());
                    let (header, payload) = buf.split_at_mut(24);
                    let nonce = Nonce::assume_unique_for_key(nonce);
                    let tag =
                        key.seal_in_place_separate_tag(nonce, Aad::from(header), payload).expect("it fits");
                    buf.extend_from_slice(tag.as_ref());
                });
            });
        }
        group.bench_function("floor: RustCrypto AES-CTR", |b| {
            let key = Aes128Enc::new(&[7; 16].into());
            let (plain, mut buf, mut sequence) = (packet(0, 1, length), Vec::with_capacity(1500), 0);
            b.iter(|| {
                copy(&mut buf, &plain, &mut sequence);
                let mut nonce = [9; 16];
                nonce[..2].copy_from_slice(&sequence.to_be_bytes());
                let core = CtrCore::<&Aes128Enc, Ctr128BE>::inner_iv_init(&key, &nonce.into());
                StreamCipherCoreWrapper::from_core(core).apply_keystream(&mut buf[24..]);
            });
        });
        group.bench_function("floor: RustCrypto HMAC-SHA1", |b| {
            let key = Hmac::<Sha1>::new_from_slice(&[7; 20]).expect("any length");
            let (plain, mut buf, mut sequence) = (packet(0, 1, length), Vec::with_capacity(1500), 0);
            b.iter(|| {
                copy(&mut buf, &plain, &mut sequence);
                let tag = key.clone().chain_update(&buf).finalize().into_bytes();
                buf.extend_from_slice(&tag[..10]);
            });
        });
        group.bench_function("floor: SHA-1 compressions", |b| {
            let (plain, mut buf, mut sequence) = (packet(0, 1, length), Vec::with_capacity(1500), 0);
            b.iter(|| {
                copy(&mut buf, &plain, &mut sequence);
                buf.resize((length + 4 + 9).next_multiple_of(64) + 64, 0);
                let mut state = [0; 5];
                sha1::block_api::compress(&mut state, buf.as_chunks().0);
                state
            });
        });
        group.bench_function("floor: copy", |b| {
            let (plain, mut buf, mut sequence) = (packet(0, 1, length), Vec::with_capacity(1500), 0);
            b.iter(|| copy(black_box(&mut buf), &plain, &mut sequence));
        });
        group.finish();
    }
}

fn sealing_key(algorithm: &'static Algorithm) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(algorithm, &vec![7; algorithm.key_len()]).expect("lengths fit"))
}

/// A packet to each of many viewers in turn: their keys have left the nearer caches when it is their turn again.
fn protect_in_turn(c: &mut Criterion) {
    let mut group = c.benchmark_group("srtp protect 1200 bytes, 1000 viewers in turn");
    group.throughput(Throughput::Elements(1));
    let (plain, mut buf) = (packet(0, 1, 1200), Vec::with_capacity(1500));
    let turn = |sequence: &mut u16, viewer: &mut usize| {
        *viewer = (*viewer + 1) % VIEWERS;
        *sequence = sequence.wrapping_add(u16::from(*viewer == 0));
        *viewer
    };
    for (name, profile) in PROFILES {
        group.bench_function(name, |b| {
            let mut contexts: Vec<Context> = (0..VIEWERS).map(|_| context(profile)).collect();
            let (mut sequence, mut viewer) = (1, 0);
            b.iter(|| {
                let context = &mut contexts[turn(&mut sequence, &mut viewer)];
                buf.clear();
                buf.extend_from_slice(&plain);
                buf[2..4].copy_from_slice(&sequence.to_be_bytes());
                context.protect_rtp(&mut buf, 0).expect("a fresh index");
            });
        });
    }
    group.bench_function("floor: ring AES-128-GCM", |b| {
        let keys: Vec<Box<LessSafeKey>> = (0..VIEWERS).map(|_| Box::new(sealing_key(&AES_128_GCM))).collect();
        let (mut sequence, mut viewer) = (1, 0);
        b.iter(|| {
            let key = &keys[turn(&mut sequence, &mut viewer)];
            buf.clear();
            buf.extend_from_slice(&plain);
            let nonce = Nonce::assume_unique_for_key([9; 12]);
            let (header, payload) = buf.split_at_mut(24);
            let tag = key.seal_in_place_separate_tag(nonce, Aad::from(header), payload).expect("it fits");
            buf.extend_from_slice(tag.as_ref());
        });
    });
    group.finish();
}

fn unprotect(c: &mut Criterion) {
    let mut group = c.benchmark_group("srtp unprotect 1200 bytes");
    group.throughput(Throughput::Elements(1));
    for (name, profile) in PROFILES {
        group.bench_function(name, |b| {
            let (mut sender, mut receiver) = (context(profile), context(profile));
            let mut sequence = 0_u16;
            let next = || {
                sequence = sequence.wrapping_add(1);
                let mut sealed = packet(sequence, 1, 1200);
                sender.protect_rtp(&mut sealed, 0).expect("a fresh index");
                sealed
            };
            b.iter_batched_ref(
                next,
                |sealed| receiver.unprotect_rtp(sealed).expect("authentic"),
                BatchSize::SmallInput,
            );
        });
    }
    // What each packet of a flood costs: the tag, and nothing decrypted.
    for (name, profile) in PROFILES {
        group.bench_function(format!("forged, {name}"), |b| {
            let (mut sender, mut receiver) = (context(profile), context(profile));
            let mut forged = packet(1, 1, 1200);
            sender.protect_rtp(&mut forged, 0).expect("a fresh index");
            *forged.last_mut().expect("a tag") ^= 1;
            b.iter_batched_ref(
                || forged.clone(),
                |forged| receiver.unprotect_rtp(forged).expect_err("forged"),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, protect, protect_in_turn, unprotect);
criterion_main!(benches);
