//! A transport address that a peer may be reached at (RFC 8445 §5.1).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use headwater_stun::Transport;

/// The only component: RTP and RTCP share one (RFC 5761), and so do DTLS and data channels.
pub(crate) const COMPONENT: u16 = 1;
/// The local preference of a candidate that is the only one of its family and kind (RFC 8445 §5.1.2.1).
pub(crate) const LOCAL_PREFERENCE: u16 = 65_535;
/// The largest priority (RFC 8445 §5.1.2); of a larger one this is taken.
pub(crate) const MAX_PRIORITY: u32 = (1 << 31) - 1;
/// The port of active TCP candidates: nobody listens there (RFC 6544 §4.5).
pub(crate) const DISCARD_PORT: u16 = 9;

/// Where a candidate comes from, best first.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An address of an interface.
    Host,
    /// An address that a peer saw during a check.
    PeerReflexive,
    /// An address that a STUN server saw.
    ServerReflexive,
    /// An address of a TURN server.
    Relayed,
}

impl CandidateKind {
    /// The type preference: what RFC 8445 §5.1.2.2 recommends, and less over TCP, so that media goes over UDP wherever
    /// that works (RFC 6544 §4.2). Browsers have the same 90 for TCP.
    const fn preference(self, transport: Transport) -> u32 {
        match (self, transport) {
            (Self::Host, Transport::Tcp) => 90,
            (Self::PeerReflexive, Transport::Tcp) => 80,
            (Self::ServerReflexive, Transport::Tcp) => 70,
            (Self::Host, _) => 126,
            (Self::PeerReflexive, _) => 110,
            (Self::ServerReflexive, _) => 100,
            (Self::Relayed, _) => 0,
        }
    }

    /// As it stands behind `typ`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::PeerReflexive => "prflx",
            Self::ServerReflexive => "srflx",
            Self::Relayed => "relay",
        }
    }
}

/// Which side opens the connection of a TCP candidate (RFC 6544 §4.5).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpType {
    /// It only opens; its port is 9.
    Active,
    /// It waits.
    Passive,
    /// Both at once.
    SimultaneousOpen,
}

/// An address, or a name that hides one.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port.
    Socket(SocketAddr),
    /// A name, such as a browser's `2b0c….local`, and a port. Nobody here resolves it: the peer is found by its
    /// own checks (peer-reflexive).
    Name {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A candidate, ours or the peer's. [`FromStr`](std::str::FromStr) and [`Display`](fmt::Display) are the value
/// of SDP's `a=candidate` line.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Equal for candidates of one kind and base: 1 to 32 characters.
    pub foundation: String,
    /// 1; 2 would be RTCP beside RTP, which agents here ignore.
    pub component: u16,
    /// UDP or TCP.
    pub transport: Transport,
    /// 1 to 2³¹−1; larger is better.
    pub priority: u32,
    /// Where it is reached.
    pub address: Address,
    /// Where it comes from.
    pub kind: CandidateKind,
    /// The base of a reflexive candidate, the mapped address of a relayed one.
    pub related: Option<SocketAddr>,
    /// For TCP only.
    pub tcp_type: Option<TcpType>,
    /// The ufrag that the line names, which tells generations apart (RFC 8839 §5.1 extension).
    pub ufrag: Option<String>,
}

impl Candidate {
    /// A host candidate over UDP.
    #[must_use]
    pub fn host(address: SocketAddr) -> Self {
        Self::new(CandidateKind::Host, address, None)
    }

    /// A candidate that a STUN server saw for `base`.
    #[must_use]
    pub fn server_reflexive(address: SocketAddr, base: SocketAddr) -> Self {
        Self::new(CandidateKind::ServerReflexive, address, Some(base))
    }

    /// A relayed candidate; `mapped` is the address that the TURN server saw.
    ///
    /// Datagrams from it have `address` as their local address: the owner passes them on by TURN. Who has several
    /// allocations of one server says how each was obtained: [`with_server`](Self::with_server).
    #[must_use]
    pub fn relayed(address: SocketAddr, mapped: SocketAddr) -> Self {
        Self::new(CandidateKind::Relayed, address, Some(mapped))
    }

    /// A candidate of ours that a peer saw for `base`.
    pub(crate) fn peer_reflexive(transport: Transport, address: SocketAddr, base: SocketAddr) -> Self {
        let this = Self::new(CandidateKind::PeerReflexive, address, Some(base));
        match transport {
            Transport::Tcp => Self { address: Address::Socket(address), ..this.with_tcp(TcpType::Active) },
            _ => this,
        }
    }

    fn new(kind: CandidateKind, address: SocketAddr, related: Option<SocketAddr>) -> Self {
        let mut this = Self {
            foundation: String::new(),
            component: COMPONENT,
            transport: Transport::Udp,
            priority: priority(kind, Transport::Udp, LOCAL_PREFERENCE),
            address: Address::Socket(address),
            kind,
            related,
            tcp_type: None,
            ufrag: None,
        };
        this.foundation = this.make_foundation(None);
        this
    }

