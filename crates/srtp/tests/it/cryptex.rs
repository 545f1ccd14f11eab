//! RFC 9335: contributing sources and header extensions hidden, the packet the same when it is opened.

use headwater_srtp::{Context, Error, ParseError, Profile};
use proptest::prelude::*;
use serde_json::Value;

use crate::{PROFILES, pair, rtp};

const X_BIT: u8 = 0x10;

fn cryptex_pair(profile: Profile) -> (Context, Context) {
    let (mut sender, mut receiver) = pair(profile);
    sender.set_cryptex(true);
    receiver.set_cryptex(true);
    (sender, receiver)
}

/// A packet with this many contributing sources, and an extension of this profile and of so many words.
fn packet(sequence_number: u16, csrcs: u8, extension: Option<([u8; 2], u16)>, payload: &[u8]) -> Vec<u8> {
    let mut packet = rtp(7, sequence_number, b"");
    packet[0] |= csrcs;
    packet.extend((0..4 * csrcs).map(|at| 0x80 | at));
    if let Some((profile, words)) = extension {
        packet[0] |= X_BIT;
        packet.extend(profile);
        packet.extend(words.to_be_bytes());
        packet.extend((0..4 * words).map(|at| at as u8));
    }
    packet.extend(payload);
    packet
}

#[test]
fn the_packets_of_rfc_9335_come_out_and_open() {
    let file: Value = serde_json::from_str(include_str!("../fixtures/rfc9335_vectors.json")).expect("JSON");
    let text = |value: &Value| hex::decode(value.as_str().expect("a string")).expect("hex");
    let mut packets = 0;
    for case in file["cases"].as_array().expect("cases") {
        let profile = Profile::from_iana(case["profile"].as_u64().expect("a number") as u16).expect("ours");
        let context = || {
            let (key, salt) = (text(&case["master_key_hex"]), text(&case["master_salt_hex"]));
            let mut context = Context::new(profile, &key, &salt).expect("lengths fit");
            context.set_cryptex(true);
            context
        };
        let (mut sender, mut receiver) = (context(), context());
        for packet in case["packets"].as_array().expect("packets") {
            let (plain, protected) = (text(&packet["plain"]), text(&packet["protected"]));
            let mut buf = [&[0xee; 5], &plain[..]].concat();
            sender.protect_rtp(&mut buf, 5).expect("a fresh index");
            assert_eq!(hex::encode(&buf[5..]), hex::encode(&protected), "{profile:?}");
            assert_eq!(buf[..5], [0xee; 5]);
            let mut packet = protected;
            let length = receiver.unprotect_rtp(&mut packet).expect("authentic");
            assert_eq!(hex::encode(&packet[..length]), hex::encode(plain), "{profile:?}");
            packets += 1;
        }
    }
    assert_eq!(packets, 12);
}

/// RFC 9335 §5.1: an empty extension is added to carry the mark, and stays.
#[test]
fn contributing_sources_without_an_extension_get_an_empty_one() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = cryptex_pair(profile);
        let plain = packet(1, 2, None, b"payload");
        let mut sealed = [b"before", &plain[..]].concat();
        sender.protect_rtp(&mut sealed, 6).expect("a fresh index");
        let mut sealed = sealed.split_off(6);
        assert_eq!(sealed.len(), plain.len() + 4 + profile.rtp_overhead());
        assert_ne!(sealed[12..20], plain[12..20], "the sources are hidden");
        assert_eq!(sealed[20..24], [0xc0, 0xde, 0, 0]);
        let length = receiver.unprotect_rtp(&mut sealed).expect("authentic");
        assert_eq!(sealed[..length], packet(1, 2, Some(([0xbe, 0xde], 0)), b"payload"));
    }
}

#[test]
fn what_has_nothing_to_hide_goes_as_without_cryptex() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = cryptex_pair(profile);
        let (mut plain_sender, _) = pair(profile);
        // Nothing there, and extensions that are not of RFC 8285, or have appbits, for which Cryptex has no place.
        let others = [None, Some(([0xab, 0xcd], 2)), Some(([0x10, 0x01], 1)), Some(([0xc0, 0xdf], 1))];
        for (sequence_number, extension) in (1..).zip(others) {
            let csrcs = if extension.is_some() { 3 } else { 0 };
            let plain = packet(sequence_number, csrcs, extension, b"payload");
            let (mut sealed, mut expected) = (plain.clone(), plain.clone());
            sender.protect_rtp(&mut sealed, 0).expect("a fresh index");
            plain_sender.protect_rtp(&mut expected, 0).expect("a fresh index");
            assert_eq!(sealed, expected);
            let length = receiver.unprotect_rtp(&mut sealed).expect("authentic");
            assert_eq!(sealed[..length], plain);
        }
    }
}

