//! Handshakes of dimpl, in the settings nearest to ours: AES-128-GCM and X25519 first, no cookie.

use std::sync::Arc;
use std::time::Instant;

use dimpl::crypto::{Dtls12CipherSuite, Dtls13CipherSuite};
use dimpl::{Config, Dtls, DtlsCertificate, NamedGroup, Output};

use crate::{Identity, Subject, Turn};

const MTU: usize = 1200;

pub(crate) fn subjects(client: &Identity, server: &Identity) -> Vec<Subject> {
    let certificate = |identity: &Identity| DtlsCertificate {
        certificate: identity.certificate_der.clone(),
        private_key: identity.key_der.clone(),
    };
    let config = Config::builder()
        .mtu(MTU)
        .require_client_certificate(true)
        .use_server_cookie(false)
        .kx_groups(&[NamedGroup::X25519, NamedGroup::Secp256r1])
        .dtls12_cipher_suites(&[Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256])
        .dtls13_cipher_suites(&[Dtls13CipherSuite::AES_128_GCM_SHA256])
        .build()
        .map(Arc::new)
        .expect("the settings fit");
    let subject = |name, ours, new: fn(Arc<Config>, DtlsCertificate, Instant) -> Dtls| {
        let certificates = [certificate(client), certificate(server)];
        let print = print_of(&client.certificate_der);
        let config = config.clone();
        Subject::new(name, Some(ours), move || run(new, &config, &certificates, &print))
    };
    vec![
        subject("1.2 X25519, dimpl 0.9", "1.2 X25519", Dtls::new_12),
        subject("1.3 X25519, dimpl 0.9", "1.3 X25519", Dtls::new_13),
    ]
}

fn print_of(der: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref().to_vec()
}

fn run(
    new: fn(Arc<Config>, DtlsCertificate, Instant) -> Dtls,
    config: &Arc<Config>,
    certificates: &[DtlsCertificate; 2],
    print: &[u8],
) -> Turn {
    let now = Instant::now();
    let [client, server] = certificates.clone();
    let mut client = new(config.clone(), client, now);
    client.set_active(true);
    client.handle_timeout(now).expect("it starts");
    let mut turn = Turn::default();
    let mut server = turn.clock(|| {
        let mut server = new(config.clone(), server, now);
        server.set_active(false);
        server.handle_timeout(now).expect("it learns the time");
        server
    });

    let (mut ours, mut theirs) = (vec![0; 2048], vec![0; 2048]);
    let (mut has_print, mut has_keys) = (false, false);
    loop {
        let mut moved = false;
        while let Some(len) = packet(&mut client, &mut theirs, |_| ()) {
            turn.clock(|| server.handle_packet(&theirs[..len])).expect("nobody interferes");
            moved = true;
        }
        let mut event = |event: &Output<'_>| match event {
            Output::PeerCert(der) => has_print = print_of(der) == print,
            Output::KeyingMaterial(..) => has_keys = true,
            _ => {}
        };
        while let Some(len) = turn.clock(|| packet(&mut server, &mut ours, &mut event)) {
            client.handle_packet(&ours[..len]).expect("nobody interferes");
            moved = true;
        }
        if !moved {
            assert!(has_print && has_keys, "it stalled");
            return turn;
        }
    }
}

/// The next datagram, after the events before it.
fn packet(end: &mut Dtls, buf: &mut [u8], mut event: impl FnMut(&Output<'_>)) -> Option<usize> {
    loop {
        match end.poll_output(buf) {
            Output::Packet(packet) => return Some(packet.len()),
            Output::Timeout(_) => return None,
            other => event(&other),
        }
    }
}
