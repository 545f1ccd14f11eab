//! Bytes from outsiders change nothing.

use headwater_srtp::{Error, MAX_STREAMS, ParseError};

use crate::{PROFILES, pair, protected_rtcp, protected_rtp, rtcp, rtp};

#[test]
fn packets_of_any_short_length_are_refused() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        for length in 0..=64 {
            for first in [0x00, 0x80, 0x8f, 0x90, 0x9f, 0xb0, 0xff] {
                let mut packet = vec![0xff; length];
                if let Some(byte) = packet.first_mut() {
                    *byte = first;
                }
                assert!(receiver.unprotect_rtp(&mut packet.clone()).is_err());
                assert!(receiver.unprotect_rtcp(&mut packet.clone()).is_err());
                if length < 8 {
                    assert!(sender.protect_rtcp(&mut packet.clone(), 0).is_err());
                }
                if length < 12 {
                    assert!(sender.protect_rtp(&mut packet, 0).is_err());
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
