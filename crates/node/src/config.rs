//! Settings of a node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use headwater_sfu::{DtlsVersions, Limits, Takeover};

/// Settings of a node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Addresses to bind for media, each one UDP port for everybody. Default: port 8189 of every address, IPv4
    /// and IPv6.
    pub media: Vec<SocketAddr>,
    /// Addresses to advertise to peers; empty means those of the interfaces.
    pub advertise: Vec<IpAddr>,
    /// Threads that forward media; the viewers of each stream are spread over them. 0 means 1.
    pub workers: usize,
    /// Randomness: session ids, credentials, sequence numbers. From the operating system, once.
    pub seed: [u8; 32],
    /// What outsiders can use up, of all workers together.
    pub limits: Limits,
    /// May a second publisher take a stream over?
    pub takeover: Takeover,
    /// Which versions of DTLS are spoken. Default: both.
    pub dtls: DtlsVersions,
    /// How long the first packets of a video frame may wait for the last; zero forwards each as it comes. Where many streams
    /// have few viewers each, a worker lets media of several gather before it sends, no longer than this and 4 ms.
    pub coalesce: Duration,
    /// May bursts leave as one message that the kernel or the network card splits (UDP GSO)?
    pub segmentation: bool,
    /// Use only plain socket calls, one for each datagram sent.
    pub portable: bool,
    /// Addresses at which the owner accepts TCP connections and gives those of ICE agents to
    /// [`open_stream`](crate::Node::open_stream): peers are told that they may connect there (RFC 6544). Default: none.
    pub tcp: Vec<SocketAddr>,
    /// A TURN server on the media sockets, and on connections that the owner gives it. Its clients reach our media addresses
    /// and nothing else. Default: none.
    pub turn: Option<Turn>,
}

/// Settings of the TURN server beside the media.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Turn {
    /// The realm of its credentials.
    pub realm: String,
    /// Secrets that time-limited credentials are made with; any one of them will do.
    pub secrets: Vec<String>,
    /// What nonces are made with, the same for all workers.
    pub nonce_key: [u8; 32],
    /// Allocations that one user may have at once.
    pub allocations_per_user: u32,
    /// Allocations that one source address may have at once, `None` for no limit.
    pub allocations_per_address: Option<u32>,
}

impl Turn {
    /// The usual settings with this secret and this randomness.
    pub fn new(secret: impl Into<String>, nonce_key: [u8; 32]) -> Self {
        Self {
            realm: "headwater".into(),
            secrets: vec![secret.into()],
            nonce_key,
            allocations_per_user: 8,
            allocations_per_address: Some(256),
        }
    }
}

impl Config {
    /// The usual settings with this randomness.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            media: vec![
                SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 8189),
                SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 8189),
            ],
            advertise: Vec::new(),
            workers: 1,
            seed,
            limits: Limits::default(),
            takeover: Takeover::default(),
            dtls: DtlsVersions::default(),
            coalesce: headwater_sfu::COALESCE,
            segmentation: true,
            portable: false,
            tcp: Vec::new(),
            turn: None,
        }
    }
}

/// The node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A media address cannot be bound.
    #[error("cannot bind {address} for media: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No address for media was given, or none could be bound.
    #[error("there is no address for media")]
    NoMedia,
    /// A thread, a poller or the list of interfaces could not be had.
    #[error("the system refuses a resource: {0}")]
    System(#[from] std::io::Error),
    /// The DTLS certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// A setting cannot work.
    #[error(transparent)]
    Config(#[from] headwater_sfu::ConfigError),
    /// A setting of the TURN server cannot work.
    #[error("TURN: {0}")]
    Turn(headwater_turn::ConfigError),
}
