//! Who may log in: static users, and time-limited credentials of shared secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use headwater_stun::attribute::PasswordAlgorithm;
use headwater_stun::{Key, User, userhash};

use crate::crypto::Secret;

/// All that may log in.
pub(super) struct Credentials {
    realm: String,
    /// With the keys of MD5 and of SHA-256.
    users: BTreeMap<Arc<str>, [Arc<Credential>; 2]>,
    by_hash: BTreeMap<[u8; 32], Arc<str>>,
    secrets: Vec<Secret>,
    /// What an unknown user's request is checked with, so that it takes as long as a known one's.
    nobody: Key,
}

/// A user who has proven to know the password. Allocations share it.
pub(super) struct Credential {
    /// The user name as in USERNAME.
    pub(super) user: Arc<str>,
    /// How the key was made of the password.
    pub(super) algorithm: PasswordAlgorithm,
    pub(super) key: Key,
    /// Seconds since 1970 after which it is no longer good.
    pub(super) expires: Option<u64>,
}

impl Credential {
    /// Whether a request's user is this one.
    pub(super) fn is_of(&self, user: User<'_>, realm: &str) -> bool {
        match user {
            User::Name(name) => *self.user == *name,
            User::Hash(hash) => hash == userhash(&self.user, realm),
        }
    }

    /// Whether its time has come.
    pub(super) fn has_expired(&self, unix: Duration) -> bool {
        self.expires.is_some_and(|expires| expires <= unix.as_secs())
    }

    /// The name that quotas go by: behind the colon for time-limited ones.
    pub(super) fn account(&self) -> &str {
        match (self.expires, self.user.split_once(':')) {
            (Some(_), Some((_, name))) if !name.is_empty() => name,
            _ => &self.user,
        }
    }
}

impl Credentials {
    pub(super) fn new(
        realm: &str,
        users: impl IntoIterator<Item = (String, String)>,
        secrets: &[String],
    ) -> Self {
        let users: BTreeMap<Arc<str>, [Arc<Credential>; 2]> = users
            .into_iter()
            .map(|(name, password)| {
                let user: Arc<str> = name.into();
                let both = [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256].map(|algorithm| {
                    let key = algorithm.key(&user, realm, &password);
                    Arc::new(Credential { user: user.clone(), algorithm, key, expires: None })
                });
                (user, both)
            })
            .collect();
        Self {
            realm: realm.to_owned(),
            by_hash: users.keys().map(|name| (userhash(name, realm), name.clone())).collect(),
            users,
            secrets: secrets.iter().map(|secret| Secret::new(secret)).collect(),
            nobody: Key::from_bytes(&[]),
        }
    }

    /// Whether all users can be found by USERHASH: not those whose names are made elsewhere.
    pub(super) const fn knows_all_users(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Finds the user whose key `verifies`.
    pub(super) fn find(
        &self,
        user: User<'_>,
        algorithm: PasswordAlgorithm,
        unix: Duration,
        verifies: impl Fn(&Key) -> bool,
    ) -> Option<Arc<Credential>> {
        let known = match user {
            User::Name(name) => self.users.get(name),
            User::Hash(hash) => self.by_hash.get(&hash).and_then(|name| self.users.get(name)),
        };
        if let Some(both) = known {
            return both.iter().find(|it| it.algorithm == algorithm && verifies(&it.key)).cloned();
        }
        let User::Name(name) = user else { return None };
        let Some(expires) = expiry(name).filter(|expires| *expires > unix.as_secs()) else {
            let _ = verifies(&self.nobody);
            return None;
        };
        self.secrets
            .iter()
            .map(|secret| algorithm.key(name, &self.realm, secret.password(name).as_str()))
            .find(verifies)
            .map(|key| Arc::new(Credential { user: name.into(), algorithm, key, expires: Some(expires) }))
    }
}

/// When a time-limited user name ends: `expiry` or `expiry:anything`.
fn expiry(name: &str) -> Option<u64> {
    let digits = name.split_once(':').map_or(name, |(digits, _)| digits);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
