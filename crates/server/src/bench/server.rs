//! The server measured: this program in a process of its own, so that its time and memory are nobody else's.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::cpus::Cpus;
use super::proc::{self, Threads};

/// How long it may take to print its addresses.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A running server; it is ended with the value.
pub(super) struct Server {
    child: Child,
    /// Where it speaks HTTP.
    pub(super) http: SocketAddr,
    /// Its UDP port.
    pub(super) media_port: u16,
}

impl Server {
    /// Starts `headwater serve` on free ports of loopback, with nothing of the caller's settings.
    pub(super) fn start(workers: usize, cpus: &Cpus, arguments: &[String]) -> io::Result<Self> {
        let mut command = cpus.command(std::env::current_exe()?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HEADWATER_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.args(["serve", "--http", "127.0.0.1:0", "--media", "127.0.0.1:0", "--log", "error"]);
        command.arg("--workers").arg(workers.to_string()).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().expect("it was piped");
        match addresses(output) {
            Ok((http, media_port)) => Ok(Self { child, http, media_port }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(super) fn threads(&self) -> io::Result<Threads> {
        Threads::of(&self.child.id().to_string())
    }

    pub(super) fn resident_kib(&self) -> io::Result<u64> {
        proc::resident_kib(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what the server prints at its start.
fn addresses(output: ChildStdout) -> io::Result<(SocketAddr, u16)> {
    let (sender, receiver) = channel();
    thread::Builder::new().name("banner".to_owned()).spawn(move || {
        let mut http = None;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            http = http.or_else(|| http_address(&line));
            if let (Some(http), Some(port)) = (http, media_port(&line)) {
                let _ = sender.send((http, port));
                // Reads on: the server must not meet a closed pipe.
            }
        }
    })?;
    receiver
        .recv_timeout(STARTS_WITHIN)
        .map_err(|_| io::Error::new(ErrorKind::TimedOut, "the server did not start"))
}

/// `  Watch     http://127.0.0.1:8080/watch/live`
fn http_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    rest.split('/').next()?.parse().ok()
}

/// `  Media     UDP 127.0.0.1:8189, advertised as 127.0.0.1:8189`
fn media_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("UDP ")?;
    let address: SocketAddr = rest.split(',').next()?.trim().parse().ok()?;
    Some(address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_found_in_what_the_server_prints() {
        let watch = "  Watch     http://127.0.0.1:8080/watch/live";
        assert_eq!(http_address(watch), Some("127.0.0.1:8080".parse().expect("an address")));
        let media = "  Media     UDP 127.0.0.1:8189, advertised as 127.0.0.1:8189";
        assert_eq!((media_port(media), media_port(watch)), (Some(8189), None));
    }
}
