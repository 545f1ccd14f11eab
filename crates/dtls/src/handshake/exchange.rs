//! What a handshake works with, whichever role.

use std::sync::Arc;

use super::Message;
use super::flight::Flight;
use super::transcript::Transcript;
use crate::Refusal;
use crate::certificate::{Fingerprint, HashAlgorithm, public_key};
use crate::config::Config;
use crate::crypto::signature::PublicKey;
use crate::message::{HandshakeType, RANDOM_LEN};
use crate::record::layer::{Epoch, RecordLayer};
use crate::suite::Suite;

pub(crate) struct Exchange {
    pub(crate) config: Arc<Config>,
    pub(crate) remote: Vec<Fingerprint>,
    /// Our own.
    pub(crate) random: [u8; RANDOM_LEN],
    pub(crate) cookie_secret: [u8; 32],
    pub(crate) records: RecordLayer,
    pub(crate) transcript: Transcript,
    pub(crate) flight: Flight,
    pub(crate) next_message_seq: u16,
}

/// A peer whose certificate has the right fingerprint; that it has the key, too, is another question.
pub(crate) struct Peer {
    pub(crate) key: PublicKey,
    pub(crate) fingerprint: Fingerprint,
}

/// What the hellos agreed on.
#[derive(Clone, Copy)]
pub(crate) struct Agreed {
    pub(crate) suite: Suite,
    pub(crate) client_random: [u8; RANDOM_LEN],
    pub(crate) server_random: [u8; RANDOM_LEN],
    pub(crate) srtp_profile: Option<u16>,
}

impl Exchange {
    /// Adds a message to the flight and the transcript.
    pub(crate) fn push_message(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut bytes = Vec::new();
        body(&mut bytes);
        self.transcript.add(kind, self.next_message_seq, &bytes);
        self.push_late_message(epoch, kind, bytes);
    }

    /// Adds a message to the flight; after the handshake there is no transcript.
    pub(crate) fn push_late_message(&mut self, epoch: Epoch, kind: HandshakeType, bytes: Vec<u8>) {
        self.flight.push_message(epoch, kind, self.next_message_seq, bytes);
        self.next_message_seq += 1;
    }

    /// Notes a message of the peer's in the transcript.
    pub(crate) fn note(&mut self, message: &Message) {
        self.transcript.add(message.kind, message.message_seq, &message.body);
    }

    /// The owner of this certificate, the first in a list, if it is who the fingerprints name (RFC 8122 §6.2).
    /// `None`: there is no certificate and the configuration can do without.
    pub(crate) fn check_certificate(&self, leaf: Option<&[u8]>) -> Result<Option<Peer>, Refusal> {
        let accepts_any = self.remote.is_empty() && self.config.danger_accept_any_certificate;
        let Some(der) = leaf else {
            return if accepts_any { Ok(None) } else { Err(Refusal::NoCertificate) };
        };
        if !accepts_any && !self.remote.iter().any(|fingerprint| fingerprint.matches(der)) {
            return Err(Refusal::Fingerprint);
        }
        let key = public_key(der)?;
        Ok(Some(Peer { key, fingerprint: Fingerprint::of(HashAlgorithm::Sha256, der) }))
    }
}
