//! TLS: certificates from files, from an authority (ACME), or one made at each start.

mod acme;
mod current;
mod files;
mod watch;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use thiserror::Error;

use self::acme::Acme;
use self::current::Current;
use self::files::Files;
pub(crate) use self::watch::Watch;
use crate::config::Tls;

/// How long a certificate of our own is valid: what browsers accept at most, and no server runs as long.
const VALIDITY: Duration = Duration::from_secs(397 * 24 * 3600);
/// Clocks of clients may be behind.
const BACKDATING: Duration = Duration::from_secs(24 * 3600);

/// RFC 7443: TURN and STUN's NAT discovery. Both are served by the same.
pub(crate) const TURN_ALPN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// RFC 8737 §6.2: an authority that checks a domain. It is shown a certificate and told nothing.
pub(crate) const ACME_ALPN: &[u8] = b"acme-tls/1";

/// Why HTTPS cannot be served.
#[derive(Error, Debug)]
pub(crate) enum TlsError {
    #[error("{file}: {error}")]
    Pem { file: PathBuf, error: rustls::pki_types::pem::Error },
    #[error("{file} holds no certificate")]
    NoCertificate { file: PathBuf },
    #[error("{file} holds no private key, or an encrypted one")]
    NoKey { file: PathBuf },
    #[error("the certificate {cert} and the key {key} cannot be used: {error}")]
    Pair { cert: PathBuf, key: PathBuf, error: rustls::Error },
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    #[error("{folder}: {error}")]
    Folder { folder: PathBuf, error: io::Error },
    #[error("no root certificates to trust an authority by: install ca-certificates, or see acme_root")]
    NoRoots,
    #[error("cannot make a certificate: {0}")]
    Generation(#[from] rcgen::Error),
}

/// What the listener needs, and what the operator may want to compare with the browser's warning.
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    /// SHA-256 of a certificate that we made.
    pub(crate) fingerprint: Option<String>,
    pub(crate) upkeep: Upkeep,
}

/// What keeps a certificate fresh.
pub(crate) enum Upkeep {
    /// It lives as long as the process.
    None,
    Files(Files),
    Acme(Acme),
}

impl Upkeep {
    /// Runs as long as the server does.
    pub(crate) async fn run(self) {
        match self {
            Self::None => (),
            Self::Files(files) => files.watch().await,
            Self::Acme(acme) => acme.keep().await,
        }
    }
}

/// Makes the TLS side ready; `None` = plain HTTP. `names` go into a certificate of our own.
pub(crate) fn identity(
    tls: &Tls,
    names: &[String],
    addresses: &[IpAddr],
) -> Result<Option<Identity>, TlsError> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Files { cert, key } => {
            let files = Files::read(cert, key)?;
            let config = server_config(files.current(), false)?;
            Ok(Some(Identity { config, fingerprint: None, upkeep: Upkeep::Files(files) }))
        }
        Tls::Acme(settings) => {
            let acme = Acme::new(settings)?;
            let config = server_config(acme.current(), true)?;
            Ok(Some(Identity { config, fingerprint: None, upkeep: Upkeep::Acme(acme) }))
        }
        Tls::SelfSigned => self_signed(names, addresses).map(Some),
    }
}

fn self_signed(names: &[String], addresses: &[IpAddr]) -> Result<Identity, TlsError> {
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    all.extend(names.iter().cloned());
    all.extend(addresses.iter().map(ToString::to_string));
    all.sort_unstable();
    all.dedup();

    let mut params = CertificateParams::new(all)?;
    params.distinguished_name.push(DnType::CommonName, "Headwater (self-signed)");
    let now = SystemTime::now();
    params.not_before = (now - BACKDATING).into();
    params.not_after = (now + VALIDITY).into();
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;

    let der = certificate.der().clone();
    let hash = digest(&SHA256, &der);
    let fingerprint: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let current = Current::new(CertifiedKey::from_der(vec![der], key, &default_provider())?);
    let fingerprint = Some(fingerprint.join(":"));
    Ok(Identity { config: server_config(current, false)?, fingerprint, upkeep: Upkeep::None })
}

/// HTTP/1.1 only: the signalling is small, and HTTP/2's multiplexing is one more thing to attack. A client that
/// offers more gets it, too.
fn server_config(current: Arc<Current>, acme: bool) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(current);
    let names = [&b"http/1.1"[..]].into_iter().chain(TURN_ALPN).chain(acme.then_some(ACME_ALPN));
    config.alpn_protocols = names.map(<[u8]>::to_vec).collect();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_signed_identity_has_a_fingerprint() {
        let made = identity(&Tls::SelfSigned, &["media.example".to_owned()], &["192.0.2.1".parse().unwrap()]);
        let fingerprint = made.unwrap().unwrap().fingerprint.unwrap();
        assert_eq!(fingerprint.len(), 32 * 3 - 1);
    }

    #[test]
    fn a_missing_file_is_named() {
        let tls = Tls::Files { cert: "/nonexistent/cert.pem".into(), key: "/nonexistent/key.pem".into() };
        let error = identity(&tls, &[], &[]).err().unwrap();
        assert!(error.to_string().contains("/nonexistent/cert.pem"), "{error}");
    }
}
