//! A certificate chain and its key in PEM files, read again when they change.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::Error::NoItemsFound;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::TlsError;
use super::current::Current;
use super::watch::Watch;

/// The pair of the HTTP server.
pub(crate) struct Files {
    current: Arc<Current>,
    watch: Watch,
}

impl Files {
    /// # Errors
    /// Names the file that cannot be used.
    pub(super) fn read(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        // Looked at first: what is written meanwhile is a change.
        let watch = Watch::new(cert, key);
        Ok(Self { current: Current::new(read_pair(cert, key)?), watch })
    }

    pub(super) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current)
    }

    /// Looks again and again; never ends.
    pub(super) async fn watch(self) {
        let Self { current, watch } = self;
        watch.run(move |cert, key| renew(&current, cert, key)).await;
    }

    #[cfg(test)]
    fn look(&mut self) {
        let Self { current, watch } = self;
        watch.look(|cert, key| renew(current, cert, key));
    }
}

fn renew(current: &Current, cert: &Path, key: &Path) -> Result<(), TlsError> {
    current.replace(read_pair(cert, key)?);
    Ok(())
}

fn read_pair(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let pem = |file: &Path| {
        let file = file.to_owned();
        move |error| TlsError::Pem { file, error }
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert).map_err(pem(cert))?.collect();
    let chain = chain.map_err(pem(cert))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { file: cert.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        NoItemsFound => TlsError::NoKey { file: key.to_owned() },
        error => pem(key)(error),
    })?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| TlsError::Pair {
        cert: cert.to_owned(),
        key: key.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::generate_simple_self_signed;

    use super::*;
    use crate::tests::folder::Folder;

    /// A pair as PEM: names of different lengths make files of different lengths.
    fn pair(name: &str) -> (String, String) {
        let made = generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn leaf(files: &Files) -> Vec<u8> {
        files.current.get().unwrap().cert[0].to_vec()
    }

    fn der(pem: &str) -> Vec<u8> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    }

    #[test]
    fn a_changed_pair_is_used_once_it_stands_still() {
        let folder = Folder::new("changed");
        let (cert, key) = pair("a.example");
        fs::write(folder.file("cert.pem"), &cert).unwrap();
        fs::write(folder.file("key.pem"), key).unwrap();
        let mut files = Files::read(&folder.file("cert.pem"), &folder.file("key.pem")).unwrap();
        files.look();
        assert_eq!(leaf(&files), der(&cert));

        let (new_cert, new_key) = pair("longer-name.example");
        fs::write(folder.file("cert.pem"), &new_cert).unwrap();
        files.look();
        // The key comes after the certificate; a look between the two must not judge the pair.
        fs::write(folder.file("key.pem"), format!("{new_key}\n")).unwrap();
        files.look();
        assert_eq!(leaf(&files), der(&cert));
        files.look();
        assert_eq!(leaf(&files), der(&new_cert));
    }

    #[test]
    fn a_broken_pair_leaves_the_old_one_in_force_until_it_is_mended() {
        let folder = Folder::new("broken");
        let (cert, key) = pair("a.example");
        fs::write(folder.file("cert.pem"), &cert).unwrap();
        fs::write(folder.file("key.pem"), &key).unwrap();
        let mut files = Files::read(&folder.file("cert.pem"), &folder.file("key.pem")).unwrap();
        let (other, other_key) = pair("longer-name.example");
        let broken = [Some(other.as_str()), Some("no PEM"), Some(""), None];
        for content in broken {
            match content {
                Some(content) => fs::write(folder.file("cert.pem"), content).unwrap(),
                None => fs::remove_file(folder.file("cert.pem")).unwrap(),
            }
            files.look();
            files.look();
            assert_eq!(leaf(&files), der(&cert), "{content:?}");
        }
        fs::write(folder.file("cert.pem"), &other).unwrap();
        fs::write(folder.file("key.pem"), &other_key).unwrap();
        files.look();
        files.look();
        assert_eq!(leaf(&files), der(&other));
    }

    #[test]
    fn errors_name_the_file() {
        let folder = Folder::new("named");
        let (cert, key) = pair("a.example");
        let (_, other_key) = pair("a.example");
        fs::write(folder.file("cert.pem"), &cert).unwrap();
        let error = |files: Result<Files, TlsError>| files.err().expect("unusable").to_string();
        assert!(error(Files::read(&folder.file("cert.pem"), &folder.file("key.pem"))).contains("key.pem"));
        fs::write(folder.file("key.pem"), other_key).unwrap();
        let mismatch = error(Files::read(&folder.file("cert.pem"), &folder.file("key.pem")));
        assert!(mismatch.contains("cert.pem") && mismatch.contains("key.pem"), "{mismatch}");
        fs::write(folder.file("key.pem"), &cert).unwrap();
        let without = error(Files::read(&folder.file("cert.pem"), &folder.file("key.pem")));
        assert!(without.contains("key.pem holds no private key"), "{without}");
        fs::write(folder.file("cert.pem"), key).unwrap();
        assert!(
            error(Files::read(&folder.file("cert.pem"), &folder.file("key.pem")))
                .contains("cert.pem holds no certificate")
        );
    }
}
