//! Our TURN client against coturn's `turnserver`.

mod binding;
mod relays;
mod session;
mod tcp;

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use headwater_interop::process::Process;

/// For each thing that is waited for.
const LIMIT: Duration = Duration::from_secs(15);
const USER: &str = "matrix";
const PASSWORD: &str = "secret";

/// A `turnserver` on the namespace's addresses, with one user, [`USER`].
struct Coturn {
    _process: Process,
    folder: PathBuf,
    port: u16,
}

impl Coturn {
    fn start(arguments: &[&str]) -> Self {
        Self::start_on(3478, &[&["--lt-cred-mech", "--user", "matrix:secret"], arguments].concat())
    }

    fn start_on(port: u16, arguments: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("headwater-coturn-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut command = Command::new("turnserver");
        // No file of the system's is read or written, and nothing listens but what is asked for.
        command.args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file", "stdout", "--simple-log"]);
        command.args(["--verbose", "--allow-loopback-peers", "--realm", "example.org"]);
        command.args(["--listening-port", &port.to_string()]);
        command.arg("--pidfile").arg(folder.join("pid")).arg("--db").arg(folder.join("db"));
        for address in ["127.0.0.1", "2001:db8::1"] {
            command.args(["--listening-ip", address, "--relay-ip", address]);
        }
        let process = Process::start("turnserver", command_with(command, arguments)).expect("turnserver");
        let ready = format!("IPv6. UDP listener opened on: 2001:db8::1:{port}");
        process.log().wait_for("it listens", LIMIT, |line| line.contains(&ready)).expect("it listens");
        Self { _process: process, folder, port }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

fn command_with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A peer on this address.
fn peer(ip: &str) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a socket");
    socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
    socket
}

/// What the peer hears next, and from whom.
fn heard(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2000];
    let (len, from) = peer.recv_from(&mut buffer).expect("a datagram");
    (buffer[..len].to_vec(), from)
}
