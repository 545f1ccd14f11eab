//! The certificate of TLS and DTLS.

use std::fmt;
use std::sync::Arc;

use headwater_dtls::Certificate;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::Error::NoItemsFound;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// ALPN of TURN over TLS (RFC 7443 §3). Clients mostly send none.
const ALPN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// A certificate chain and its key, as TLS and DTLS use them.
#[derive(Clone)]
pub struct Identity {
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) dtls: Option<Certificate>,
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not PEM, or something else in it.
    #[error("the {what} is not PEM as it should be: {error}")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// An empty chain.
    #[error("there is no certificate in the file")]
    NoCertificate,
    /// No key that can be read.
    #[error("there is no private key in the file, or it is encrypted")]
    NoKey,
    /// They don't belong together, or are of a kind that is not supported.
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Identity {
    /// Reads a chain, the server's own certificate first, and its key, both as PEM.
    ///
    /// # Errors
    /// [`IdentityError`] says which of the two cannot be used.
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, IdentityError> {
        let pem = |what| move |error| IdentityError::Pem { what, error };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
        let chain = chain.map_err(pem("certificate"))?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| match error {
            NoItemsFound => IdentityError::NoKey,
            error => pem("key")(error),
        })?;
        let mut tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)?;
        tls.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Self { tls: Arc::new(tls), dtls: Certificate::from_pem(certificates, key).ok() })
    }

    /// Whether DTLS can use it: our DTLS takes keys on P-256 alone.
    #[must_use]
    pub fn has_dtls(&self) -> bool {
        self.dtls.is_some()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("dtls", &self.dtls).finish_non_exhaustive()
    }
}
