//! The certificate in force, which may change while connections come.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ACME_ALPN;

/// What new handshakes use. Connections that are there keep what they have.
#[derive(Debug, Default)]
pub(super) struct Current {
    certificate: RwLock<Option<Arc<CertifiedKey>>>,
    /// By domain: what an authority that checks it is shown (RFC 8737 §3).
    challenges: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Current {
    pub(super) fn new(certificate: CertifiedKey) -> Arc<Self> {
        let current = Self::default();
        current.replace(certificate);
        Arc::new(current)
    }

    pub(super) fn replace(&self, certificate: CertifiedKey) {
        let mut current = self.certificate.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::new(certificate));
    }

    pub(super) fn get(&self) -> Option<Arc<CertifiedKey>> {
        self.certificate.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows this to whoever checks the domain. There are as many as domains in the settings.
    pub(super) fn challenge(&self, domain: &str, certificate: CertifiedKey) {
        let mut challenges = self.challenges.write().unwrap_or_else(PoisonError::into_inner);
        challenges.insert(domain.to_owned(), Arc::new(certificate));
    }

    pub(super) fn end_challenges(&self) {
        self.challenges.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // An authority offers this name and no other.
        let is_check = hello.alpn().is_some_and(|names| names.eq([ACME_ALPN]));
        if !is_check {
            return self.get();
        }
        let domain = hello.server_name()?.to_ascii_lowercase();
        self.challenges.read().unwrap_or_else(PoisonError::into_inner).get(&domain).cloned()
    }
}