    /// Says which STUN or TURN server a reflexive or relayed candidate was obtained from, and over which transport (TCP if
    /// that was TLS): candidates that differ there have different foundations (RFC 8445 §5.1.1.3), since one may
    /// work where the other doesn't. Give the address that the server was contacted at.
    ///
    /// ```
    /// use headwater_ice::Candidate;
    /// use headwater_stun::Transport;
    ///
    /// let server = "192.0.2.1".parse().unwrap();
    /// let [udp, tcp] = [("192.0.2.1:50000", Transport::Udp), ("192.0.2.1:50001", Transport::Tcp)]
    ///     .map(|(relayed, over)| Candidate::relayed(relayed.parse().unwrap(), "203.0.113.5:61000".parse().unwrap())
    ///         .with_server(server, over));
    /// assert_ne!(udp.foundation, tcp.foundation);
    /// ```
    #[must_use]
    pub fn with_server(mut self, server: IpAddr, over: Transport) -> Self {
        self.foundation = self.make_foundation(Some((server, over)));
        self
    }

    /// RFC 8445 §5.1.1.3: the same for the same kind, base, transport and server. FNV-1a keeps it short; a collision only
    /// delays the pairs that it ties together.
    fn make_foundation(&self, server: Option<(IpAddr, Transport)>) -> String {
        let mut hash = 0x811C_9DC5_u32;
        let mut add = |bytes: &[u8]| {
            bytes.iter().for_each(|it| hash = (hash ^ u32::from(*it)).wrapping_mul(0x0100_0193));
        };
        let mut add_ip = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => add(&ip.octets()),
            IpAddr::V6(ip) => add(&ip.octets()),
        };
        let base = self.base().or_else(|| self.socket_addr());
        base.into_iter().for_each(|it| add_ip(it.ip()));
        server.into_iter().for_each(|it| add_ip(it.0));
        add(self.kind.name().as_bytes());
        add(match server {
            Some((_, Transport::Tcp)) => b"tcp",
            _ => b"",
        });
        let prefix = if self.transport == Transport::Tcp { "t" } else { "" };
        format!("{prefix}{hash}")
    }

    /// The same candidate over TCP. An active one gets port 9, since its connections choose theirs (RFC 6544 §4.5).
    #[must_use]
    pub fn with_tcp(mut self, tcp_type: TcpType) -> Self {
        self.transport = Transport::Tcp;
        if self.tcp_type.replace(tcp_type).is_none() {
            self.foundation.insert(0, 't');
        }
        if let (TcpType::Active, Address::Socket(address)) = (tcp_type, &mut self.address) {
            address.set_port(DISCARD_PORT);
        }
        self.with_local_preference(LOCAL_PREFERENCE)
    }

    /// Sets the local preference, which orders candidates of the same kind. 65,535 by default.
    ///
    /// Over TCP the direction comes first (RFC 6544 §4.2), which leaves 13 bits: the highest 8,192 values differ there,
    /// and all below are alike. [`interleave`](crate::interleave) sets it for a whole list.
    #[must_use]
    pub fn with_local_preference(mut self, preference: u16) -> Self {
        self.set_local_preference(preference);
        self
    }

    pub(crate) fn set_local_preference(&mut self, preference: u16) {
        let preference = self.tcp_type.map_or(preference, |it| tcp_preference(self.kind, it, preference));
        self.priority = priority(self.kind, self.transport, preference);
    }

    /// The address, if it isn't a name.
    #[must_use]
    pub const fn socket_addr(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Socket(address) => Some(address),
            Address::Name { .. } => None,
        }
    }

    /// The address that datagrams of this (local) candidate leave from.
    #[must_use]
    pub const fn base(&self) -> Option<SocketAddr> {
        match (self.kind, self.related) {
            (CandidateKind::ServerReflexive | CandidateKind::PeerReflexive, Some(base)) => Some(base),
            _ => self.socket_addr(),
        }
    }
}

/// RFC 8445 §5.1.2.1: `2^24 × type preference + 2^8 × local preference + (256 − component)`.
pub(crate) const fn priority(kind: CandidateKind, transport: Transport, local_preference: u16) -> u32 {
    (kind.preference(transport) << 24) | ((local_preference as u32) << 8) | (256 - COMPONENT as u32)
}

/// The priority that a candidate of ours would have if a check found it to be peer-reflexive.
pub(crate) const fn peer_reflexive_priority(transport: Transport, base_priority: u32) -> u32 {
    (CandidateKind::PeerReflexive.preference(transport) << 24) | (base_priority & 0x00FF_FFFF)
}

/// RFC 6544 §4.2: `2^13 × direction preference + other preference`. Whoever opens connections gets through more NATs;
/// behind one, both at once would be best.
const fn tcp_preference(kind: CandidateKind, tcp_type: TcpType, preference: u16) -> u16 {
    const OTHER: u16 = (1 << 13) - 1;
    let is_reflexive = matches!(kind, CandidateKind::ServerReflexive | CandidateKind::PeerReflexive);
    let direction = match (is_reflexive, tcp_type) {
        (false, TcpType::Active) | (true, TcpType::SimultaneousOpen) => 6,
        (false, TcpType::Passive) | (true, TcpType::Active) => 4,
        (false, TcpType::SimultaneousOpen) | (true, TcpType::Passive) => 2,
    };
    (direction << 13) | OTHER.saturating_sub(LOCAL_PREFERENCE - preference)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => write!(f, "{} {}", address.ip(), address.port()),
            Self::Name { host, port } => write!(f, "{host} {port}"),
        }
    }
}
