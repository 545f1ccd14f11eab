//! What outlives a restart: the account and the certificate, so that neither is made anew.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use crate::config::AcmeSettings;

/// Two files in a folder. Their names hold a hash of what they belong to: another directory is another account, and
/// other domains are another certificate.
pub(super) struct Cache {
    account: PathBuf,
    certificate: PathBuf,
}

impl Cache {
    pub(super) fn new(settings: &AcmeSettings) -> Self {
        let hash = |parts: &[&str]| {
            let hash = digest(&SHA256, parts.join("\n").as_bytes());
            hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let directory = settings.directory.as_str();
        let account = hash(&[directory]);
        let mut parts: Vec<&str> = settings.domains.iter().map(String::as_str).collect();
        let first = parts.first().copied().unwrap_or_default();
        let name = format!("{first}-{}.pem", {
            parts.sort_unstable();
            parts.push(directory);
            hash(&parts)
        });
        Self {
            account: settings.cache.join(format!("account-{account}.json")),
            certificate: settings.cache.join(name),
        }
    }

    /// The account's credentials, if there is an account.
    pub(super) fn account(&self) -> io::Result<Option<String>> {
        read(&self.account)
    }

    pub(super) fn store_account(&self, credentials: &str) -> io::Result<()> {
        write(&self.account, credentials)
    }

    /// The authority does not know it any more.
    pub(super) fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(&self.account)
    }

    /// Chain and key in PEM.
    pub(super) fn certificate(&self) -> io::Result<Option<String>> {
        read(&self.certificate)
    }

    pub(super) fn store_certificate(&self, pem: &str) -> io::Result<()> {
        write(&self.certificate, pem)
    }

    pub(super) fn certificate_path(&self) -> &Path {
        &self.certificate
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

/// Whole or not at all, and readable for nobody else: both files hold a key.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(named)
}
