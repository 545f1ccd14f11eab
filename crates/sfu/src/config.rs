//! Settings.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use headwater_dtls::{Certificate, Version};

use crate::error::SignalError;

/// May a second publisher take a stream over?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Takeover {
    /// Whoever comes last has the stream.
    Always,
    /// If the present publisher has been silent for two seconds.
    #[default]
    Stale,
    /// Only once the present publisher is gone.
    Never,
}

/// How long a publisher must have been silent to be [stale](Takeover::Stale).
pub const STALE_AFTER: Duration = Duration::from_secs(2);

impl Takeover {
    /// May a publisher be replaced who has been silent this long?
    pub fn permits(self, silence: Duration) -> bool {
        match self {
            Self::Always => true,
            Self::Stale => silence >= STALE_AFTER,
            Self::Never => false,
        }
    }
}

/// What outsiders can use up, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Streams at once.
    pub streams: usize,
    /// Viewers of one stream.
    pub viewers_per_stream: usize,
    /// Sessions from one address, publishers and viewers together; of IPv6 from one /64, which is what one subscriber has.
    /// Loopback is exempt.
    pub sessions_per_address: usize,
    /// What one publisher may send, in bits per second.
    pub publish_bitrate: u64,
    /// Sessions that have been answered but are not connected yet.
    pub pending_sessions: usize,
    /// How long a session may take to connect.
    pub connect_within: Duration,
}

impl Limits {
    /// The address that a session signalled from `from` counts for under `sessions_per_address`, if it counts.
    pub fn counts_for(from: IpAddr) -> Option<IpAddr> {
        let counted = counted_as(from);
        (!is_exempt(counted)).then_some(counted)
    }

    /// May there be another session beside what there is?
    ///
    /// # Errors
    /// [`SignalError::LimitReached`] says which limit is in the way.
    pub fn permit(&self, used: &Used) -> Result<(), SignalError> {
        let reached =
            |is_reached, limit| if is_reached { Err(SignalError::LimitReached(limit)) } else { Ok(()) };
        reached(
            used.streams.is_some_and(|streams| streams >= self.streams),
            "the server has as many streams as it permits",
        )?;
        reached(used.pending >= self.pending_sessions, "too many sessions are just being set up")?;
        reached(
            used.of_address >= self.sessions_per_address,
            "this address has as many sessions as the server permits",
        )?;
        reached(
            used.viewers.is_some_and(|viewers| viewers >= self.viewers_per_stream),
            "the stream has as many viewers as this server permits",
        )
    }
}

/// How much of the [`Limits`] is used when a session is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "made by whoever counts")]
pub struct Used {
    /// Streams that there are, if this session's would be a new one.
    pub streams: Option<usize>,
    /// Sessions that are being set up.
    pub pending: usize,
    /// Sessions of the same [address](Limits::counts_for).
    pub of_address: usize,
    /// Viewers of the stream, if this is another one.
    pub viewers: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 1000,
            viewers_per_stream: 10_000,
            sessions_per_address: 256,
            publish_bitrate: 50_000_000,
            pending_sessions: 1000,
            connect_within: Duration::from_secs(15),
        }
    }
}

/// Which versions of DTLS are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DtlsVersions {
    /// 1.3 with peers that know it, 1.2 with others.
    #[default]
    Both,
    /// 1.2 alone (RFC 6347).
    Only12,
    /// 1.3 alone (RFC 9147): peers that are older than 2024 cannot connect.
    Only13,
}

impl DtlsVersions {
    pub(crate) fn range(self) -> (Version, Version) {
        match self {
            Self::Both => (Version::Dtls12, Version::Dtls13),
            Self::Only12 => (Version::Dtls12, Version::Dtls12),
            Self::Only13 => (Version::Dtls13, Version::Dtls13),
        }
    }
}

/// How long packets of an incomplete video frame wait: as long as browsers take to send one of usual size.
pub const COALESCE: Duration = Duration::from_millis(5);

