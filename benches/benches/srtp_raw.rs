//! Protecting and opening one packet, in turns with what the crypto crates take for the same bytes: on a machine with
//! neighbours only the ratio of what was measured in turns says something. Prints a table.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::{CtrCore, flavors::Ctr128BE};
use headwater_srtp::{Context, Profile};
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;

/// Of one turn.
const PACKETS: u32 = 2_000;
/// Of each way; the median is told.
const TURNS: usize = 201;
const LENGTH: usize = 1_200;
/// Twelve fixed bytes and an extension of eight bytes with its word.
const HEADER: usize = 24;

/// One way to seal a packet in place, append its tag, and open it again. The number is a fresh one each time.
type Way = Box<dyn FnMut(&mut Vec<u8>, u16)>;

fn main() {
    let plain = packet();
    println!("protect and unprotect of {LENGTH} bytes, medians of {TURNS} turns of {PACKETS} packets, ns");
    println!("{:<34}{:>8}{:>8}{:>8}{:>10}{:>10}", "", "ours", "cryptex", "crates", "ours /", "cryptex /");
    for (name, profile, raw) in [
        ("AES-128-GCM, ring", Profile::AeadAes128Gcm, gcm(&AES_128_GCM)),
        ("AES-256-GCM, ring", Profile::AeadAes256Gcm, gcm(&AES_256_GCM)),
        ("AES-CM HMAC-SHA1-80, aes ctr hmac", Profile::Aes128CmHmacSha1_80, cm(10)),
        ("AES-CM HMAC-SHA1-32, aes ctr hmac", Profile::Aes128CmHmacSha1_32, cm(4)),
    ] {
        let mut ways = [contexts(profile, false), contexts(profile, true), raw];
        let mut times: [Vec<f64>; 3] = Default::default();
        let mut buf = Vec::with_capacity(1_500);
        let mut sequence = 0_u16;
        for _ in 0..TURNS {
            let first = sequence;
            for (way, times) in ways.iter_mut().zip(&mut times) {
                sequence = first;
                let started = Instant::now();
                for _ in 0..PACKETS {
                    sequence = sequence.wrapping_add(1);
                    buf.clear();
                    buf.extend_from_slice(&plain);
                    buf[2..4].copy_from_slice(&sequence.to_be_bytes());
                    way(black_box(&mut buf), sequence);
                }
                times.push(per_packet(started.elapsed()));
            }
        }
        let [ours, cryptex, raw] = times.map(median);
        println!("{name:<34}{ours:>8.0}{cryptex:>8.0}{raw:>8.0}{:>10.2}{:>10.2}", ours / raw, cryptex / raw);
    }
}

fn per_packet(turn: Duration) -> f64 {
    turn.as_secs_f64() * 1e9 / f64::from(PACKETS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn packet() -> Vec<u8> {
    let mut packet = vec![0x90, 96, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7, 0xbe, 0xde, 0, 2];
    packet.extend([0x31, 1, 2, 0x41, 0x30, 0, 0, 0]);
    packet.resize(LENGTH, 7);
    packet
}

fn contexts(profile: Profile, is_cryptex: bool) -> Way {
    let (key, salt) = (vec![7; profile.key_len()], vec![9; profile.salt_len()]);
    let [mut sender, mut receiver] = [(), ()].map(|()| {
        let mut context = Context::new(profile, &key, &salt).expect("lengths fit");
        context.set_cryptex(is_cryptex);
        context
    });
    Box::new(move |buf, _| {
        sender.protect_rtp(buf, 0).expect("a fresh index");
        receiver.unprotect_rtp(buf).expect("authentic");
    })
}

fn gcm(algorithm: &'static Algorithm) -> Way {
    let key =
        LessSafeKey::new(UnboundKey::new(algorithm, &vec![7; algorithm.key_len()]).expect("lengths fit"));
    Box::new(move |buf, sequence| {
        let nonce = || {
            let mut nonce = [9; 12];
            nonce[10..].copy_from_slice(&sequence.to_be_bytes());
            Nonce::assume_unique_for_key(nonce)
        };
        let (header, payload) = buf.split_at_mut(HEADER);
        let tag = key.seal_in_place_separate_tag(nonce(), Aad::from(header), payload).expect("it fits");
        buf.extend_from_slice(tag.as_ref());
        let (header, sealed) = buf.split_at_mut(HEADER);
        key.open_in_place(nonce(), Aad::from(header), sealed).expect("authentic");
    })
}

/// The crates' own stream cipher and MAC, one after the other.
fn cm(tag_len: usize) -> Way {
    let key = Aes128Enc::new(&[7; 16].into());
    let mac = Hmac::<Sha1>::new_from_slice(&[7; 20]).expect("any length");
    Box::new(move |buf, sequence| {
        let apply = |payload: &mut [u8]| {
            let mut iv = [9; 16];
            iv[12..14].copy_from_slice(&sequence.to_be_bytes());
            let core = CtrCore::<&Aes128Enc, Ctr128BE>::inner_iv_init(&key, &iv.into());
            StreamCipherCoreWrapper::from_core(core).apply_keystream(payload);
        };
        apply(&mut buf[HEADER..]);
        let tag = mac.clone().chain_update(&buf).chain_update([0; 4]).finalize().into_bytes();
        buf.extend_from_slice(&tag[..tag_len]);
        let (sealed, tag) = buf.split_at_mut(LENGTH);
        mac.clone().chain_update(&sealed).chain_update([0; 4]).verify_truncated_left(tag).expect("authentic");
        apply(&mut sealed[HEADER..]);
    })
}
