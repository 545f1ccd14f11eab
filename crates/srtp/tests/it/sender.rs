//! A sender never uses an index twice (RFC 3711 §9.1, RFC 7714 §10.1).

use headwater_srtp::{Context, Error, MAX_STREAMS, Profile, SEND_WINDOW};

use crate::{PROFILES, pair, protected_rtp, rtp};

#[test]
fn a_used_sequence_number_is_refused_and_the_packet_left_alone() {
    for profile in PROFILES {
        let (mut sender, _) = pair(profile);
        protected_rtp(&mut sender, 7, 100);
        let plain = rtp(7, 100, b"other bytes");
        let mut packet = plain.clone();
        assert_eq!(sender.protect_rtp(&mut packet, 0), Err(Error::IndexReused));
        assert_eq!(packet, plain);
        protected_rtp(&mut sender, 7, 99); // a gap may be filled later
        protected_rtp(&mut sender, 8, 100); // and another SSRC is another nonce
    }
}

#[test]
fn an_index_older_than_the_window_is_refused() {
    let (mut sender, _) = pair(PROFILES[1]);
    protected_rtp(&mut sender, 7, 2_000);
    let too_old = 2_000 - SEND_WINDOW as u16;
    assert_eq!(sender.protect_rtp(&mut rtp(7, too_old, b""), 0), Err(Error::IndexReused));
    protected_rtp(&mut sender, 7, too_old + 1);
}

#[test]
fn a_jump_that_a_receiver_would_misjudge_is_refused() {
    let (mut sender, _) = pair(PROFILES[1]);
    protected_rtp(&mut sender, 7, 5);
    assert_eq!(sender.protect_rtp(&mut rtp(7, 40_000, b""), 0), Err(Error::IndexReused));
    protected_rtp(&mut sender, 7, 6);
}

#[test]
fn a_stream_too_many_is_refused_at_both_ends_and_the_others_go_on() {
    let (mut sender, mut receiver) = pair(PROFILES[1]);
    let (mut another_sender, _) = pair(PROFILES[1]);
    for ssrc in 0..MAX_STREAMS as u32 {
        receiver.unprotect_rtp(&mut protected_rtp(&mut sender, ssrc, 1)).expect("room");
    }
    assert_eq!(sender.protect_rtp(&mut rtp(999_999, 1, b""), 0), Err(Error::TooManyStreams));
    let mut packet = protected_rtp(&mut another_sender, 999_999, 1);
    assert_eq!(receiver.unprotect_rtp(&mut packet), Err(Error::TooManyStreams));
    for ssrc in 0..MAX_STREAMS as u32 {
        receiver.unprotect_rtp(&mut protected_rtp(&mut sender, ssrc, 2)).expect("known");
    }
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    let new = |key, salt| Context::new(Profile::AeadAes128Gcm, &vec![0; key], &vec![0; salt]).map(|_| ());
    assert_eq!(new(16, 12), Ok(()));
    assert_eq!(new(32, 12), Err(Error::KeyLength { needed: 16, got: 32 }));
    assert_eq!(new(16, 14), Err(Error::SaltLength { needed: 12, got: 14 }));
}

#[test]
fn debug_output_has_no_keys() {
    let (sender, _) = pair(Profile::AeadAes128Gcm);
    assert_eq!(format!("{sender:?}"), "Context { profile: AeadAes128Gcm, .. }");
}

#[test]
fn profile_numbers_are_those_of_the_registry() {
    for profile in PROFILES {
        assert_eq!(Profile::from_iana(profile.iana()), Some(profile));
    }
    assert_eq!(Profile::from_iana(0x0005), None, "NULL_HMAC_SHA1_80 encrypts nothing");
}
