//! Bytes from outsiders change nothing.

use headwater_srtp::{Error, MAX_STREAMS, ParseError};

use crate::{PROFILES, pair, protected_rtcp, protected_rtp, rtcp, rtp};

/// S12: every length that is shorter than any real packet, with every CSRC count, with and without an extension of every
/// length around that of the packet.
#[test]
fn packets_of_0_to_40_bytes_are_refused_whatever_their_header_says() {
    for (profile, is_cryptex) in PROFILES.into_iter().flat_map(|profile| [(profile, false), (profile, true)])
    {
        let (mut sender, mut receiver) = pair(profile);
        sender.set_cryptex(is_cryptex);
        receiver.set_cryptex(is_cryptex);
        let mut sequence_number = 0_u16;
        for_each_short_packet(|packet| {
            sequence_number = sequence_number.wrapping_add(1);
            if let Some(place) = packet.get_mut(2..4) {
                place.copy_from_slice(&sequence_number.to_be_bytes());
            }
            assert!(receiver.unprotect_rtp(&mut packet.clone()).is_err(), "{profile:?} {packet:?}");
            assert!(receiver.unprotect_rtcp(&mut packet.clone()).is_err(), "{profile:?} {packet:?}");
            let mut sealed = packet.clone();
            assert_eq!(sender.protect_rtcp(&mut sealed, 0).is_ok(), packet.len() >= 8 && packet[0] >> 6 == 2);
            // What the sender takes is well-formed, and opens.
            let mut sealed = packet.clone();
            match sender.protect_rtp(&mut sealed, 0) {
                Ok(()) => {
                    let length = receiver.unprotect_rtp(&mut sealed).expect("authentic");
                    assert_eq!(length, sealed.len() - profile.rtp_overhead());
                }
                Err(error) => {
                    assert!(matches!(error, Error::Malformed(_)), "{error}: {packet:?}");
                    assert_eq!(sealed, *packet, "left as it was");
                }
            }
        });
    }
}

