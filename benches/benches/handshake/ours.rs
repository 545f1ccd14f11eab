//! Our own handshakes.

use std::sync::Arc;
use std::time::Instant;

use headwater_dtls::extension::supported_groups::NamedGroup;
use headwater_dtls::{Certificate, Config, Connection, Event, Fingerprint, Role, Version};

use crate::{Identity, Subject, Turn};

/// Stands for the ICE check that came before: the client has shown its address.
const CREDIT: usize = 1000;

pub(crate) fn subjects(client: &Identity, server: &Identity) -> Vec<Subject> {
    let subject = |name, floor, version, groups: &[NamedGroup]| {
        let mut handshake = Handshake::new(client, server, version, groups);
        Subject::new(name, Some(floor), move || handshake.run().0)
    };
    let (x25519, p256, hybrid) = (NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::X25519MLKEM768);
    vec![
        subject("1.2 X25519", "1.2 X25519, bare", Version::Dtls12, &[x25519, p256]),
        subject("1.3 X25519", "1.3 X25519, bare", Version::Dtls13, &[x25519, p256]),
        subject("1.3 X25519MLKEM768", "1.3 X25519MLKEM768, bare", Version::Dtls13, &[hybrid, x25519, p256]),
    ]
}

/// What one handshake puts on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bytes {
    pub(crate) from_client: usize,
    pub(crate) from_server: usize,
}

pub(crate) struct Handshake {
    client: Arc<Config>,
    /// As in the server: all versions, all groups.
    server: Arc<Config>,
    client_prints: Vec<Fingerprint>,
    server_prints: Vec<Fingerprint>,
    seed: u64,
    buf: Vec<u8>,
}

impl Handshake {
    pub(crate) fn new(client: &Identity, server: &Identity, version: Version, groups: &[NamedGroup]) -> Self {
        let config = |identity: &Identity| {
            let certificate = Certificate::from_pem(&identity.certificate_pem, &identity.key_pem);
            Config::new(certificate.expect("rcgen made it"))
        };
        let (mut client, server) = (config(client), config(server));
        client.max_version = version;
        client.groups = groups.to_vec();
        Self {
            client_prints: vec![client.certificate.fingerprint()],
            server_prints: vec![server.certificate.fingerprint()],
            client: Arc::new(client),
            server: Arc::new(server),
            seed: 0,
            buf: Vec::with_capacity(2048),
        }
    }

    pub(crate) fn run(&mut self) -> (Turn, Bytes) {
        let now = Instant::now();
        let mut seed = [0; 32];
        let mut next_seed = || {
            self.seed += 1;
            seed[..8].copy_from_slice(&self.seed.to_be_bytes());
            seed
        };
        let (client_seed, server_seed) = (next_seed(), next_seed());
        let mut client =
            Connection::new(self.client.clone(), Role::Client, self.server_prints.clone(), client_seed, now)
                .expect("the settings fit");
        let client_prints = self.client_prints.clone();
        let (mut turn, mut bytes) = (Turn::default(), Bytes::default());
        let mut server = turn
            .clock(|| Connection::new(self.server.clone(), Role::Server, client_prints, server_seed, now))
            .expect("the settings fit");
        server.credit(CREDIT);

        let mut has_keys = false;
        loop {
            let mut moved = false;
            loop {
                self.buf.clear();
                if client.poll_transmit(now, &mut self.buf).is_none() {
                    break;
                }
                bytes.from_client += self.buf.len();
                turn.clock(|| server.handle_datagram(now, &self.buf)).expect("nobody interferes");
                moved = true;
            }
            while let Some(event) = turn.clock(|| server.poll_event()) {
                has_keys |= matches!(event, Event::Connected(connected) if connected.srtp.is_some());
            }
            loop {
                self.buf.clear();
                if turn.clock(|| server.poll_transmit(now, &mut self.buf)).is_none() {
                    break;
                }
                bytes.from_server += self.buf.len();
                client.handle_datagram(now, &self.buf).expect("nobody interferes");
                moved = true;
            }
            if !moved {
                assert!(has_keys && client.is_connected() && server.is_connected(), "it stalled");
                return (turn, bytes);
            }
        }
    }
}
