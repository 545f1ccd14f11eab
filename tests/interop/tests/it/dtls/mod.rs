//! `dtls_echo` against other implementations, in both roles: data goes both ways, and both ends export the same keys.

mod aiortc;
mod dimpl;
mod gnutls;
mod openssl;

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use headwater_interop::process::Process;
use headwater_interop::tools::example;
use serde_json::Value;

/// For each thing that is waited for.
const LIMIT: Duration = Duration::from_secs(15);
/// RFC 5764 §4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";
const LINE: &str = "hello";

/// A `dtls_echo` of ours.
struct Echo(Process);

impl Echo {
    /// Waits for peers; returns the port, too.
    fn listen(arguments: &[&str]) -> (Self, u16) {
        let echo = Self::start(&[&["--listen", "127.0.0.1:0"], arguments].concat());
        let line = echo.0.log().wait_for("it listens", LIMIT, |line| line.starts_with("listening on "));
        let line = line.expect("dtls_echo");
        (echo, line.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port"))
    }

    /// Connects to a peer and sends [`LINE`].
    fn connect(port: u16, arguments: &[&str]) -> Self {
        let peer = format!("127.0.0.1:{port}");
        Self::start(&[&["--connect", &peer, "--send", LINE], arguments].concat())
    }

    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(example("dtls_echo").expect("the example"));
        command.args(arguments);
        Self(Process::start("dtls_echo", command).expect("dtls_echo"))
    }

    /// What it agreed on with its first peer.
    fn agreed(&self) -> Value {
        let line = self.0.log().wait_for("dtls_echo connects", LIMIT, |line| line.starts_with('{'));
        serde_json::from_str(&line.expect("a handshake")).expect("JSON")
    }

    /// That the line came back, and that it ended well.
    fn has_its_echo(&mut self) {
        self.0.log().wait_for("the echo", LIMIT, |line| line == LINE).expect("the line comes back");
        let status = self.0.wait_for_end(LIMIT).expect("it ends");
        assert!(status.success(), "{}", self.0.log().tail(40));
    }
}

/// A UDP port of loopback that nobody has.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    socket.expect("a port").port()
}

/// A self-signed certificate with its key in files of their own, removed at the end.
struct Identity(PathBuf);

impl Identity {
    /// `kind` as `openssl req -newkey` takes it.
    fn new(kind: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("headwater-dtls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let identity = Self(folder);
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes", "-subj", "/CN=peer", "-days", "2", "-newkey", kind]);
        if kind == "ec" {
            command.args(["-pkeyopt", "ec_paramgen_curve:P-256"]);
        }
        command.arg("-keyout").arg(identity.key()).arg("-out").arg(identity.certificate());
        let output = command.output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        identity
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file of this package.
fn of_package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
