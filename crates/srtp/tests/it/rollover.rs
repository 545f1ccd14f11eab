//! RFC 3711 §3.3.1: the rollover counter is guessed right around the wrap.

use headwater_srtp::Error;

use crate::{PROFILES, pair, protected_rtp};

#[test]
fn packets_reordered_around_the_wrap_open() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let order = [65_533, 65_534, 0, 65_535, 2, 1, 3];
        let mut sent: Vec<_> = [65_533, 65_534, 65_535, 0, 1, 2, 3]
            .map(|sequence_number| (sequence_number, protected_rtp(&mut sender, 7, sequence_number)))
            .into();
        for sequence_number in order {
            let (_, packet) = sent.iter_mut().find(|(number, _)| *number == sequence_number).expect("sent");
            assert!(receiver.unprotect_rtp(packet).is_ok(), "{sequence_number}");
        }
        assert_eq!(receiver.rollover_counter(7), Some(1));
    }
}

#[test]
fn two_hundred_thousand_packets_pass_three_wraps() {
    let (mut sender, mut receiver) = pair(PROFILES[1]);
    for count in 0..200_000_u32 {
        let mut packet = protected_rtp(&mut sender, 7, count as u16);
        if count % 97 != 0 {
            receiver.unprotect_rtp(&mut packet).expect("authentic");
        }
    }
    assert_eq!(receiver.rollover_counter(7), Some(3));
}

#[test]
fn a_gap_of_almost_half_a_round_is_bridged() {
    let (mut sender, mut receiver) = pair(PROFILES[1]);
    for sequence_number in [0, 0x7fff, 0xfffe, 0x7ffd, 0x7fff] {
        let mut packet = protected_rtp(&mut sender, 7, sequence_number);
        assert!(receiver.unprotect_rtp(&mut packet).is_ok(), "{sequence_number}");
    }
    assert_eq!(receiver.rollover_counter(7), Some(1));
}

#[test]
fn each_ssrc_has_its_own_counter() {
    let (mut sender, mut receiver) = pair(PROFILES[0]);
    for (ssrc, sequence_number) in [(1, 65_535), (2, 10), (1, 0), (2, 11)] {
        let mut packet = protected_rtp(&mut sender, ssrc, sequence_number);
        receiver.unprotect_rtp(&mut packet).expect("authentic");
    }
    assert_eq!((receiver.rollover_counter(1), receiver.rollover_counter(2)), (Some(1), Some(0)));
    assert_eq!(receiver.rollover_counter(3), None);
}

#[test]
fn a_forged_jump_does_not_move_the_counter() {
    let (mut sender, mut receiver) = pair(PROFILES[1]);
    receiver.unprotect_rtp(&mut protected_rtp(&mut sender, 7, 60_000)).expect("authentic");
    let mut forged = protected_rtp(&mut pair(PROFILES[1]).0, 7, 3);
    *forged.last_mut().expect("a tag") ^= 1;
    assert_eq!(receiver.unprotect_rtp(&mut forged), Err(Error::Unauthentic));
    assert_eq!(receiver.rollover_counter(7), Some(0));
    assert!(receiver.unprotect_rtp(&mut protected_rtp(&mut sender, 7, 60_001)).is_ok());
}
