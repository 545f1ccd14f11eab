//! Behaviour of the crate through its public API.

mod cryptex;
mod hostile;
mod properties;
mod replay;
mod rollover;
mod sender;
mod vectors;

use headwater_srtp::{Context, Profile};

pub(crate) const PROFILES: [Profile; 4] = [
    Profile::Aes128CmHmacSha1_80,
    Profile::AeadAes128Gcm,
    Profile::AeadAes256Gcm,
    Profile::Aes128CmHmacSha1_32,
];

/// Both ends of one direction.
pub(crate) fn pair(profile: Profile) -> (Context, Context) {
    let (key, salt) = (vec![0x5a; profile.key_len()], vec![0xc3; profile.salt_len()]);
    let end = || Context::new(profile, &key, &salt).expect("lengths fit");
    (end(), end())
}

pub(crate) fn rtp(ssrc: u32, sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 1]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// An empty receiver report, with `payload` behind it as if it were report blocks.
pub(crate) fn rtcp(ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

pub(crate) fn protected_rtp(sender: &mut Context, ssrc: u32, sequence_number: u16) -> Vec<u8> {
    let mut packet = rtp(ssrc, sequence_number, b"some payload");
    sender.protect_rtp(&mut packet, 0).expect("a fresh index");
    packet
}

pub(crate) fn protected_rtcp(sender: &mut Context, ssrc: u32) -> Vec<u8> {
    let mut packet = rtcp(ssrc, b"some report blocks");
    sender.protect_rtcp(&mut packet, 0).expect("a fresh index");
    packet
}
