//! What a new TCP connection speaks, by its first bytes.
//!
//! ```text
//!            0        1        2        3        4        5        6 .. 9
//! TLS        0x16     0x03     ...                                              RFC 8446 §5.1: handshake record
//! TURN       00 type ........  length, 4 | it       0x2112A442                  RFC 8489 §5, §6.2.2
//! ICE-TCP    frame length ...  00 type ........     STUN length     0x2112A442  RFC 4571 §2, RFC 6544 §10.1
//! HTTP       everything else: a method is letters, 0x41 and up
//! ```
//!
//! The two places of the cookie exclude each other: a TURN message's cookie would have to be a STUN length that
//! isn't a multiple of four. ChannelData (0x40 and up, RFC 8656 §12.4) cannot be the first of a connection: there
//! is no channel yet.

/// How many bytes decide in the worst case.
pub(crate) const SNIFF_LEN: usize = 10;

/// RFC 8489 §5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const STUN_HEADER_LEN: usize = 20;
/// TLS: a record of type handshake, of any version since SSL 3.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// What is spoken on a connection, or inside its TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Tls,
    Http,
    /// STUN or TURN messages one after the other.
    Turn,
    /// STUN, DTLS and SRTP, each behind its length.
    IceTcp,
}

/// What one protocol says to the bytes so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    No,
    /// So far, but others could be it too.
    Open,
    Yes,
}

/// Decides by the first bytes; `None`: more are needed. With [`SNIFF_LEN`] bytes there is always an answer.
pub(crate) fn sniff(first: &[u8]) -> Option<Protocol> {
    let candidates = [
        (Protocol::Tls, fits_tls(first)),
        (Protocol::Turn, fits_turn(first)),
        (Protocol::IceTcp, fits_ice_tcp(first)),
    ];
    if let Some((protocol, _)) = candidates.iter().find(|(_, fit)| *fit == Fit::Yes) {
        return Some(*protocol);
    }
    candidates.iter().all(|(_, fit)| *fit == Fit::No).then_some(Protocol::Http)
}

fn fits_tls(first: &[u8]) -> Fit {
    fits_bytes(first, &TLS_HANDSHAKE)
}

fn fits_turn(first: &[u8]) -> Fit {
    let type_is_stun = first.first().is_none_or(|byte| byte & 0xc0 == 0);
    let length_is_padded = first.get(3).is_none_or(|byte| byte & 3 == 0);
    if !type_is_stun || !length_is_padded {
        return Fit::No;
    }
    fits_bytes(first.get(4..).unwrap_or_default(), &MAGIC_COOKIE)
}

fn fits_ice_tcp(first: &[u8]) -> Fit {
    // Nothing but a STUN check comes first (RFC 6544 §7.1), and it fills its frame.
    let Some((frame_len, message)) = first.split_first_chunk() else {
        // A frame of 16,384 bytes or more is no check; letters are a method's.
        return if first.first().is_none_or(|byte| byte & 0xc0 == 0) { Fit::Open } else { Fit::No };
    };
    let stun_len = usize::from(u16::from_be_bytes(*frame_len)).checked_sub(STUN_HEADER_LEN);
    let Some(stun_len) = stun_len.and_then(|len| u16::try_from(len).ok()).filter(|len| len % 4 == 0) else {
        return Fit::No;
    };
    if frame_len[0] & 0xc0 != 0 || message.first().is_some_and(|byte| byte & 0xc0 != 0) {
        return Fit::No;
    }
    let length = message.get(2..).unwrap_or_default();
    if fits_bytes(length, &stun_len.to_be_bytes()) == Fit::No {
        return Fit::No;
    }
    fits_bytes(message.get(4..).unwrap_or_default(), &MAGIC_COOKIE)
}

/// As far as there are bytes, they must be the expected ones; bytes behind those don't matter.
fn fits_bytes(bytes: &[u8], expected: &[u8]) -> Fit {
    if bytes.iter().zip(expected).any(|(byte, expected)| byte != expected) {
        Fit::No
    } else if bytes.len() >= expected.len() {
        Fit::Yes
    } else {
        Fit::Open
    }
}

#[cfg(test)]
mod tests;
