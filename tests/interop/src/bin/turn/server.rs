//! The servers under test, and what /proc says of them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use headwater_interop::server::binary;

/// A clock tick of /proc, which is the same on all systems of today.
const TICK: Duration = Duration::from_millis(10);

/// The argument, before a port, that makes this program the raw relay.
pub(crate) const RAW: &str = "raw=";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Coturn,
    /// Relays and decides nothing: what the system's part costs.
    Raw,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "headwater",
            Self::Coturn => "coturn",
            Self::Raw => "raw",
        }
    }

    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Ours => 3578,
            Self::Coturn => 3678,
            Self::Raw => 3778,
        }
    }
}

/// A running server on the first core.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// `relays` is how many addresses from 127.0.0.1 on it relays from.
    pub(crate) fn start(kind: Kind, relays: u8) -> Result<Self, String> {
        let folder =
            std::env::temp_dir().join(format!("headwater-bench-{}-{}", kind.name(), std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]);
        let port = kind.port();
        let addresses = (1..=relays).map(|last| format!("127.0.0.{last}"));
        match kind {
            Kind::Ours => {
                command.arg(binary().map_err(|error| error.to_string())?);
                command.args(["turn", "--listen", &format!("127.0.0.1:{port}"), "--user", "u:p"]);
                command.args(["--realm", "headwater", "--workers", "1", "--log", "warn"]);
                command.args(["--user-allocations", "0", "--address-allocations", "0"]);
                command.args(["--allow-peer", "127.0.0.0/8"]);
                command.args(addresses.flat_map(|address| ["--relay-ip".to_owned(), address]));
            }
            Kind::Coturn => {
                command.args(["turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file"]);
                command.arg(folder.join("log")).args(["--simple-log", "--allow-loopback-peers", "-m", "1"]);
                command.args(["--lt-cred-mech", "--user", "u:p", "--realm", "headwater"]);
                command.args(["--listening-ip", "127.0.0.1", "--listening-port", &port.to_string()]);
                command.arg("--pidfile").arg(folder.join("pid")).arg("--db").arg(folder.join("db"));
                command.args(addresses.flat_map(|address| ["--relay-ip".to_owned(), address]));
            }
            Kind::Raw => {
                command.arg(std::env::current_exe().map_err(|error| error.to_string())?);
                command.arg(format!("{RAW}{port}"));
            }
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("{}: {error}", kind.name()))?;
        let server = Self { kind, child, folder };
        std::thread::sleep(Duration::from_secs(1));
        Ok(server)
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }

    /// User and system time so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        // The name, which may have anything in it, is in brackets.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|it| it.parse::<u32>().ok()).unwrap_or(0);
        TICK * (ticks(11) + ticks(12))
    }

    /// Resident memory, bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// `turnutils_peer` on the second core.
pub(crate) struct Peer(Child);

impl Peer {
    pub(crate) fn start() -> Result<Self, String> {
        let mut command = Command::new("taskset");
        command.args(["-c", "1", "turnutils_peer", "-L", "127.0.0.1"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        child.map(Self).map_err(|error| format!("turnutils_peer: {error}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How busy the whole machine was since, as a share of all cores; what other programs do changes what is measured.
pub(crate) struct Machine {
    busy: u64,
    all: u64,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let numbers: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .filter_map(|it| it.parse().ok())
            .collect();
        let idle = numbers.get(3).copied().unwrap_or(0) + numbers.get(4).copied().unwrap_or(0);
        let all: u64 = numbers.iter().sum();
        Self { busy: all - idle, all }
    }

    pub(crate) fn busy_since(&self) -> f64 {
        let now = Self::look();
        (now.busy - self.busy) as f64 / (now.all - self.all).max(1) as f64
    }
}
