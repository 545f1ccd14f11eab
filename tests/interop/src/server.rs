//! The server under test: the real `headwater` binary.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;

use crate::http::{self, Answer};
use crate::process::{Log, Process};
use crate::{Error, Result};

const START_LIMIT: Duration = Duration::from_secs(10);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Process,
    http: SocketAddr,
    media_port: u16,
    scheme: &'static str,
}

impl Server {
    /// Starts it on free ports with `arguments` added, and waits until `/healthz` answers.
    ///
    /// # Errors
    /// [`Error::Start`] or [`Error::Timeout`] with the server's log.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), arguments)
    }

    /// Starts it with its HTTP side on another address than loopback.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_at(address: IpAddr, arguments: &[&str]) -> Result<Self> {
        let http = TcpListener::bind((address, 0))?.local_addr()?;
        let media_port = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port();
        Self::start_on(http, media_port, arguments)
    }

    /// Starts it on given ports, as a restart after a crash needs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_on(http: SocketAddr, media_port: u16, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(["serve", "--http", &http.to_string()]);
        command.args(["--media", &format!("0.0.0.0:{media_port}"), "--media", &format!("[::]:{media_port}")]);
        command.args(arguments);
        Self::wait_for(Process::start("headwater", command)?, http, media_port)
    }

    /// Starts it with everything on one port: a free one if that of `address` is 0.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_on_one_port(address: SocketAddr, arguments: &[&str]) -> Result<Self> {
        let http = TcpListener::bind(address)?.local_addr()?;
        let mut command = Command::new(binary()?);
        command.args(["serve", "--listen", &http.to_string()]).args(arguments);
        Self::wait_for(Process::start("headwater", command)?, http, http.port())
    }

    /// The same in the network namespace of this name, at this address.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_in_namespace(namespace: &str, listen: SocketAddr, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(binary()?);
        command.args(["serve", "--listen", &listen.to_string()]).args(arguments);
        Self::wait_for(Process::start("headwater", command)?, listen, listen.port())
    }

    /// The same inside TLS, with this certificate. Its API can't be asked from here then.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_on_one_tls_port(address: IpAddr, cert: &Path, key: &Path) -> Result<Self> {
        let http = TcpListener::bind((address, 0))?.local_addr()?;
        let mut command = Command::new(binary()?);
        command.args(["serve", "--listen", &http.to_string()]);
        command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
        let server = Self::wait_for(Process::start("headwater", command)?, http, http.port())?;
        Ok(Self { scheme: "https", ..server })
    }

    fn wait_for(process: Process, http: SocketAddr, media_port: u16) -> Result<Self> {
        let mut server = Self { process, http, media_port, scheme: "http" };
        server.process.wait_until("/healthz", START_LIMIT, |_| {
            let answer = http::request(http, "GET", "/healthz", &[], b"").ok();
            // Where TLS is wanted, plain requests are sent there.
            answer.filter(|answer| [200, 307].contains(&answer.status))
        })?;
        Ok(server)
    }

    /// The HTTP address.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The UDP port of all media.
    pub fn media_port(&self) -> u16 {
        self.media_port
    }

    /// `http://ADDRESS:PORT` (or `https`) and `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.http)
    }

    /// The WHIP endpoint of a stream.
    pub fn whip(&self, stream: &str) -> String {
        self.url(&format!("/whip/{stream}"))
    }

    /// The WHEP endpoint of a stream.
    pub fn whep(&self, stream: &str) -> String {
        self.url(&format!("/whep/{stream}"))
    }

    /// Asks it by HTTP.
    ///
    /// # Errors
    /// As [`http::request`].
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        http::request(self.http, method, path, headers, body)
    }

    /// Asks its API for JSON.
    ///
    /// # Errors
    /// As [`http::request`]; [`Error::Protocol`] for any answer but 200 with JSON.
    pub fn api(&self, path: &str) -> Result<Value> {
        let answer = self.request("GET", path, &[], b"")?;
        let value = serde_json::from_str(&answer.body).ok().filter(|_| answer.status == 200);
        value.ok_or_else(|| Error::Protocol {
            command: format!("GET {path}"),
            message: format!("{} {}", answer.status, answer.body),
        })
    }

    /// Its sessions, publishers and viewers, as its API tells them.
    ///
    /// # Errors
    /// As [`Server::api`].
    pub fn sessions(&self) -> Result<Vec<Value>> {
        Ok(self.api("/api/v1/sessions")?["sessions"].as_array().cloned().unwrap_or_default())
    }

    /// The names of its live streams, as its API tells them.
    ///
    /// # Errors
    /// As [`Server::api`].
    pub fn live_streams(&self) -> Result<Vec<String>> {
        let answer = self.api("/api/v1/streams")?;
        let streams = answer["streams"].as_array().into_iter().flatten();
        let live = streams.filter(|stream| stream["live"] == true);
        Ok(live.filter_map(|stream| stream["name"].as_str().map(str::to_owned)).collect())
    }

    /// A figure of its metrics, summed over labels; 0 if it is not there.
    ///
    /// # Errors
    /// As [`Server::api`].
    pub fn metric(&self, name: &str) -> Result<f64> {
        let answer = self.request("GET", "/metrics", &[], b"")?;
        let lines = answer.body.lines().filter_map(|line| line.strip_prefix(name));
        let lines = lines.filter(|rest| rest.starts_with([' ', '{']));
        Ok(lines.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// What it printed.
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Fails if it has ended or if a thread of it panicked.
    ///
    /// # Errors
    /// [`Error::Start`] with the log's end.
    pub fn check_alive(&mut self) -> Result<()> {
        let panicked = self.log().find(|line| line.contains("panicked at"));
        let reason = match (self.process.ended(), panicked) {
            (None, None) => return Ok(()),
            (Some(status), _) => format!("ended with {status}"),
            (None, Some(line)) => line,
        };
        let reason = format!("{reason}\n{}", self.log().tail(40));
        Err(Error::Start { program: "headwater (while running)".into(), reason })
    }

    /// Stops it gracefully (SIGTERM).
    ///
    /// # Errors
    /// [`Error::Timeout`] if it takes longer than 10 s.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.terminate(STOP_LIMIT)
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// `HEADWATER_BIN`, or what `cargo build --release` of this workspace made.
///
/// # Errors
/// [`Error::Start`] with the remedy.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HEADWATER_BIN") {
        return Ok(path.into());
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let path = root.join(target).join("release/headwater");
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Start {
        program: "headwater".into(),
        reason: format!("{} is missing: run `cargo build --release`, or set HEADWATER_BIN", path.display()),
    })
}
