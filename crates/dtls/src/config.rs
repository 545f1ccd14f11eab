//! What the owner decides.

use std::time::Duration;

use crate::certificate::Certificate;
use crate::error::ConfigError;
use crate::event::Version;
use crate::exporter::srtp_lengths;
use crate::extension::supported_groups::NamedGroup;

/// Which end of the handshake we are (`a=setup:active` is the client, RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // a connection has two ends
pub enum Role {
    /// Speaks first.
    Client,
    /// Waits for the ClientHello.
    Server,
}

/// Settings that connections share. Build it with [`Config::new`] and change the fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Our certificate.
    pub certificate: Certificate,
    /// The oldest version that we speak. Default: DTLS 1.2.
    pub min_version: Version,
    /// The newest version that we speak. Default: DTLS 1.3.
    pub max_version: Version,
    /// Key exchange groups, best first. Default: X25519MLKEM768, X25519, secp256r1, secp384r1. The first is for DTLS 1.3
    /// alone. A client sends a share of the first, and of the second if the first is X25519MLKEM768. Where DTLS 1.2 is
    /// spoken, keep secp256r1 among them: there the list says as well which curve a certificate may be on (RFC 8422 §5.1),
    /// and ours is on that one.
    pub groups: Vec<NamedGroup>,
    /// SRTP protection profiles by IANA number (RFC 5764 §4.1.2), best first. As a server we choose our first that the
    /// client offers. Default: 7 (AEAD_AES_128_GCM), 8 (AEAD_AES_256_GCM), 1 (AES128_CM_HMAC_SHA1_80). Empty: no
    /// `use_srtp`. At most [`Config::MAX_SRTP_PROFILES`].
    pub srtp_profiles: Vec<u16>,
    /// The most bytes of UDP payload in a datagram of a handshake flight. Default 1200,
    /// range [`Config::MIN_MTU`]..=[`Config::MAX_MTU`].
    pub mtu: usize,
    /// Time until the first retransmission of a flight. Default 100 ms (RFC 6347 §4.2.4.1 says 1 s, and that
    /// delay-sensitive uses may go lower). It grows by half each time, up to 300 ms, while the handshake is younger than
    /// 5 s, then doubles up to 60 s.
    pub initial_timeout: Duration,
    /// When an unfinished handshake is given up, counted from the first message. Default 30 s.
    pub handshake_timeout: Duration,
    /// As a server, ask the client to return a cookie before anything else (RFC 6347 §4.2.1). Default `false`:
    /// in WebRTC an authenticated ICE check has already shown that the address is the peer's. A server that anybody may
    /// speak to asks before it makes a connection: [`CookieExchange`](crate::cookie::CookieExchange).
    pub require_cookie: bool,
    /// Accept any certificate of the peer, and as a server also none, when no fingerprint is given. Default `false`.
    /// The connection is then open to anybody in the middle; for tools and tests.
    pub danger_accept_any_certificate: bool,
    /// As a client, offer no other cipher suite: how a test gets at each of them.
    #[cfg(test)]
    pub(crate) only_suite: Option<u16>,
}

impl Config {
    /// The smallest [`Config::mtu`].
    pub const MIN_MTU: usize = 128;
    /// The largest [`Config::mtu`].
    pub const MAX_MTU: usize = 16_384;
    /// The most entries of [`Config::srtp_profiles`].
    pub const MAX_SRTP_PROFILES: usize = 16;

    /// The defaults, with this certificate.
    #[must_use]
    pub fn new(certificate: Certificate) -> Self {
        Self {
            certificate,
            min_version: Version::Dtls12,
            max_version: Version::Dtls13,
            groups: NamedGroup::ALL.to_vec(),
            srtp_profiles: vec![7, 8, 1],
            mtu: 1200,
            initial_timeout: Duration::from_millis(100),
            handshake_timeout: Duration::from_secs(30),
            require_cookie: false,
            danger_accept_any_certificate: false,
            #[cfg(test)]
            only_suite: None,
        }
    }

    pub(crate) fn speaks(&self, version: Version) -> bool {
        (self.min_version..=self.max_version).contains(&version)
    }

    /// The groups that DTLS 1.2 can do (draft-ietf-tls-ecdhe-mlkem: the hybrid is for 1.3).
    pub(crate) fn groups_12(&self) -> impl Iterator<Item = NamedGroup> + '_ {
        self.groups.iter().copied().filter(|group| *group != NamedGroup::X25519MLKEM768)
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !(Self::MIN_MTU..=Self::MAX_MTU).contains(&self.mtu) {
            return Err(ConfigError::Mtu);
        }
        if self.min_version > self.max_version {
            return Err(ConfigError::Versions);
        }
        let is_known = |group| NamedGroup::ALL.contains(group);
        let lacks_12 = self.speaks(Version::Dtls12) && self.groups_12().next().is_none();
        if self.groups.is_empty()
            || self.groups.len() > NamedGroup::ALL.len()
            || !self.groups.iter().all(is_known)
            || lacks_12
        {
            return Err(ConfigError::Groups);
        }
        if self.initial_timeout.is_zero() || self.initial_timeout > self.handshake_timeout {
            return Err(ConfigError::Timeout);
        }
        let profiles = &self.srtp_profiles;
        if profiles.len() > Self::MAX_SRTP_PROFILES || profiles.iter().any(|p| srtp_lengths(*p).is_none()) {
            return Err(ConfigError::SrtpProfiles);
        }
        Ok(())
    }
}
