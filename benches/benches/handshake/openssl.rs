//! DTLS 1.2 handshakes of the system's OpenSSL, over queues in memory.

use std::collections::VecDeque;
use std::io;

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslStream, SslVerifyMode,
    SslVersion,
};
use openssl::x509::X509;

use crate::{Identity, Subject, Turn};

const MTU: u32 = 1200;
const SRTP_MATERIAL: usize = 2 * (16 + 12);

pub(crate) fn subjects(client: &Identity, server: &Identity) -> Vec<Subject> {
    println!("{}", openssl::version::version());
    let contexts = [context(client, &server.certificate_der), context(server, &client.certificate_der)];
    vec![Subject::new("1.2 X25519, OpenSSL", Some("1.2 X25519"), move || run(&contexts))]
}

fn context(identity: &Identity, peer: &[u8]) -> SslContext {
    let build = || {
        let mut builder = SslContextBuilder::new(SslMethod::dtls())?;
        builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
        builder.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
        builder.set_cipher_list("ECDHE-ECDSA-AES128-GCM-SHA256")?;
        builder.set_groups_list("X25519:P-256")?;
        builder.set_tlsext_use_srtp("SRTP_AEAD_AES_128_GCM")?;
        builder.set_certificate(X509::from_pem(identity.certificate_pem.as_bytes())?.as_ref())?;
        builder.set_private_key(PKey::private_key_from_pem(identity.key_pem.as_bytes())?.as_ref())?;
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_options(SslOptions::NO_TICKET | SslOptions::NO_QUERY_MTU);
        Ok::<_, openssl::error::ErrorStack>(builder)
    };
    let mut builder = build().expect("the settings fit");
    let hash = |der: &[u8]| openssl::hash::hash(MessageDigest::sha256(), der).expect("it can hash").to_vec();
    let print = hash(peer);
    // As in WebRTC: the fingerprint and nothing else.
    builder.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        move |_, chain| {
            let der = chain.current_cert().and_then(|certificate| certificate.to_der().ok());
            der.is_some_and(|der| hash(&der) == print)
        },
    );
    builder.build()
}

/// One end's datagrams.
#[derive(Debug, Default)]
struct Queues {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl io::Read for Queues {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        buf[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl io::Write for Queues {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(buf.to_vec());
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(contexts: &[SslContext; 2]) -> Turn {
    let stream = |context| {
        let mut ssl = Ssl::new(context).expect("it can be made");
        ssl.set_mtu(MTU).expect("it fits");
        SslStream::new(ssl, Queues::default()).expect("it can be made")
    };
    let mut turn = Turn::default();
    let mut client = stream(&contexts[0]);
    let mut server = turn.clock(|| stream(&contexts[1]));
    let (mut is_client_done, mut is_server_done) = (false, false);
    loop {
        if !is_client_done {
            is_client_done = client.connect().is_ok();
        }
        server.get_mut().incoming.append(&mut client.get_mut().outgoing);
        if !is_server_done {
            is_server_done = turn.clock(|| server.accept().is_ok());
        }
        let moved = !server.get_ref().outgoing.is_empty();
        client.get_mut().incoming.append(&mut server.get_mut().outgoing);
        if is_client_done && is_server_done {
            let mut keys = [0; SRTP_MATERIAL];
            turn.clock(|| server.ssl().export_keying_material(&mut keys, "EXTRACTOR-dtls_srtp", None))
                .expect("it is connected");
            assert!(server.ssl().selected_srtp_profile().is_some());
            return turn;
        }
        assert!(moved, "it stalled");
    }
}
