//! Set-ups: the first byte of an input.
//!
//! ```text
//!  bit 0: the client comes over TCP    bits 1-3: a row of SERVERS    bit 4: the client is at an IPv6 address
//!  bits 5-6: a row of USERS            bit 7: the client names its software and sends no keep-alives
//! ```

use super::peers::{SERVER_V4, SERVER_V6, address, address_v6};
use headwater_stun::Transport;
use headwater_turn::attribute::Family;
use headwater_turn::{ClientConfig, PeerPolicy, Quota, ServerConfig, password_for};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const REALM: &str = "example.org";
/// The time since 1970 when a world begins.
pub(super) const UNIX: Duration = Duration::from_secs(1_000_000);
/// A user of both servers with and without shared secrets.
pub(super) const MATRIX: (&str, &str) = ("matrix", "secret");
pub(super) const OTHER: (&str, &str) = ("other", "word");
/// Its credentials end ten minutes after the world began.
pub(super) const TIMED: &str = "1000600:timed";
pub(super) const SECRET: &str = "shared";

/// What servers differ in; the first is the default with two users.
const SERVERS: [fn(&mut ServerConfig); 6] = [
    |_| {},
    |config| config.secrets = vec!["older".to_owned(), SECRET.to_owned()],
    tight,
    |config| config.peers = PeerPolicy::only(vec![address(9, 9), address(9, 10), address_v6(9, 9)]),
    |config| {
        config.families = vec![Family::V4];
        (config.tcp_relays, config.mobility) = (false, false);
        config.alternates = vec![address(1, 3479), address_v6(1, 3479)];
    },
    |config| {
        config.families = vec![Family::V6, Family::V4];
        config.software = Some("fuzzed".to_owned());
        config.alternates = vec![address(1, 3479)];
        config.secrets = vec![SECRET.to_owned()];
        config.max_lifetime = Duration::from_secs(60);
        config.max_allocations = 2;
    },
];

/// Little of everything.
fn tight(config: &mut ServerConfig) {
    config.per_user = Quota::unlimited();
    (config.per_user.allocations, config.per_user.bits_per_second) = (Some(3), Some(8_000));
    config.per_address = Quota::unlimited();
    (config.per_address.allocations, config.per_address.bits_per_second) = (Some(2), Some(16_000));
    config.max_allocations = 4;
    config.unproven_bytes_per_second = 50;
}

/// Who our client is.
const USERS: [fn(ClientConfig) -> ClientConfig; 4] = [
    |config| config.with_credentials(MATRIX.0, MATRIX.1),
    |config| config.with_credentials(TIMED, password_for(SECRET, TIMED)),
    |config| config.with_credentials(MATRIX.0, "wrong"),
    |config| config,
];

pub(super) fn server(kind: u8) -> ServerConfig {
    let mut config = ServerConfig::new(REALM, [1; 32]);
    for (name, password) in [MATRIX, OTHER] {
        config.users.insert(name.to_owned(), password.to_owned());
    }
    config.listeners = vec![SERVER_V4, SERVER_V6];
    let policy = PeerPolicy::public().allow("192.0.2.0/24".parse().expect("a network"));
    config.peers = policy.allow("2001:db8::/32".parse().expect("a network"));
    SERVERS[usize::from(kind >> 1 & 7) % SERVERS.len()](&mut config);
    config
}

pub(super) const fn transport(kind: u8) -> Transport {
    if kind & 1 == 0 { Transport::Udp } else { Transport::Tcp }
}

pub(super) fn local(kind: u8) -> SocketAddr {
    if kind & 16 == 0 { address(2, 1) } else { address_v6(2, 1) }
}

pub(super) fn client(kind: u8) -> ClientConfig {
    let local = local(kind);
    let server = if local.is_ipv4() { SERVER_V4 } else { SERVER_V6 };
    let user = USERS[usize::from(kind >> 5 & 3)];
    let mut config = user(ClientConfig::new(transport(kind), local, server));
    if kind & 128 != 0 {
        (config.software, config.keepalive) = (Some("fuzzing".to_owned()), None);
    }
    config
}
