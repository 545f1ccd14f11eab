//! A certificate from an authority (ACME, RFC 8555), which connects to our port to see that a domain leads here
//! (TLS-ALPN-01, RFC 8737).
//!
//! ```text
//! cached? ── use it ── wait until two thirds of its life are over ─┐
//!    no ───────────────────────────────────────────────────────────┴► order ─► challenges ─► certificate ─► cache
//!                                                                       └─ failed: again in 5 min .. 1 h
//! ```

mod cache;
mod client;

use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::time::sleep;
use tracing::{error, info, warn};
use x509_parser::parse_x509_certificate;

use self::cache::Cache;
use self::client::Client;
use super::TlsError;
use super::current::Current;
use crate::config::AcmeSettings;

/// How soon a failed order is repeated; the wait doubles up to the longest. Let's Encrypt allows five failures
/// an hour.
const FIRST_RETRY: Duration = Duration::from_secs(5 * 60);
const LAST_RETRY: Duration = Duration::from_secs(60 * 60);
/// Longest sleep: a clock that is set, or a machine that slept, is noticed then.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);
/// How long the authority may take to check all domains, and to make the certificate.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// RFC 8555 §6.7: the account of the cache is not known.
const UNKNOWN_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no new certificate.
#[derive(Error, Debug)]
enum OrderError {
    #[error(transparent)]
    Acme(#[from] instant_acme::Error),
    #[error("cache: {0}")]
    Cache(#[from] io::Error),
    #[error("cache: {0}")]
    Credentials(#[from] serde_json::Error),
    #[error("{domain}: {why}")]
    Domain { domain: String, why: String },
    #[error(transparent)]
    Generation(#[from] rcgen::Error),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Why a chain with its key is no certificate of ours.
#[derive(Error, Debug)]
enum Unusable {
    #[error(transparent)]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error(transparent)]
    Pair(#[from] rustls::Error),
    #[error("no certificate, or one that cannot be read")]
    Unreadable,
}

/// Keeps a certificate for the domains.
pub(crate) struct Acme {
    settings: AcmeSettings,
    client: Client,
    cache: Cache,
    current: Arc<Current>,
    /// When to order a new one.
    due: SystemTime,
}

impl Acme {
    /// Uses the certificate of the cache, if there is one. Asks nobody yet.
    pub(super) fn new(settings: &AcmeSettings) -> Result<Self, TlsError> {
        let folder = |error| TlsError::Folder { folder: settings.cache.clone(), error };
        fs::create_dir_all(&settings.cache).map_err(folder)?;
        let mut acme = Self {
            settings: settings.clone(),
            client: Client::new(settings)?,
            cache: Cache::new(settings),
            current: Arc::default(),
            due: SystemTime::UNIX_EPOCH,
        };
        if let Some(pem) = acme.cache.certificate().map_err(folder)?
            && let Err(error) = acme.install(&pem)
        {
            warn!(file = %acme.cache.certificate_path().display(), %error, "a new one is ordered");
        }
        Ok(acme)
    }

    pub(super) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current)
    }

    /// Orders whenever it is time; never ends.
    pub(super) async fn keep(mut self) {
        let mut retry = FIRST_RETRY;
        loop {
            while let Ok(wait) = self.due.duration_since(SystemTime::now()) {
                sleep(wait.min(LONGEST_SLEEP)).await;
            }
            let ordered = self.order().await;
            self.current.end_challenges();
            match ordered {
                Ok(()) => retry = FIRST_RETRY,
                Err(error) => {
                    let (domains, seconds) = (&self.settings.domains, retry.as_secs());
                    error!(?domains, %error, again_in_seconds = seconds, "no certificate from the authority");
                    sleep(retry).await;
                    retry = (retry * 2).min(LAST_RETRY);
                }
            }
        }
    }

    async fn order(&mut self) -> Result<(), OrderError> {
        let account = self.account().await?;
        let identifiers: Vec<Identifier> =
            self.settings.domains.iter().cloned().map(Identifier::Dns).collect();
        let ordered = account.new_order(&NewOrder::new(&identifiers)).await;
        if let Err(instant_acme::Error::Api(problem)) = &ordered
            && problem.r#type.as_deref() == Some(UNKNOWN_ACCOUNT)
        {
            self.cache.forget_account()?;
        }
        let mut order = ordered?;
        self.prove(&mut order).await?;

        let mut params = CertificateParams::new(self.settings.domains.clone())?;
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate()?;
        order.finalize_csr(params.serialize_request(&key)?.der()).await?;
        let chain = order.poll_certificate(&PATIENCE).await?;
        let pem = chain + &key.serialize_pem();
        self.install(&pem)?;
        info!(domains = ?self.settings.domains, "the authority's certificate is in use");
        self.cache.store_certificate(&pem)?;
        Ok(())
    }

    /// The account of the cache, or a new one. Who asks for `--acme` agrees to the authority's terms.
    async fn account(&self) -> Result<Account, OrderError> {
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        if let Some(text) = self.cache.account()? {
            let credentials: AccountCredentials = serde_json::from_str(&text)?;
            return Ok(builder.from_credentials(credentials).await?);
        }
        let contact: Vec<&str> = self.settings.contact.iter().map(String::as_str).collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder.create(&wanted, self.settings.directory.clone(), None).await?;
        self.cache.store_account(&serde_json::to_string(&credentials)?)?;
        Ok(account)
    }

    /// Shows the authority that each domain leads here.
    async fn prove(&self, order: &mut Order) -> Result<(), OrderError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            let domain = authorization.identifier().to_string();
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => (),
                status => return Err(OrderError::Domain { domain, why: format!("it is {status:?}") }),
            }
            let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
                return Err(OrderError::Domain { domain, why: "TLS-ALPN-01 is not offered".to_owned() });
            };
            let proof = challenge_certificate(&domain, challenge.key_authorization().digest().as_ref())?;
            self.current.challenge(&domain, proof);
            let checked = challenge.set_ready().await;
            checked.map_err(|error| OrderError::Domain { domain, why: error.to_string() })?;
        }
        let waited = order.poll_ready(&PATIENCE).await;
        if matches!(waited, Ok(OrderStatus::Ready)) {
            return Ok(());
        }
        // Which domain, and what the authority saw, is what the operator needs to know.
        let mut authorizations = order.authorizations();
        while let Some(Ok(authorization)) = authorizations.next().await {
            let domain = authorization.identifier().to_string();
            let failed = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            if let Some(problem) = failed {
                return Err(OrderError::Domain { domain, why: problem.to_string() });
            }
        }
        waited?;
        Err(OrderError::Domain { domain: self.settings.domains.join(", "), why: "not proved".to_owned() })
    }

    fn install(&mut self, pem: &str) -> Result<(), Unusable> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let chain = chain?;
        let due = chain.first().and_then(renewal).ok_or(Unusable::Unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())?;
        self.current.replace(CertifiedKey::from_der(chain, key, &default_provider())?);
        self.due = due;
        Ok(())
    }
}

/// When two thirds of the certificate's life are over.
fn renewal(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let [from, until] = [parsed.validity().not_before, parsed.validity().not_after]
        .map(|time| u64::try_from(time.timestamp()).ok().map(Duration::from_secs));
    let (from, until) = (from?, until?);
    SystemTime::UNIX_EPOCH.checked_add(from + until.checked_sub(from)? * 2 / 3)
}

/// RFC 8737 §3: the domain, and the digest of the key authorisation in a critical extension.
fn challenge_certificate(domain: &str, digest: &[u8]) -> Result<CertifiedKey, OrderError> {
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    // Not compared with the key as others are: rustls does not read a certificate with this extension.
    let key = default_provider().key_provider.load_private_key(key).map_err(Unusable::from)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

#[cfg(test)]
mod tests;
