//! From the premaster secret to record keys and Finished values.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::certificate::Fingerprint;
use crate::config::Role;
use crate::crypto::prf::prf;
use crate::event::{Connected, Version};
use crate::exporter::Exporter;
use crate::extension::supported_groups::NamedGroup;
use crate::handshake::Established;
use crate::handshake::exchange::{Agreed, Exchange};
use crate::message::finished::VERIFY_DATA_LEN;
use crate::message::{HandshakeType, RANDOM_LEN};
use crate::record::layer::{Epoch, Protection, RecordLayer};
use crate::record::protection::{Protection12, fixed_iv_len};
use crate::suite::Suite;

/// The master secret with the randoms that it is used with.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Keys {
    #[zeroize(skip)]
    suite: Suite,
    master_secret: [u8; 48],
    client_random: [u8; RANDOM_LEN],
    server_random: [u8; RANDOM_LEN],
}

impl Keys {
    /// The extended master secret (RFC 7627 §4). `session_hash` covers everything up to ClientKeyExchange.
    pub(crate) fn new(agreed: &Agreed, premaster: &[u8], session_hash: &[u8]) -> Self {
        let Agreed { suite, client_random, server_random, .. } = *agreed;
        let mut master_secret = [0; 48];
        prf(suite.hash, premaster, b"extended master secret", &[session_hash], &mut master_secret);
        Self { suite, master_secret, client_random, server_random }
    }

    /// What `role` writes and reads with (RFC 5246 §6.3, no MAC keys with AEAD).
    pub(crate) fn install(&self, role: Role, records: &mut RecordLayer) {
        let aead = self.suite.aead;
        let (key_len, iv_len) = (aead.key_len(), fixed_iv_len(aead));
        let mut block = Zeroizing::new(vec![0; 2 * (key_len + iv_len)]);
        let randoms: [&[u8]; 2] = [&self.server_random, &self.client_random];
        prf(self.suite.hash, &self.master_secret, b"key expansion", &randoms, &mut block);
        let (keys, ivs) = block.split_at(2 * key_len);
        let (client_key, server_key) = keys.split_at(key_len);
        let (client_iv, server_iv) = ivs.split_at(iv_len);
        let protection = |key, iv| Protection::Dtls12(Protection12::new(aead, key, iv));
        let (client, server) = (protection(client_key, client_iv), protection(server_key, server_iv));
        let (write, read) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        records.install_write(Epoch::PROTECTED, write);
        records.install_read(Epoch::PROTECTED, read);
    }

    /// The Finished of `role` (RFC 5246 §7.4.9).
    fn verify_data(&self, role: Role, transcript_hash: &[u8]) -> [u8; VERIFY_DATA_LEN] {
        let label: &[u8] = match role {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let mut verify_data = [0; VERIFY_DATA_LEN];
        prf(self.suite.hash, &self.master_secret, label, &[transcript_hash], &mut verify_data);
        verify_data
    }

    pub(crate) fn is_finished_of(&self, role: Role, transcript_hash: &[u8], received: &[u8]) -> bool {
        self.verify_data(role, transcript_hash).ct_eq(received).into()
    }

    /// Ends a flight with ChangeCipherSpec and Finished.
    pub(crate) fn push_finished(&self, role: Role, exchange: &mut Exchange) {
        exchange.flight.push_change_cipher_spec();
        let verify_data = self.verify_data(role, &exchange.transcript.hash());
        exchange.push_message(Epoch::PROTECTED, HandshakeType::FINISHED, |out| {
            out.extend_from_slice(&verify_data);
        });
    }

    pub(crate) fn established(
        &self,
        agreed: &Agreed,
        group: NamedGroup,
        peer_fingerprint: Option<Fingerprint>,
    ) -> Box<Established> {
        let exporter =
            Exporter::dtls12(self.suite.hash, &self.master_secret, &self.client_random, &self.server_random);
        let connected = Connected {
            version: Version::Dtls12,
            cipher_suite: self.suite.number,
            group: group.0,
            srtp: agreed.srtp_profile.and_then(|profile| exporter.srtp_keys(profile)),
            peer_fingerprint,
        };
        Box::new(Established { connected, exporter, traffic: None })
    }
}
