//! The sockets that TCP connections come in at, and the media addresses beside them.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;
use tracing::warn;

use crate::config::Config;

/// Connections that wait to be accepted; the system may hold fewer.
const BACKLOG: i32 = 1024;

/// What cannot be listened on.
#[derive(Error, Debug)]
#[error("cannot listen on {address}: {error}{}", hint(error))]
pub(crate) struct PortError {
    pub(crate) address: SocketAddr,
    pub(crate) error: io::Error,
}

/// What the operator can do about it.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        // `headwater --listen 0.0.0.0:443` by somebody who is not root.
        io::ErrorKind::PermissionDenied if cfg!(target_os = "linux") => {
            " (ports below 1024 are root's; as root: setcap cap_net_bind_service=+ep $(command -v headwater))"
        }
        _ => "",
    }
}

/// What is bound, and what the node is to bind.
pub(crate) struct Ports {
    pub(crate) listeners: Vec<TcpListener>,
    /// The first listener's address: the one that links are made of.
    pub(crate) first: SocketAddr,
    pub(crate) media: Vec<SocketAddr>,
    /// Where peers are told to connect to with ICE over TCP.
    pub(crate) ice_tcp: Vec<SocketAddr>,
}

impl Ports {
    /// Binds the TCP side. With `listen`, the media addresses are those that TCP got.
    pub(crate) fn bind(config: &Config) -> Result<Self, PortError> {
        let shared = !config.listen.is_empty();
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for &address in config.tcp() {
            match listen(address, shared).and_then(|listener| Ok((listener.local_addr()?, listener))) {
                Ok((address, listener)) => {
                    bound.push(address);
                    listeners.push(listener);
                }
                Err(error) if !bound.is_empty() && is_missing_family(address, &error) => {
                    warn!(%address, %error, "no IPv6 here: connections come over IPv4 only");
                }
                Err(error) => return Err(PortError { address, error }),
            }
        }
        let first = *bound.first().expect("config: tcp() is never empty");
        // HTTP on a port of its own is often behind a proxy, which carries nothing else.
        let (media, ice_tcp) =
            if shared { (bound.clone(), bound) } else { (config.media.clone(), Vec::new()) };
        Ok(Self { listeners, first, media, ice_tcp })
    }
}

/// A shared port is of one family, as the media socket beside it is; `--http [::]:80` takes both.
pub(crate) fn listen(address: SocketAddr, one_family: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if one_family && address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart does not wait for connections of before (Windows means something else by it).
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A kernel without IPv6, asked for all of its addresses.
pub(crate) fn is_missing_family(address: SocketAddr, error: &io::Error) -> bool {
    /// `EAFNOSUPPORT` on Linux.
    const NO_FAMILY: i32 = 97;
    address.is_ipv6()
        && address.ip().is_unspecified()
        && (matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
            || error.raw_os_error() == Some(NO_FAMILY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shared_port_is_of_one_family_and_one_for_http_of_both() {
        let Ok(v6) = listen("[::]:0".parse().unwrap(), true) else { return }; // no IPv6 here
        let v4 = SocketAddr::new([0, 0, 0, 0].into(), v6.local_addr().unwrap().port());
        assert_eq!(listen(v4, true).unwrap().local_addr().unwrap(), v4);
        let both = listen("[::]:0".parse().unwrap(), false).unwrap();
        let v4 = SocketAddr::new([0, 0, 0, 0].into(), both.local_addr().unwrap().port());
        assert_eq!(listen(v4, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_port_that_only_root_may_have_comes_with_the_remedy() {
        let address = "0.0.0.0:443".parse().unwrap();
        let text = |kind: io::ErrorKind| PortError { address, error: kind.into() }.to_string();
        assert!(text(io::ErrorKind::AddrInUse).starts_with("cannot listen on 0.0.0.0:443: "));
        assert!(!text(io::ErrorKind::AddrInUse).contains("setcap"));
        let denied = text(io::ErrorKind::PermissionDenied);
        assert_eq!(denied.contains("setcap"), cfg!(target_os = "linux"), "{denied}");
    }
}
