//! One transport for all sections: the bundle's (RFC 9143 §7.3) and who begins the DTLS handshake (RFC 8842 §5).

use super::AnswerError;
use crate::{attribute::Setup, media::Media, negotiated::Remote, session::Session};

/// Checks that the sections share a port and returns the one that speaks for all: the bundle's first.
pub(crate) fn bundle_tag<'a>(session: &'a Session, accepted: &[&'a Media]) -> Result<&'a Media, AnswerError> {
    let first = *accepted.first().ok_or(AnswerError::NoMedia)?;
    if let Some(media) = accepted.iter().find(|media| !media.rtcp_mux) {
        return Err(AnswerError::NotRtcpMux { kind: media.kind.clone() });
    }
    let Some(bundle) = session.bundle() else {
        return match accepted {
            [_] => Ok(first),
            [_, second, ..] => Err(AnswerError::NotBundled { kind: second.kind.clone() }),
            [] => Err(AnswerError::NoMedia),
        };
    };
    let place = |media: &Media| {
        let mid = media.mid.as_ref()?;
        bundle.mids.iter().position(|known| known == mid)
    };
    if let Some(outside) = accepted.iter().find(|media| place(media).is_none())
        && accepted.len() > 1
    {
        return Err(AnswerError::NotBundled { kind: outside.kind.clone() });
    }
    Ok(accepted.iter().copied().min_by_key(|media| place(media).unwrap_or(0)).unwrap_or(first))
}

/// Reads and checks the peer's side. `setup` is our part in the handshake.
pub(crate) fn remote(session: &Session, tag: &Media, setup: Setup) -> Result<Remote, AnswerError> {
    let transport = session.transport_of(tag);
    if transport.fingerprints.is_empty() {
        return Err(AnswerError::NoFingerprint);
    }
    let remote = Remote::new(session, transport, setup).ok_or(AnswerError::NoIceCredentials)?;
    // RFC 8839 §5.4
    let is_ice_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let is_valid = (4..=256).contains(&remote.ufrag.len())
        && (22..=256).contains(&remote.password.len())
        && remote.ufrag.bytes().chain(remote.password.bytes()).all(is_ice_char);
    if is_valid { Ok(remote) } else { Err(AnswerError::InvalidIceCredentials) }
}

/// Whether a description says `a=cryptex` of every section that has media: of one bundle all say it or none (RFC 9335 §4), so
/// that a packet can be assigned whose section is named in an encrypted extension. Some but not all is taken for none.
pub(crate) fn takes_cryptex(session: &Session, accepted: &[&Media]) -> bool {
    accepted.iter().all(|media| media.transport.cryptex || session.transport.cryptex)
}

/// Our part in the handshake, from what the offer says; `preferred` where it leaves the choice.
///
/// Without the attribute the offerer begins (RFC 4145 §4, RFC 8842 §5.3).
pub(super) fn answered_setup(offered: Option<Setup>, preferred: Setup) -> Result<Setup, AnswerError> {
    match offered {
        Some(Setup::ActPass) if preferred == Setup::Active => Ok(Setup::Active),
        Some(Setup::ActPass | Setup::Active) | None => Ok(Setup::Passive),
        Some(Setup::Passive) => Ok(Setup::Active),
        Some(Setup::HoldConn) => Err(AnswerError::UnsupportedSetup(Setup::HoldConn)),
    }
}