/// Calls `check` with about 40,000 packets.
fn for_each_short_packet(mut check: impl FnMut(&mut Vec<u8>)) {
    for length in 0..=40_usize {
        for first in (0x80..=0x9f_u8).chain([0x00, 0x40, 0xa0, 0xbf, 0xc0, 0xff]) {
            let at = 12 + 4 * usize::from(first & 0x0f);
            let has_extension = first & 0x10 != 0 && at + 4 <= length;
            let left = length.saturating_sub(at + 4) / 4;
            let words =
                if has_extension { vec![0, 1, 2, 7, left, left + 1, 0x3fff, 0xffff] } else { vec![0] };
            for words in words {
                for profile in [[0xbe, 0xde], [0x10, 0x00], [0xc0, 0xde], [0xc2, 0xde]] {
                    let mut packet: Vec<u8> = (0..length).map(|at| at as u8 ^ 0x5a).collect();
                    packet.iter_mut().take(1).for_each(|byte| *byte = first);
                    if has_extension {
                        packet[at..at + 2].copy_from_slice(&profile);
                        packet[at + 2..at + 4].copy_from_slice(&(words as u16).to_be_bytes());
                    }
                    check(&mut packet);
                    if !has_extension {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn every_truncation_of_a_good_packet_is_refused() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let rtp = protected_rtp(&mut sender, 7, 1);
        let rtcp = protected_rtcp(&mut sender, 7);
        for length in 0..rtp.len() {
            assert!(receiver.unprotect_rtp(&mut rtp[..length].to_vec()).is_err());
        }
        for length in 0..rtcp.len() {
            assert!(receiver.unprotect_rtcp(&mut rtcp[..length].to_vec()).is_err());
        }
        assert!(receiver.unprotect_rtp(&mut rtp.clone()).is_ok());
        assert!(receiver.unprotect_rtcp(&mut rtcp.clone()).is_ok());
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let rtp = protected_rtp(&mut sender, 7, 1);
        let rtcp = protected_rtcp(&mut sender, 7);
        for bit in 0..rtp.len() * 8 {
            let mut packet = rtp.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(receiver.unprotect_rtp(&mut packet).is_err(), "{profile:?} {bit}");
        }
        for bit in 0..rtcp.len() * 8 {
            let mut packet = rtcp.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(receiver.unprotect_rtcp(&mut packet).is_err(), "{profile:?} {bit}");
        }
        assert!(receiver.unprotect_rtp(&mut rtp.clone()).is_ok());
        assert!(receiver.unprotect_rtcp(&mut rtcp.clone()).is_ok());
    }
}

/// S11: a flood of forgeries neither ends the session nor takes the room of real streams.
#[test]
fn a_flood_of_forged_ssrcs_leaves_no_state() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        for ssrc in 0..4 * MAX_STREAMS as u32 {
            let mut forged = rtp(ssrc, 1, &[0xab; 60]);
            assert_eq!(receiver.unprotect_rtp(&mut forged), Err(Error::Unauthentic));
            let mut forged = rtcp(ssrc, &[0xab; 60]);
            assert_eq!(receiver.unprotect_rtcp(&mut forged), Err(Error::Unauthentic));
        }
        for ssrc in 0..MAX_STREAMS as u32 {
            assert!(receiver.unprotect_rtp(&mut protected_rtp(&mut sender, ssrc, 1)).is_ok());
        }
    }
}

/// S12: every count of CSRCs and every length of extension, in a packet that may be too short for it.
#[test]
fn header_lengths_are_checked_against_the_packet() {
    let (mut sender, mut receiver) = pair(PROFILES[1]);
    let mut sequence_number = 0;
    for csrcs in 0..16_usize {
        for words in [None, Some(0_u16), Some(1), Some(200), Some(0xffff)] {
            let header = 12 + 4 * csrcs + words.map_or(0, |words| 4 + 4 * usize::from(words));
            for length in [40, 76, 77, 900, 1_200] {
                sequence_number += 1;
                let mut plain = rtp(7, sequence_number, &vec![0x11; length - 12]);
                plain[0] |= csrcs as u8;
                if let Some(words) = words {
                    plain[0] |= 0x10;
                    let at = 12 + 4 * csrcs + 2;
                    if at + 2 <= length {
                        plain[at..at + 2].copy_from_slice(&words.to_be_bytes());
                    }
                }
                let mut packet = plain.clone();
                if header <= length {
                    assert_eq!(sender.protect_rtp(&mut packet, 0), Ok(()));
                    assert_eq!(packet[..header], plain[..header], "the header stays in the clear");
                    let length = receiver.unprotect_rtp(&mut packet).expect("authentic");
                    assert_eq!(packet[..length], plain);
                } else {
                    let result = sender.protect_rtp(&mut packet, 0);
                    assert!(matches!(result, Err(Error::Malformed(ParseError::Truncated { .. }))));
                    assert!(receiver.unprotect_rtp(&mut packet).is_err());
                }
            }
        }
    }
}

#[test]
fn a_start_beyond_the_buffer_is_refused() {
    let (mut sender, _) = pair(PROFILES[1]);
    let mut packet = rtp(7, 1, b"");
    assert!(sender.protect_rtp(&mut packet, 500).is_err());
    assert!(sender.protect_rtcp(&mut packet, 500).is_err());
}

#[test]
fn more_than_a_datagram_is_refused() {
    let (mut sender, mut receiver) = pair(PROFILES[0]);
    let mut packet = rtp(7, 1, &[0; 70_000]);
    assert_eq!(sender.protect_rtp(&mut packet, 0), Err(Error::Malformed(ParseError::TooLong)));
    assert_eq!(receiver.unprotect_rtcp(&mut packet), Err(Error::Malformed(ParseError::TooLong)));
}

/// RFC 3711 §3.1: we negotiate no MKI, so one in a packet is bytes that the tag does not cover as it should.
#[test]
fn a_packet_with_a_key_identifier_is_not_authentic_and_harms_nothing() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let rtp = protected_rtp(&mut sender, 7, 1);
        let rtcp = protected_rtcp(&mut sender, 7);
        for mki in [&[0][..], &[0, 0, 0, 1], &[0xab; 128]] {
            // GCM has the tag before the MKI (RFC 7714 §8.2 and §9.2), HMAC behind it.
            for from_end in [0, profile.rtp_overhead(), profile.rtcp_overhead() - 4] {
                let inserted = |packet: &[u8]| {
                    let (before, after) = packet.split_at(packet.len() - from_end);
                    [before, mki, after].concat()
                };
                assert_eq!(receiver.unprotect_rtp(&mut inserted(&rtp)), Err(Error::Unauthentic));
                assert_eq!(receiver.unprotect_rtcp(&mut inserted(&rtcp)), Err(Error::Unauthentic));
            }
        }
        assert!(receiver.unprotect_rtp(&mut rtp.clone()).is_ok());
        assert!(receiver.unprotect_rtcp(&mut rtcp.clone()).is_ok());
    }
}
