//! RFC 3711 §3.3.2: nothing is accepted twice.

use headwater_srtp::{Error, REPLAY_WINDOW};

use crate::{PROFILES, pair, protected_rtcp, protected_rtp};

#[test]
fn a_packet_opens_once() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let rtp = protected_rtp(&mut sender, 7, 100);
        assert!(receiver.unprotect_rtp(&mut rtp.clone()).is_ok());
        assert_eq!(receiver.unprotect_rtp(&mut rtp.clone()), Err(Error::Replayed));
        let rtcp = protected_rtcp(&mut sender, 7);
        assert!(receiver.unprotect_rtcp(&mut rtcp.clone()).is_ok());
        assert_eq!(receiver.unprotect_rtcp(&mut rtcp.clone()), Err(Error::Replayed));
    }
}

#[test]
fn a_late_packet_opens_within_the_window_and_not_beyond() {
    let (mut sender, mut receiver) = pair(PROFILES[1]);
    let window = REPLAY_WINDOW as u16;
    let mut late: Vec<_> =
        (0..=window).map(|sequence_number| protected_rtp(&mut sender, 7, sequence_number)).collect();
    let mut newest = late.pop().expect("not empty");
    assert!(receiver.unprotect_rtp(&mut newest).is_ok());
    assert_eq!(receiver.unprotect_rtp(&mut late[0]), Err(Error::Replayed), "a window before the newest");
    for packet in &mut late[1..] {
        assert!(receiver.unprotect_rtp(&mut packet.clone()).is_ok());
        assert_eq!(receiver.unprotect_rtp(packet), Err(Error::Replayed));
    }
}

#[test]
fn rtcp_may_come_late_too() {
    let (mut sender, mut receiver) = pair(PROFILES[0]);
    let mut packets: Vec<_> = (0..5).map(|_| protected_rtcp(&mut sender, 7)).collect();
    for at in [4, 1, 0, 3, 2] {
        assert!(receiver.unprotect_rtcp(&mut packets[at]).is_ok());
    }
}
