//! Folders, and certificates of all kinds.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A folder that goes away with the value.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("headwater-doctor-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The lines of the settings for a pair in this folder.
    pub(super) fn tls(&self, pair: &Pair) -> String {
        let (cert, key) = (self.write("cert.pem", &pair.cert), self.write("key.pem", &pair.key));
        #[cfg(unix)]
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", cert.display(), key.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A chain and its key, PEM.
pub(super) struct Pair {
    pub(super) cert: String,
    pub(super) key: String,
}

/// What a certificate is made for, in days from now.
pub(super) struct Wanted {
    pub(super) name: &'static str,
    pub(super) begins: i32,
    pub(super) ends: i32,
    pub(super) with_issuer: bool,
}

impl Wanted {
    pub(super) const GOOD: Self = Self { name: "localhost", begins: -1, ends: 60, with_issuer: true };

    /// Signed by an authority of our own.
    pub(super) fn make(&self) -> Pair {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "An authority");
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let leaf = self.params().signed_by(&key, &issuer).unwrap();
        let rest = if self.with_issuer { root.pem() } else { String::new() };
        Pair { cert: leaf.pem() + &rest, key: key.serialize_pem() }
    }

    pub(super) fn self_signed(&self) -> Pair {
        let key = KeyPair::generate().unwrap();
        Pair { cert: self.params().self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new([self.name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, self.name);
        let at = |days: i32| {
            let (now, distance) = (SystemTime::now(), DAY * days.unsigned_abs());
            if days < 0 { now - distance } else { now + distance }
        };
        params.not_before = at(self.begins).into();
        params.not_after = at(self.ends).into();
        params
    }
}
