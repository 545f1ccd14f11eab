//! What `headwater turn` is told: flag > `HEADWATER_TURN_*` variable > TOML file > default.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use headwater_relay::{COALESCE, DEFAULT_RELAY_PORTS, MAX_COALESCE, Network, Quota, RelayAddress};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::Options;
use crate::config::{self, ConfigError};

const DEFAULT_LISTEN: &str = "0.0.0.0:3478";
const DEFAULT_REALM: &str = "headwater";
/// What STUN allows (RFC 8489 §14.9).
const MAX_REALM_LEN: usize = 763;
const DEFAULT_LOG: &str = "info";
/// Seconds between the signal and the end of allocations that still run.
const DEFAULT_DRAIN: u64 = 30;
const DEFAULT_USER_ALLOCATIONS: u32 = 100;
const DEFAULT_ADDRESS_ALLOCATIONS: u32 = 300;

/// The TOML file. An unknown key is an error that names it.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    listen: List<SocketAddr>,
    #[serde(alias = "tls-listen")]
    tls_listen: List<SocketAddr>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    #[serde(alias = "relay-ip")]
    relay_ip: List<RelayAddress>,
    #[serde(alias = "relay-ports")]
    relay_ports: Option<RelayPorts>,
    user: List<User>,
    secret: List<String>,
    realm: Option<String>,
    #[serde(alias = "allow-peer")]
    allow_peer: List<Network>,
    workers: Option<NonZeroUsize>,
    #[serde(alias = "user-allocations")]
    user_allocations: Option<u32>,
    #[serde(alias = "user-bitrate")]
    user_bitrate: Option<u64>,
    #[serde(alias = "address-allocations")]
    address_allocations: Option<u32>,
    #[serde(alias = "address-bitrate")]
    address_bitrate: Option<u64>,
    metrics: Option<SocketAddr>,
    drain: Option<u64>,
    coalesce: Option<u64>,
    #[serde(alias = "no-gso")]
    no_gso: Option<bool>,
    log: Option<String>,
}

/// The settings in force.
pub(super) struct Settings {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) tls_listen: Vec<SocketAddr>,
    /// Certificate chain and key.
    pub(super) pair: Option<(PathBuf, PathBuf)>,
    /// Empty = as the listeners.
    pub(super) relay_ip: Vec<RelayAddress>,
    pub(super) relay_ports: RangeInclusive<u16>,
    pub(super) users: Vec<User>,
    pub(super) secrets: Vec<String>,
    pub(super) realm: String,
    pub(super) allow_peer: Vec<Network>,
    /// `None` = one per core.
    pub(super) workers: Option<NonZeroUsize>,
    pub(super) per_user: Quota,
    pub(super) per_address: Quota,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) drain: Duration,
    pub(super) coalesce: Duration,
    pub(super) no_gso: bool,
    pub(super) log: String,
}

impl Settings {
    /// Reads the file that the options name, and puts all sources together.
    pub(super) fn load(options: Options) -> Result<Self, ConfigError> {
        let file = options.config.as_deref().map(config::read).transpose()?;
        Self::merge(options, file.unwrap_or_default())
    }

