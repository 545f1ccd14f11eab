//! What a server needs to know.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::ConfigError;
use crate::attribute::Family;
use crate::peers::PeerPolicy;

/// What STUN allows of REALM and SOFTWARE.
const MAX_TEXT_LEN: usize = 763;
/// Keys have 32 bits, and there are two relays for each and one reserved.
const MAX_ALLOCATIONS: usize = 1 << 30;

/// What one user, and one source address, may have. `None` is no limit.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Quota {
    /// Allocations at once. Beyond: 486.
    pub allocations: Option<u32>,
    /// Bits per second of application data, both directions together, averaged over a second. Beyond: dropped and counted.
    pub bits_per_second: Option<u64>,
}

impl Quota {
    /// No limits.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { allocations: None, bits_per_second: None }
    }
}

/// What a [`Server`](crate::Server) needs to know.
#[non_exhaustive]
#[derive(Clone)]
pub struct ServerConfig {
    /// The realm of the long-term credentials. 1 to 763 bytes.
    pub realm: String,
    /// Names and passwords that are always good.
    pub users: HashMap<String, String>,
    /// Shared secrets of time-limited credentials: the user name is `expiry` or `expiry:anything` (Unix seconds), the password
    /// `base64(HMAC-SHA1(secret, user name))`. Any one of them will do, so that they can be changed one after the other.
    pub secrets: Vec<String>,
    /// What nonces are made with. Servers that share it take each other's; else random.
    pub nonce_key: [u8; 32],
    /// Value of SOFTWARE in answers to authenticated requests; none by default. At most 763 bytes.
    pub software: Option<String>,
    /// Which peers clients may talk to.
    pub peers: PeerPolicy,
    /// Families that relays can have; the first is the one for who asks for none.
    pub families: Vec<Family>,
    /// Whether TCP relays (RFC 6062) are offered.
    pub tcp_relays: bool,
    /// Whether allocations may move with their owner (RFC 8016).
    pub mobility: bool,
    /// For each user (for time-limited credentials: what stands behind the colon, else the whole name).
    pub per_user: Quota,
    /// For each source address (IPv6: for each /64).
    pub per_address: Quota,
    /// Allocations at once. Default 100,000, at most 2^30.
    pub max_allocations: usize,
    /// Longest lifetime granted, 60 s to a day. Default 1 h; the default lifetime is 10 min (RFC 8656 §3.2).
    pub max_lifetime: Duration,
    /// Where clients are sent while this server drains: the first one of the client's family.
    pub alternates: Vec<SocketAddr>,
    /// How many bytes more than it sent one source address (IPv6: one /64) may be sent each second as long as it has not proven
    /// who it is, over UDP; four times that at once. Default 16 KiB: some 160 challenges a second.
    pub unproven_bytes_per_second: u32,
    /// Listening addresses of this server: never peers, whatever the policy allows, nor are their ports at
    /// [`own_addresses`](Self::own_addresses).
    pub listeners: Vec<SocketAddr>,
    /// Addresses of this server's machine. A relay comes to them past every firewall, so only [`relay_ports`](Self::relay_ports)
    /// are peers there, unless the policy [allows](PeerPolicy::allow) the address.
    pub own_addresses: Vec<IpAddr>,
    /// Ports that relays have. Default 49152 to 65535.
    pub relay_ports: RangeInclusive<u16>,
}

impl ServerConfig {
    /// The defaults: nobody may log in, all peers of public addresses are allowed, 100 allocations for each user and 300 for each address.
    #[must_use]
    pub fn new(realm: impl Into<String>, nonce_key: [u8; 32]) -> Self {
        Self {
            realm: realm.into(),
            users: HashMap::new(),
            secrets: Vec::new(),
            nonce_key,
            software: None,
            peers: PeerPolicy::public(),
            families: vec![Family::V4, Family::V6],
            tcp_relays: true,
            mobility: true,
            per_user: Quota { allocations: Some(100), bits_per_second: None },
            per_address: Quota { allocations: Some(300), bits_per_second: None },
            max_allocations: 100_000,
            max_lifetime: Duration::from_secs(3600),
            alternates: Vec::new(),
            unproven_bytes_per_second: 16 * 1024,
            listeners: Vec::new(),
            own_addresses: Vec::new(),
            relay_ports: 49_152..=u16::MAX,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match () {
            () if self.realm.is_empty() || self.realm.len() > MAX_TEXT_LEN => {
                Err(ConfigError::OutOfRange("realm"))
            }
            () if self.software.as_ref().is_some_and(|it| it.len() > MAX_TEXT_LEN) => {
                Err(ConfigError::OutOfRange("software"))
            }
            () if self.max_allocations > MAX_ALLOCATIONS => Err(ConfigError::OutOfRange("max_allocations")),
            () if !(Duration::from_secs(60)..=Duration::from_secs(86_400)).contains(&self.max_lifetime) => {
                Err(ConfigError::OutOfRange("max_lifetime"))
            }
            () => Ok(()),
        }
    }
}
