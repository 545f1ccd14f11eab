//! SRTP contexts: what one end protects the other opens once, and nothing else opens.

use crate::Input;
use headwater_srtp::{Context, Profile};

/// In the order of the input's first byte, whose third bit asks for Cryptex.
const PROFILES: [u16; 4] = [1, 7, 8, 2];
const CRYPTEX: u8 = 4;
/// More than a packet's way through a context touches.
const MAX_HOT_LEN: usize = 64 * 1024;

/// A list of operations on a pair of contexts: protect and open, replay, corrupt, or open garbage.
pub fn srtp(data: &[u8]) {
    let mut input = Input::new(data);
    let settings = input.byte();
    let number = PROFILES[usize::from(settings) % PROFILES.len()];
    let profile = Profile::from_iana(number).expect("a profile of ours");
    assert_eq!(profile.iana(), number);
    let (key, salt) = (vec![7; profile.key_len()], vec![9; profile.salt_len()]);
    assert!(
        Context::new(profile, &key[1..], &salt).is_err() && Context::new(profile, &key, &salt[1..]).is_err()
    );
    let context = || {
        let mut context = Context::new(profile, &key, &salt).expect("lengths as the profile says");
        context.set_cryptex(settings & CRYPTEX != 0);
        context
    };
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
                let opened = open(&mut receiver, is_rtcp, &mut garbage);
                assert!(opened.is_none() || may_be_guessed(profile, is_rtcp), "garbage was authentic");
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
                let opened = opened(contents, !is_rtcp && settings & CRYPTEX != 0);
                assert_eq!(wire.len(), 5 + opened.len() + overhead);
                let packet = Packet { profile, is_rtcp, opened: &opened, wire: &wire[5..] };
                packet.deliver(&mut receiver, kind == 1, &mut input);
            }
        }
    }
    finish(&receiver, profile);
}

/// A context stays what it was made as, and has a bounded part that each packet needs.
fn finish(context: &Context, profile: Profile) {
    assert_eq!(context.profile(), profile);
    let mut bytes = 0;
    context.for_each_region(|_, len| bytes += len);
    assert!(bytes < MAX_HOT_LEN, "{bytes} bytes for each packet");
}

/// What a protected packet opens to: itself, or with Cryptex and CSRCs but no extension, with an empty one behind them
/// (RFC 9335 §5.1).
fn opened(contents: &[u8], is_cryptex: bool) -> Vec<u8> {
    let mut opened = contents.to_vec();
    let csrcs = usize::from(contents[0] & 0x0f);
    if is_cryptex && csrcs > 0 && contents[0] & 0x10 == 0 {
        opened[0] |= 0x10;
        let at = 12 + 4 * csrcs;
        opened.splice(at..at, [0xbe, 0xde, 0, 0]);
    }
    opened
}

/// One of four thousand million tags of 32 bits is right by chance.
fn may_be_guessed(profile: Profile, is_rtcp: bool) -> bool {
    profile == Profile::Aes128CmHmacSha1_32 && !is_rtcp
}

/// A protected packet, and what it opens to.
struct Packet<'a> {
    profile: Profile,
    is_rtcp: bool,
    opened: &'a [u8],
    wire: &'a [u8],
}

impl Packet<'_> {
    /// Delivers it, corrupted or as it is, and then again.
    fn deliver(&self, receiver: &mut Context, is_corrupt: bool, input: &mut Input<'_>) {
        if is_corrupt {
            let mut corrupt = self.wire.to_vec();
            let at = usize::from(input.u16()) % corrupt.len();
            corrupt[at] ^= input.byte().max(1);
            let opened = open(receiver, self.is_rtcp, &mut corrupt);
            let is_guessed = opened.is_some() && may_be_guessed(self.profile, self.is_rtcp);
            assert!(opened.is_none() || is_guessed, "a changed packet was authentic");
        }
        let mut packet = self.wire.to_vec();
        // The receiver may refuse what is old to it, or one SSRC too many; what it opens is what was sent.
        if let Some(len) = open(receiver, self.is_rtcp, &mut packet) {
            assert_eq!(&packet[..len], self.opened);
            if let Some(ssrc) = packet[..len].get(8..12).filter(|_| !self.is_rtcp) {
                let ssrc = u32::from_be_bytes(ssrc.try_into().expect("four bytes"));
                assert!(receiver.rollover_counter(ssrc).is_some(), "opened, yet its SSRC is not known");
            }
            assert!(open(receiver, self.is_rtcp, &mut self.wire.to_vec()).is_none(), "a replay was opened");
        }
    }
}

fn open(context: &mut Context, is_rtcp: bool, packet: &mut [u8]) -> Option<usize> {
    let opened = if is_rtcp { context.unprotect_rtcp(packet) } else { context.unprotect_rtp(packet) };
    opened.ok()
}
