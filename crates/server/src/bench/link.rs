//! The client side of one session: the same ICE, DTLS and SRTP that the server has, at the other end.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_sfu::{Certificate, Config, Datagram, Sfu};
use headwater_udp::{Outgoing, Received, Socket};

use super::traffic::wall_clock;

/// A client with one address.
pub(super) fn client(
    address: SocketAddr,
    certificate: &Certificate,
    profile: u16,
    number: u32,
) -> io::Result<Sfu> {
    let mut config = Config::new(certificate.clone(), vec![address]);
    config.srtp_profiles = vec![profile];
    // Nothing here is secret: the clock and the number only keep two clients apart.
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&wall_clock().to_be_bytes());
    seed[8..12].copy_from_slice(&number.to_be_bytes());
    Sfu::new(config, seed, Instant::now(), Duration::from_nanos(wall_clock())).map_err(io::Error::other)
}

/// Hands a datagram to a client. Returns `false` if it was refused.
pub(super) fn hand_in(
    sfu: &mut Sfu,
    now: Instant,
    local: SocketAddr,
    received: Received,
    contents: &mut [u8],
) -> bool {
    sfu.handle_datagram(now, Datagram::new(local, received.remote, now, contents)).is_ok()
}

/// Sends what a client has to send. `buf` is room to write in.
pub(super) fn flush(sfu: &mut Sfu, now: Instant, socket: &mut Socket, buf: &mut Vec<u8>) {
    buf.clear();
    while let Some(transmit) = sfu.poll_transmit(now, buf) {
        let message = Outgoing {
            local: Some(transmit.local.ip()),
            remote: transmit.remote,
            start: 0,
            len: transmit.len,
            segment_size: transmit.segment_size,
        };
        // What finds the buffer full is lost, as on the network, and sent again by those who need it.
        socket.send(buf, &mut [message]);
        buf.clear();
    }
}
