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
    /// How long the first packets of a video frame may wait for the last; zero forwards each as it comes.
    pub coalesce: Duration,
    /// May bursts leave as one message that the kernel or the network card splits (UDP GSO)?
    pub segmentation: bool,
    /// Use only plain socket calls, one for each datagram sent.
    pub portable: bool,
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
}