/// Tells the processor that so many bytes from an address on will be read soon.
pub type Prefetch = fn(*const u8, usize);

/// Settings of a forwarding unit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Our DTLS certificate; made once, used for all sessions.
    pub certificate: Certificate,
    /// Addresses that peers can reach us at. An answer names them as host candidates, in this order.
    pub candidates: Vec<SocketAddr>,
    /// Addresses that peers can open TCP connections to (ICE-TCP, RFC 6544): passive host candidates, behind all the others.
    /// The owner accepts the connections and takes off the framing.
    pub tcp_candidates: Vec<SocketAddr>,
    /// Which versions of DTLS are spoken. Default: both.
    pub dtls: DtlsVersions,
    /// IANA numbers of the SRTP protection profiles, best first. Default: AES-128-GCM, AES-256-GCM, AES-CM with
    /// 80-bit HMAC-SHA1 and, for old peers that have nothing else, the same with 32-bit tags.
    pub srtp_profiles: Vec<u16>,
    /// Do we take part in Cryptex (RFC 9335), which encrypts header extensions too, where an offer has it? Default: yes.
    pub cryptex: bool,
    /// May a second publisher take a stream over?
    pub takeover: Takeover,
    /// What outsiders can use up.
    pub limits: Limits,
    /// How long the first packets of a video frame may wait for the last, so that the frame leaves as one message for each
    /// viewer. Zero forwards each as it comes. Default: [`COALESCE`].
    pub coalesce: Duration,
    /// How to fetch ahead into the cache what the next viewers need, if the owner has a way (the unit itself has no unsafe
    /// code). With hundreds of viewers it is the larger part of the time that forwarding takes beside encryption.
    pub prefetch: Option<Prefetch>,
    /// Which of several units on one port this is. Our ICE user fragments begin with it, so that they differ.
    pub worker: u8,
    /// Do other units on the port share the streams? Then [`Limits`] on what one stream, one address and the whole server
    /// may use are the owner's to hold, who knows all units, and a publisher who is connected has the stream only after
    /// [`begin_publishing`](crate::Sfu::begin_publishing). Default: no.
    pub shares_streams: bool,
}

impl Config {
    /// The usual settings with this certificate and these addresses.
    pub fn new(certificate: Certificate, candidates: Vec<SocketAddr>) -> Self {
        Self {
            certificate,
            candidates,
            tcp_candidates: Vec::new(),
            dtls: DtlsVersions::default(),
            srtp_profiles: vec![7, 8, 1, 2],
            cryptex: true,
            takeover: Takeover::default(),
            limits: Limits::default(),
            coalesce: COALESCE,
            prefetch: None,
            worker: 0,
            shares_streams: false,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.srtp_profiles.is_empty() {
            return Err(ConfigError::NoSrtpProfile);
        }
        let mut candidates = self.candidates.iter().chain(&self.tcp_candidates);
        match candidates.find(|address| address.ip().is_unspecified() || address.port() == 0) {
            Some(address) => Err(ConfigError::NotReachable(*address)),
            None => Ok(()),
        }
    }
}

/// A setting that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No SRTP protection profile is left.
    #[error("no SRTP protection profile is enabled")]
    NoSrtpProfile,
    /// A candidate that nobody can send to.
    #[error("{0} is no address that a peer can send to")]
    NotReachable(SocketAddr),
}

/// Is the address one of this machine only?
pub(crate) fn is_exempt(address: IpAddr) -> bool {
    address.is_loopback()
}

/// The address that a session counts for.
pub(crate) fn counted_as(address: IpAddr) -> IpAddr {
    /// What one subscriber gets (RFC 6177 §2): anybody has 2^64 addresses.
    const PREFIX: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6((u128::from(address) & PREFIX).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_counts_as_one_however_many_addresses_it_has() {
        for (address, counted) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
            ("::1", "::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            let counted_here = counted_as(address.parse().expect("an address"));
            assert_eq!(counted_here.to_string(), counted, "{address}");
        }
    }
}
