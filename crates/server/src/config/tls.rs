//! Where the certificate comes from.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::{ConfigError, File, Options, TlsMode, invalid};

/// Let's Encrypt, production.
const DEFAULT_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Most domains: what Let's Encrypt puts into one certificate.
const MAX_DOMAINS: usize = 100;

/// How HTTP is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Tls {
    Off,
    SelfSigned,
    Files { cert: PathBuf, key: PathBuf },
    Acme(AcmeSettings),
}

/// A certificate from an authority that checks by itself that the domains lead here (RFC 8555, RFC 8737).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AcmeSettings {
    /// One certificate for all of them; in small letters.
    pub(crate) domains: Vec<String>,
    /// URLs, `mailto:` mostly.
    pub(crate) contact: Vec<String>,
    /// Folder for the account's key and the certificate.
    pub(crate) cache: PathBuf,
    /// URL of the authority's directory.
    pub(crate) directory: String,
    /// PEM file with what the authority's own HTTPS is trusted by; `None`: what the system trusts.
    pub(crate) root: Option<PathBuf>,
}

/// What one source says about it, as it is written in a file.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct TlsChoice {
    tls: Option<TlsMode>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acme: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acme_contact: Vec<String>,
    acme_cache: Option<PathBuf>,
    acme_directory: Option<String>,
    acme_root: Option<PathBuf>,
}

impl TlsChoice {
    pub(super) fn of_options(options: &Options) -> Self {
        Self {
            tls: options.tls,
            tls_cert: options.tls_cert.clone(),
            tls_key: options.tls_key.clone(),
            acme: options.acme.clone(),
            acme_contact: options.acme_contact.clone(),
            acme_cache: options.acme_cache.clone(),
            acme_directory: options.acme_directory.clone(),
            acme_root: options.acme_root.clone(),
        }
    }

    pub(super) fn of_file(file: &File) -> Self {
        Self {
            tls: file.tls,
            tls_cert: file.tls_cert.clone(),
            tls_key: file.tls_key.clone(),
            acme: file.acme.clone(),
            acme_contact: file.acme_contact.clone(),
            acme_cache: file.acme_cache.clone(),
            acme_directory: file.acme_directory.clone(),
            acme_root: file.acme_root.clone(),
        }
    }

    /// A source that says anything about TLS decides about it whole: a flag `--tls off` is not mixed with the
    /// file's certificate.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::default() { other } else { self }
    }

    pub(super) fn check(self) -> Result<Tls, ConfigError> {
        if self.acme.is_empty() {
            let lonely = [
                ("acme_contact", !self.acme_contact.is_empty()),
                ("acme_cache", self.acme_cache.is_some()),
                ("acme_directory", self.acme_directory.is_some()),
                ("acme_root", self.acme_root.is_some()),
            ];
            if let Some((key, _)) = lonely.into_iter().find(|(_, given)| *given) {
                return Err(invalid(key, "needs acme beside it"));
            }
        } else {
            if self.tls.is_some() || self.tls_cert.is_some() || self.tls_key.is_some() {
                return Err(invalid("acme", "either acme, or tls, or tls_cert and tls_key"));
            }
            return self.check_acme().map(Tls::Acme);
        }
        match (self.tls, self.tls_cert, self.tls_key) {
            (None | Some(TlsMode::Off), None, None) => Ok(Tls::Off),
            (Some(TlsMode::SelfSigned), None, None) => Ok(Tls::SelfSigned),
            (None, Some(cert), Some(key)) => Ok(Tls::Files { cert, key }),
            (None, Some(_), None) => Err(invalid("tls_key", "is needed beside tls_cert")),
            (None, None, Some(_)) => Err(invalid("tls_cert", "is needed beside tls_key")),
            (Some(_), ..) => Err(invalid("tls", "either tls or tls_cert and tls_key, not both")),
        }
    }

    fn check_acme(self) -> Result<AcmeSettings, ConfigError> {
        let domains: Vec<String> = self.acme.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        if domains.len() > MAX_DOMAINS {
            return Err(invalid("acme", format!("at most {MAX_DOMAINS} domains")));
        }
        if let Some(domain) = domains.iter().find(|domain| !is_domain(domain)) {
            return Err(invalid(
                "acme",
                format!("{domain:?} is no domain name (nor can it be an address or have a *)"),
            ));
        }
        let Some(cache) = self.acme_cache else {
            let why =
                "is needed beside acme: without it each start would order anew, which authorities limit";
            return Err(invalid("acme_cache", why));
        };
        let directory = self.acme_directory.unwrap_or_else(|| DEFAULT_DIRECTORY.to_owned());
        if !directory.starts_with("https://") {
            return Err(invalid("acme_directory", "must be an https:// URL"));
        }
        let url = |contact: String| if contact.contains(':') { contact } else { format!("mailto:{contact}") };
        let contact = self.acme_contact.into_iter().map(url).collect();
        Ok(AcmeSettings { domains, contact, cache, directory, root: self.acme_root })
    }
}

impl From<&Tls> for TlsChoice {
    fn from(tls: &Tls) -> Self {
        match tls.clone() {
            Tls::Off => Self { tls: Some(TlsMode::Off), ..Self::default() },
            Tls::SelfSigned => Self { tls: Some(TlsMode::SelfSigned), ..Self::default() },
            Tls::Files { cert, key } => Self { tls_cert: Some(cert), tls_key: Some(key), ..Self::default() },
            Tls::Acme(acme) => Self {
                acme: acme.domains,
                acme_contact: acme.contact,
                acme_cache: Some(acme.cache),
                acme_directory: Some(acme.directory),
                acme_root: acme.root,
                ..Self::default()
            },
        }
    }
}

/// A name that a certificate can have and that can be checked by connecting to it.
fn is_domain(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(fits);
    name.len() <= 253 && name.split('.').all(is_label) && name.parse::<IpAddr>().is_err()
}
