use std::fs;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;
use crate::tests::folder::Folder;

/// The certificate that a TLS client is shown.
fn shown(relay: &Relay, trusted: &[&str]) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    for pem in trusted {
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), "turn.example".try_into().unwrap()).unwrap();
    let mut stream = TcpStream::connect(relay.local_addrs()[0]).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).unwrap();
    }
    tls.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn changed_files_are_used_and_broken_ones_are_not() {
    let folder = Folder::new("turn-renewed");
    let (cert, key) = (folder.file("cert.pem"), folder.file("key.pem"));
    // Names of different lengths make files of different lengths.
    let made = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        rcgen::generate_simple_self_signed(names).unwrap()
    };
    let (old, new) = (made(&["turn.example"]), made(&["turn.example", "another.turn.example"]));
    let write = |pair: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        fs::write(&cert, pair.cert.pem()).unwrap();
        fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    };
    write(&old);
    let mut watch = Watch::new(&cert, &key);
    let mut settings = ServerConfig::new("example.org", [1; 32]);
    settings.users.insert("alice".into(), "secret".into());
    let mut config = Config::new(settings, [2; 32]);
    config.tls_listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.workers = 2;
    config.identity = Some(identity(&cert, &key).unwrap());
    let relay = Relay::start(config).unwrap();
    let trusted = [old.cert.pem(), new.cert.pem()];
    let shown = || shown(&relay, &[&trusted[0], &trusted[1]]);
    assert_eq!(shown(), old.cert.der().to_vec());

    let mut look_twice = || (0..2).for_each(|_| watch.look(|cert, key| renew(&relay, cert, key)));
    fs::write(&key, "no PEM").unwrap();
    look_twice();
    assert_eq!(shown(), old.cert.der().to_vec(), "a broken key");
    fs::write(&key, new.signing_key.serialize_pem()).unwrap();
    look_twice();
    assert_eq!(shown(), old.cert.der().to_vec(), "a key of another certificate");
    write(&new);
    look_twice();
    // The workers are told, and take it up in their next turn.
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while shown() != new.cert.der().to_vec() {
        assert!(std::time::Instant::now() < until, "the new certificate is not used");
    }
}

#[test]
fn private_addresses_for_relays_are_doubted_unless_peers_are_there_too() {
    let lan: Network = "10.1.0.0/16".parse().unwrap();
    for (address, expected) in
        [("10.1.2.3", None), ("10.2.0.1", Some("private use")), ("8.8.8.8", None), ("2600::1", None)]
    {
        assert_eq!(unreachable(address.parse().unwrap(), &[lan]), expected, "{address}");
    }
}

#[test]
fn errors_name_the_files() {
    let folder = Folder::new("turn-named");
    let (cert, key) = (folder.file("cert.pem"), folder.file("key.pem"));
    assert!(identity(&cert, &key).unwrap_err().to_string().contains("cert.pem"));
    fs::write(&cert, "").unwrap();
    fs::write(&key, "").unwrap();
    let error = identity(&cert, &key).unwrap_err().to_string();
    assert!(error.contains("cert.pem") && error.contains("no certificate"), "{error}");
}
