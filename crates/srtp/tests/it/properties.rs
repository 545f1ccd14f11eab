//! Laws, on random input.

use std::collections::HashSet;

use headwater_srtp::Error;
use proptest::prelude::*;

use crate::{PROFILES, pair, rtcp, rtp};

proptest! {
    #[test]
    fn what_is_protected_opens_equal(
        profile in prop::sample::select(PROFILES.to_vec()),
        ssrc: u32,
        sequence_number: u16,
        payload in prop::collection::vec(any::<u8>(), 0..1_400),
    ) {
        let (mut sender, mut receiver) = pair(profile);
        let plain = rtp(ssrc, sequence_number, &payload);
        let mut packet = plain.clone();
        sender.protect_rtp(&mut packet, 0).unwrap();
        prop_assert_eq!(packet.len(), plain.len() + profile.rtp_overhead());
        let length = receiver.unprotect_rtp(&mut packet).unwrap();
        prop_assert_eq!(&packet[..length], &plain[..]);

        let plain = rtcp(ssrc, &payload);
        let mut packet = plain.clone();
        sender.protect_rtcp(&mut packet, 0).unwrap();
        prop_assert_eq!(packet.len(), plain.len() + profile.rtcp_overhead());
        let length = receiver.unprotect_rtcp(&mut packet).unwrap();
        prop_assert_eq!(&packet[..length], &plain[..]);
    }

    #[test]
    fn random_bytes_never_panic_nor_pass(
        profile in prop::sample::select(PROFILES.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        first in prop::option::of(0x80_u8..=0xbf),
    ) {
        let (mut sender, mut receiver) = pair(profile);
        let mut bytes = bytes;
        if let (Some(first), Some(byte)) = (first, bytes.first_mut()) {
            *byte = first;
        }
        prop_assert!(receiver.unprotect_rtp(&mut bytes.clone()).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut bytes.clone()).is_err());
        let _ = sender.protect_rtp(&mut bytes.clone(), 0);
        let _ = sender.protect_rtcp(&mut bytes, 0);
    }

    /// Against a plain oracle: the set of all indices that were sent.
    #[test]
    fn a_sender_protects_each_index_at_most_once(steps in prop::collection::vec(-1_200_i64..2_000, 1..300)) {
        let (mut sender, mut receiver) = pair(PROFILES[1]);
        let mut used = HashSet::new();
        let (mut newest, mut position) = (70_000_i64, 70_000_i64);
        // The context sees only 16 bits of the position, so it begins one round lower.
        let round = 0x1_0000;
        for step in steps {
            position = (position + step).max(round);
            let plain = rtp(7, position as u16, &step.to_be_bytes());
            let mut packet = plain.clone();
            let is_new = !used.contains(&position);
            let is_first = used.is_empty();
            let within = is_first || newest - position < 1_024;
            match sender.protect_rtp(&mut packet, 0) {
                Ok(()) => {
                    prop_assert!(is_new && within);
                    used.insert(position);
                    newest = if is_first { position } else { newest.max(position) };
                    let length = receiver.unprotect_rtp(&mut packet).unwrap();
                    prop_assert_eq!(&packet[..length], &plain[..]);
                }
                Err(error) => {
                    prop_assert_eq!(error, Error::IndexReused);
                    prop_assert!(!is_new || !within);
                }
            }
            position = position.max(newest - 1_500);
        }
    }
}
