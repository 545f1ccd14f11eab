//! SRTP contexts: what one end protects the other opens once, and nothing else opens.

use crate::Input;
use headwater_srtp::{Context, Profile};

/// A list of operations on a pair of contexts: protect and open, replay, corrupt, or open garbage.
pub fn srtp(data: &[u8]) {
    let mut input = Input::new(data);
    let numbers = [1, 7, 8];
    let number = numbers[usize::from(input.byte()) % numbers.len()];
    let profile = Profile::from_iana(number).expect("a profile of ours");
    assert_eq!(profile.iana(), number);
    let (key, salt) = (vec![7; profile.key_len()], vec![9; profile.salt_len()]);
    let context = || Context::new(profile, &key, &salt).expect("lengths as the profile says");
    let (mut sender, mut receiver) = (context(), context());
    while !input.is_empty() {
        let operation = input.byte();
        let is_rtcp = operation & 1 != 0;
        let contents = input.chunk();
        let mut wire = vec![0xaa; 5];
        match operation >> 1 & 3 {
            // Garbage straight to the receiver.
            0 => {
                let mut garbage = contents.to_vec();
                assert!(open(&mut receiver, is_rtcp, &mut garbage).is_none(), "garbage was authentic");
            }
            kind => {
                wire.extend(contents);
                let protected = if is_rtcp {
                    sender.protect_rtcp(&mut wire, 5)
                } else {
                    sender.protect_rtp(&mut wire, 5)
                };
                if protected.is_err() {
                    assert_eq!(&wire[5..], contents, "a refused packet is left as it was");
                    continue;
                }
                assert_eq!(wire[..5], [0xaa; 5]);
                let overhead = if is_rtcp { profile.rtcp_overhead() } else { profile.rtp_overhead() };
                assert_eq!(wire.len(), 5 + contents.len() + overhead);
                deliver(&mut receiver, is_rtcp, contents, &wire[5..], kind == 1, &mut input);
            }
        }
    }
}

/// Delivers a protected packet, corrupted or as it is, and then again.
fn deliver(
    receiver: &mut Context,
    is_rtcp: bool,
    contents: &[u8],
    wire: &[u8],
    is_corrupt: bool,
    input: &mut Input<'_>,
) {
    if is_corrupt {
        let mut corrupt = wire.to_vec();
        let at = usize::from(input.u16()) % corrupt.len();
        corrupt[at] ^= input.byte().max(1);
        assert!(open(receiver, is_rtcp, &mut corrupt).is_none(), "a changed packet was authentic");
    }
    let mut packet = wire.to_vec();
    // The receiver may refuse what is old to it, or one SSRC too many; what it opens is what was sent.
    if let Some(len) = open(receiver, is_rtcp, &mut packet) {
        assert_eq!(&packet[..len], contents);
        assert!(open(receiver, is_rtcp, &mut wire.to_vec()).is_none(), "a replay was opened");
    }
}

fn open(context: &mut Context, is_rtcp: bool, packet: &mut [u8]) -> Option<usize> {
    let opened = if is_rtcp { context.unprotect_rtcp(packet) } else { context.unprotect_rtp(packet) };
    opened.ok()
}