/// RFC 9335 §4: a sender decides for each packet.
#[test]
fn a_receiver_that_has_it_takes_packets_without_it_and_one_without_it_takes_none_with_it() {
    for profile in PROFILES {
        let plain = packet(1, 0, Some(([0xbe, 0xde], 2)), b"payload");
        let (mut sender, mut receiver) = cryptex_pair(profile);
        sender.set_cryptex(false);
        let mut sealed = plain.clone();
        sender.protect_rtp(&mut sealed, 0).expect("a fresh index");
        assert_eq!(sealed[..24], plain[..24], "in the clear");
        let length = receiver.unprotect_rtp(&mut sealed).expect("authentic");
        assert_eq!(sealed[..length], plain);

        let (mut sender, mut receiver) = cryptex_pair(profile);
        receiver.set_cryptex(false);
        let mut sealed = plain.clone();
        sender.protect_rtp(&mut sealed, 0).expect("a fresh index");
        match (profile, receiver.unprotect_rtp(&mut sealed)) {
            // The tag covers the same bytes, but what they mean differs.
            (Profile::Aes128CmHmacSha1_80 | Profile::Aes128CmHmacSha1_32, Ok(length)) => {
                assert_ne!(sealed[..length], plain);
            }
            (_, result) => assert_eq!(result, Err(Error::Unauthentic)),
        }
    }
}

#[test]
fn every_flipped_bit_of_a_hidden_header_is_noticed() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = cryptex_pair(profile);
        let mut sealed = packet(1, 2, Some(([0x10, 0x00], 3)), b"payload");
        sender.protect_rtp(&mut sealed, 0).expect("a fresh index");
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(receiver.unprotect_rtp(&mut forged).is_err(), "{profile:?} {bit}");
        }
        assert!(receiver.unprotect_rtp(&mut sealed.clone()).is_ok());
        assert_eq!(receiver.unprotect_rtp(&mut sealed), Err(Error::Replayed));
    }
}

#[test]
fn a_plain_packet_with_the_mark_is_refused() {
    let (mut sender, _) = cryptex_pair(PROFILES[1]);
    for profile in [[0xc0, 0xde], [0xc2, 0xde]] {
        let plain = packet(1, 2, Some((profile, 1)), b"payload");
        let refused = sender.protect_rtp(&mut plain.clone(), 0);
        assert_eq!(refused, Err(Error::Malformed(ParseError::AlreadyEncrypted)));
    }
    sender.protect_rtp(&mut packet(1, 0, None, b"payload"), 0).expect("its number was not used up");
}

#[test]
fn a_refused_packet_is_not_marked() {
    let (mut sender, _) = cryptex_pair(PROFILES[1]);
    let plain = packet(1, 2, None, b"payload");
    sender.protect_rtp(&mut plain.clone(), 0).expect("a fresh index");
    let mut again = plain.clone();
    assert_eq!(sender.protect_rtp(&mut again, 0), Err(Error::IndexReused));
    assert_eq!(again, plain);
}

proptest! {
    #[test]
    fn what_is_hidden_opens_equal(
        profile in prop::sample::select(PROFILES.to_vec()),
        sequence_number: u16,
        csrcs in 0_u8..16,
        kind in prop::option::of(prop::sample::select(vec![[0xbe, 0xde], [0x10, 0x00], [0x12, 0x34]])),
        words in 0_u16..40,
        payload in prop::collection::vec(any::<u8>(), 0..1_200),
    ) {
        let (mut sender, mut receiver) = cryptex_pair(profile);
        let extension = kind.map(|kind| (kind, words));
        let plain = packet(sequence_number, csrcs, extension, &payload);
        let mut sealed = plain.clone();
        sender.protect_rtp(&mut sealed, 0).unwrap();
        prop_assert_eq!(&sealed[1..12], &plain[1..12], "the fixed header is in the clear");
        let length = receiver.unprotect_rtp(&mut sealed).unwrap();
        let added = (csrcs > 0).then_some(([0xbe, 0xde], 0));
        prop_assert_eq!(&sealed[..length], &packet(sequence_number, csrcs, extension.or(added), &payload)[..]);
    }
}
