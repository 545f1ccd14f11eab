//! SRTP keys from elsewhere: for owners whose signalling carries them, as RFC 4568 does, and for reproducible runs.

use std::time::Instant;

use headwater_srtp::{Context, Profile};

use crate::peer::Srtp;
use crate::peer_id::PeerId;
use crate::sfu::Sfu;

/// SRTP master key and salt of one direction.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the whole of it: RFC 3711 §3.2.1 without a key identifier")]
pub struct MasterKey<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The salt.
    pub salt: &'a [u8],
}

impl std::fmt::Debug for MasterKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// Keys were refused; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// There is no such session.
    #[error("there is no such session")]
    UnknownSession,
    /// A path was found already: the DTLS handshake has begun, or the session has keys.
    #[error("the session makes its keys by DTLS already")]
    TooLate,
    /// The profile is none of ours, or the lengths do not fit it.
    #[error("no such profile, or key and salt do not fit it")]
    Unsupported,
}

impl Sfu {
    /// Gives a session its SRTP keys for what it sends (`inbound`) and what it gets (`outbound`), by the IANA number of
    /// their profile. There is no DTLS then: it is connected as soon as ICE has found a path. To be called between the
    /// answer and the first check. The keys must come over a channel as safe as media is to be, and must never have been
    /// used before: a second session of the same keys gives both away.
    ///
    /// # Errors
    /// [`KeysError`] says why; nothing has changed.
    pub fn give_keys(
        &mut self,
        now: Instant,
        peer: PeerId,
        profile: u16,
        inbound: MasterKey<'_>,
        outbound: MasterKey<'_>,
    ) -> Result<(), KeysError> {
        self.advance(now);
        let peer = self.peer_mut(peer).ok_or(KeysError::UnknownSession)?;
        if !peer.takes_keys() {
            return Err(KeysError::TooLate);
        }
        let known = Profile::from_iana(profile).ok_or(KeysError::Unsupported)?;
        let context =
            |it: MasterKey<'_>| Context::new(known, it.key, it.salt).map_err(|_| KeysError::Unsupported);
        let srtp = Srtp { inbound: context(inbound)?, outbound: context(outbound)? };
        peer.give_keys(profile, srtp);
        Ok(())
    }
}
