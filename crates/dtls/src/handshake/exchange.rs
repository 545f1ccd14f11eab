//! What a handshake works with, whichever role.

use std::sync::Arc;

use super::flight::Flight;
use super::keys::Keys;
use super::transcript::Transcript;
use super::{Established, Failure, Message};
use crate::Refusal;
use crate::certificate::{Fingerprint, HashAlgorithm, public_key};
use crate::config::{Config, Role};
use crate::event::{Connected, Version};
use crate::extension::supported_groups::NamedGroup;
use crate::message::certificate::CertificateList;
use crate::message::certificate_verify::DigitallySigned;
use crate::message::{ECDHE_ECDSA_AES_128_GCM_SHA256, HandshakeType, RANDOM_LEN};
use crate::record::layer::{Epoch, RecordLayer};

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
    pub(crate) point: Vec<u8>,
    pub(crate) fingerprint: Fingerprint,
}

/// What the hellos agreed on.
#[derive(Clone, Copy)]
pub(crate) struct Agreed {
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
        self.flight.push_message(epoch, kind, self.next_message_seq, bytes);
        self.next_message_seq += 1;
    }

    /// Notes a message of the peer's in the transcript.
    pub(crate) fn note(&mut self, message: &Message) {
        self.transcript.add(message.kind, message.message_seq, &message.body);
    }

    /// The owner of the first certificate in the list, if it is who the fingerprints name (RFC 8122 §6.2).
    /// `None`: there is no certificate and the configuration can do without.
    pub(crate) fn check_certificate(&self, list: &CertificateList<'_>) -> Result<Option<Peer>, Refusal> {
        let accepts_any = self.remote.is_empty() && self.config.danger_accept_any_certificate;
        let Some(der) = list.leaf() else {
            return if accepts_any { Ok(None) } else { Err(Refusal::NoCertificate) };
        };
        if !accepts_any && !self.remote.iter().any(|fingerprint| fingerprint.matches(der)) {
            return Err(Refusal::Fingerprint);
        }
        let point = public_key(der)?;
        Ok(Some(Peer { point, fingerprint: Fingerprint::of(HashAlgorithm::Sha256, der) }))
    }

    /// Signs what was said so far.
    pub(crate) fn push_certificate_verify(&mut self) -> Result<(), Failure> {
        let signature = self.config.certificate.key().sign(&self.transcript.take_bytes())?;
        self.push_message(Epoch::Plain, HandshakeType::CERTIFICATE_VERIFY, |out| {
            DigitallySigned::emit(&signature, out);
        });
        Ok(())
    }

    /// Ends a flight with ChangeCipherSpec and Finished.
    pub(crate) fn push_finished(&mut self, role: Role, keys: &Keys) {
        self.flight.push_change_cipher_spec();
        let verify_data = keys.verify_data(role, &self.transcript.hash());
        self.push_message(Epoch::Protected, HandshakeType::FINISHED, |out| {
            out.extend_from_slice(&verify_data);
        });
    }

    pub(crate) fn established(
        &self,
        keys: &Keys,
        agreed: &Agreed,
        group: NamedGroup,
        peer_fingerprint: Option<Fingerprint>,
    ) -> Box<Established> {
        let exporter = keys.exporter();
        let connected = Connected {
            version: Version::Dtls12,
            cipher_suite: ECDHE_ECDSA_AES_128_GCM_SHA256,
            group: group.0,
            srtp: agreed.srtp_profile.and_then(|profile| exporter.srtp_keys(profile)),
            peer_fingerprint,
        };
        Box::new(Established { connected, exporter })
    }
}
