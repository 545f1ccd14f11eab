//! The machine that the server runs on, as far as checks want to know it.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use std::time::SystemTime;

use headwater_udp::{Options, Socket};

use crate::config::Config;
use crate::files;

/// What is known of the machine. A test may put something else here than there is.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) now: SystemTime,
    /// When this program was written to its file: no honest clock is behind that.
    pub(super) program_date: Option<SystemTime>,
    pub(super) interfaces: Vec<IpAddr>,
    /// Is there a way to the Internet over IPv6?
    pub(super) routes_v6: bool,
    pub(super) cores: usize,
    /// Files and sockets that the server may have open; `None` where the system does not tell.
    pub(super) files: Option<u64>,
    /// Bytes of UDP receive buffer: asked for, and obtained.
    pub(super) receive_buffer: Option<(usize, usize)>,
    /// Docker, Podman, Kubernetes, with a network of their own: addresses here are not those of the host.
    pub(super) is_container: bool,
}

impl Machine {
    /// Looks at the one that this runs on. Raises the limit of open files as the server would.
    pub(super) fn look(config: &Config) -> Self {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        Self {
            now: SystemTime::now(),
            program_date: std::env::current_exe().and_then(fs::metadata).and_then(|it| it.modified()).ok(),
            interfaces: interfaces.into_iter().map(|interface| interface.ip().to_canonical()).collect(),
            routes_v6: routes_v6(),
            cores: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            files: Some(files::raise(config)).filter(|limit| *limit > 0),
            receive_buffer: receive_buffer(),
            is_container: is_container(),
        }
    }

    pub(super) fn has(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.interfaces.contains(&ip)
    }
}

/// Connecting a UDP socket sends nothing: the kernel only looks for the way. The address is one of the root name servers'.
fn routes_v6() -> bool {
    let anywhere = SocketAddr::from(([0u16; 8], 0));
    let far: SocketAddr = "[2001:503:ba3e::2:30]:53".parse().expect("a constant socket address");
    UdpSocket::bind(anywhere).and_then(|socket| socket.connect(far)).is_ok()
}

/// Asks as the server does, on a port that nobody uses.
fn receive_buffer() -> Option<(usize, usize)> {
    let options = Options::default();
    let socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &options).ok()?;
    Some((options.receive_buffer, socket.buffer_sizes().0))
}

fn is_container() -> bool {
    let is_marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    is_marked && !has_hardware("/sys/class/net")
}

/// Has an interface a device behind it? A container's own have none: with one it shares the host's network.
fn has_hardware(interfaces: &str) -> bool {
    fs::read_dir(interfaces).is_ok_and(|all| all.flatten().any(|it| it.path().join("device").exists()))
}
