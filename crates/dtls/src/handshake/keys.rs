//! From the premaster secret to record keys and Finished values.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::config::Role;
use crate::crypto::aead::KEY_LEN;
use crate::crypto::prf::prf;
use crate::exporter::Exporter;
use crate::message::RANDOM_LEN;
use crate::message::finished::VERIFY_DATA_LEN;
use crate::record::protection::{FIXED_IV_LEN, Protection};

/// The master secret with the randoms that it is used with.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Keys {
    master_secret: [u8; 48],
    client_random: [u8; RANDOM_LEN],
    server_random: [u8; RANDOM_LEN],
}

impl Keys {
    /// The extended master secret (RFC 7627 §4). `session_hash` covers everything up to ClientKeyExchange.
    pub(crate) fn new(
        premaster: &[u8],
        session_hash: &[u8; 32],
        client_random: &[u8; RANDOM_LEN],
        server_random: &[u8; RANDOM_LEN],
    ) -> Self {
        let mut master_secret = [0; 48];
        prf(premaster, b"extended master secret", &[session_hash], &mut master_secret);
        Self { master_secret, client_random: *client_random, server_random: *server_random }
    }

    /// What `role` writes with, and what it reads with (RFC 5246 §6.3, no MAC keys with AEAD).
    pub(crate) fn protections(&self, role: Role) -> (Protection, Protection) {
        let mut block = Zeroizing::new([0; 2 * (KEY_LEN + FIXED_IV_LEN)]);
        prf(
            &self.master_secret,
            b"key expansion",
            &[&self.server_random, &self.client_random],
            &mut block[..],
        );
        let (keys, ivs) = block.split_at(2 * KEY_LEN);
        let (client_key, server_key) = keys.split_at(KEY_LEN);
        let (client_iv, server_iv) = ivs.split_at(FIXED_IV_LEN);
        let protection = |key: &[u8], iv: &[u8]| {
            Protection::new(
                key.try_into().expect("split at the key's length"),
                iv.try_into().expect("split at the IV's length"),
            )
        };
        let (client, server) = (protection(client_key, client_iv), protection(server_key, server_iv));
        match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        }
    }

    /// The Finished of `role` (RFC 5246 §7.4.9).
    pub(crate) fn verify_data(&self, role: Role, transcript_hash: &[u8; 32]) -> [u8; VERIFY_DATA_LEN] {
        let label: &[u8] = match role {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let mut verify_data = [0; VERIFY_DATA_LEN];
        prf(&self.master_secret, label, &[transcript_hash], &mut verify_data);
        verify_data
    }

    pub(crate) fn is_finished_of(
        &self,
        role: Role,
        transcript_hash: &[u8; 32],
        received: &[u8; VERIFY_DATA_LEN],
    ) -> bool {
        self.verify_data(role, transcript_hash).ct_eq(received).into()
    }

    pub(crate) fn exporter(&self) -> Exporter {
        Exporter::new(&self.master_secret, &self.client_random, &self.server_random)
    }
}