    fn merge(options: Options, file: File) -> Result<Self, ConfigError> {
        // Whoever says one of the two means both.
        let (cert, key) = match (options.cert, options.key) {
            (None, None) => (file.cert, file.key),
            given => given,
        };
        let mut settings = Self {
            listen: first_filled(options.listen, file.listen),
            tls_listen: first_filled(options.tls_listen, file.tls_listen),
            pair: match (cert, key) {
                (Some(cert), Some(key)) => Some((cert, key)),
                (None, None) => None,
                (Some(_), None) => return Err(config::invalid("key", "is needed beside cert")),
                (None, Some(_)) => return Err(config::invalid("cert", "is needed beside key")),
            },
            relay_ip: first_filled(options.relay_ip, file.relay_ip),
            relay_ports: options.relay_ports.or(file.relay_ports).map_or(DEFAULT_RELAY_PORTS, |it| it.0),
            users: first_filled(options.user, file.user),
            secrets: first_filled(options.secret, file.secret),
            realm: options.realm.or(file.realm).unwrap_or_else(|| DEFAULT_REALM.to_owned()),
            allow_peer: first_filled(options.allow_peer, file.allow_peer),
            workers: options.workers.or(file.workers),
            per_user: quota(
                options.user_allocations.or(file.user_allocations).unwrap_or(DEFAULT_USER_ALLOCATIONS),
                options.user_bitrate.or(file.user_bitrate).unwrap_or(0),
            ),
            per_address: quota(
                options
                    .address_allocations
                    .or(file.address_allocations)
                    .unwrap_or(DEFAULT_ADDRESS_ALLOCATIONS),
                options.address_bitrate.or(file.address_bitrate).unwrap_or(0),
            ),
            metrics: options.metrics.or(file.metrics),
            drain: Duration::from_secs(options.drain.or(file.drain).unwrap_or(DEFAULT_DRAIN)),
            coalesce: options.coalesce.or(file.coalesce).map_or(COALESCE, Duration::from_millis),
            no_gso: options.no_gso.or(file.no_gso).unwrap_or(false),
            log: options.log.or(file.log).unwrap_or_else(|| DEFAULT_LOG.to_owned()),
        };
        if settings.listen.is_empty() && settings.tls_listen.is_empty() {
            settings.listen.push(DEFAULT_LISTEN.parse().expect("a constant socket address"));
        }
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.users.is_empty() && self.secrets.is_empty() {
            let message = "is missing, and secret as well: nobody could log in";
            return Err(config::invalid("user", message));
        }
        if self.secrets.iter().any(String::is_empty) {
            return Err(config::invalid("secret", "is empty: anybody could make credentials"));
        }
        for (index, user) in self.users.iter().enumerate() {
            if self.users[..index].iter().any(|it| it.name == user.name) {
                return Err(config::invalid("user", format!("has two passwords for {}", user.name)));
            }
        }
        if !(1..=MAX_REALM_LEN).contains(&self.realm.len()) {
            return Err(config::invalid("realm", format!("must have 1 to {MAX_REALM_LEN} bytes")));
        }
        match (&self.pair, self.tls_listen.is_empty()) {
            (None, false) => return Err(config::invalid("tls_listen", "needs cert and key")),
            (Some(_), true) => {
                return Err(config::invalid("cert", "is for tls_listen, which is missing"));
            }
            _ => {}
        }
        if self.coalesce > MAX_COALESCE {
            let message = format!("is in milliseconds, at most {}", MAX_COALESCE.as_millis());
            return Err(config::invalid("coalesce", message));
        }
        Ok(())
    }
}

fn first_filled<T>(first: Vec<T>, second: List<T>) -> Vec<T> {
    if first.is_empty() { second.0 } else { first }
}

fn quota(allocations: u32, bits_per_second: u64) -> Quota {
    let mut quota = Quota::unlimited();
    quota.allocations = (allocations > 0).then_some(allocations);
    quota.bits_per_second = (bits_per_second > 0).then_some(bits_per_second);
    quota
}

/// A name and its password.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

impl FromStr for User {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                Ok(Self { name: name.to_owned(), password: password.to_owned() })
            }
            _ => Err("must be NAME:PASSWORD"),
        }
    }
}

/// Without the password.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `MIN-MAX`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct RelayPorts(pub(super) RangeInclusive<u16>);

impl FromStr for RelayPorts {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = text.split_once('-').and_then(|(low, high)| Some(low.parse().ok()?..=high.parse().ok()?));
        range
            .filter(|range| !range.is_empty() && *range.start() > 0)
            .map(Self)
            .ok_or("must be MIN-MAX, within 1 to 65535")
    }
}

impl TryFrom<String> for RelayPorts {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// One text or a list of them. What is said of a wrong one does not repeat it: it may be a secret.
struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts(PhantomData))
    }
}

struct Texts<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Texts<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<List<T>, E> {
        text.parse().map(|value| List(vec![value])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<List<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = texts.next_element::<String>()? {
            list.push(text.parse().map_err(A::Error::custom)?);
        }
        Ok(List(list))
    }
}

#[cfg(test)]
mod tests;
