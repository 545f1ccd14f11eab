//! The binary as its users meet it: arguments, environment, output, signals.

mod doctor;
mod one_port;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

fn headwater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.env_clear();
    command
}

fn config(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    headwater().arg("config").args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A TOML file that goes away with the value.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("headwater-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = TempFile::new(
        "precedence",
        "http = \"127.0.0.1:3\"\nworkers = 3\nopen = true\ntakeover = \"never\"\n",
    );
    let arguments = ["--config", file.path(), "--http", "127.0.0.1:1"];
    let environment = [
        ("HEADWATER_HTTP", "127.0.0.1:2"),
        ("HEADWATER_WORKERS", "2"),
        ("HEADWATER_OPEN", "false"),
        ("HEADWATER_MEDIA", "127.0.0.1:4,[::1]:4"),
        ("HEADWATER_ADVERTISE", "192.0.2.1,media.example"),
    ];
    let output = config(&arguments, &environment);
    let printed = text(&output.stdout);
    for line in [
        "http = \"127.0.0.1:1\"",
        "workers = 2",
        "open = false",
        "takeover = \"never\"",
        "media = [\"127.0.0.1:4\", \"[::1]:4\"]",
        "advertise = [\"192.0.2.1\", \"media.example\"]",
        "tls = \"off\"",
        "log = \"info\"",
        "viewers_per_stream = 10000",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is missing in\n{printed}");
    }
}

#[test]
fn the_file_can_be_named_by_the_environment() {
    let file = TempFile::new("named", "workers = 7\n");
    let output = config(&[], &[("HEADWATER_CONFIG", file.path())]);
    assert!(text(&output.stdout).contains("workers = 7\n"));
}

#[test]
fn bad_settings_end_the_program_with_one_line_that_names_the_key() {
    let file = TempFile::new("bad", "worker = 7\n");
    let output = config(&["--config", file.path()], &[]);
    let error = text(&output.stderr);
    assert!(!output.status.success());
    assert!(
        error.starts_with("headwater: ") && error.contains("`worker`") && error.contains("line 1"),
        "{error}"
    );
    let output = config(&["--config", "/nonexistent.toml"], &[]);
    assert!(!output.status.success() && text(&output.stderr).contains("/nonexistent.toml"));
    let output = config(&[], &[("HEADWATER_TAKEOVER", "maybe")]);
    assert!(!output.status.success() && text(&output.stderr).contains("--takeover"));
}

#[test]
fn tokens_are_in_neither_the_help_nor_the_printed_settings() {
    let environment = [("HEADWATER_PUBLISH_TOKEN", "s3cret"), ("HEADWATER_ADMIN_TOKEN", "s3cret")];
    let help = headwater().arg("--help").envs(environment).output().unwrap();
    assert!(text(&help.stdout).contains("HEADWATER_PUBLISH_TOKEN"));
    for output in [help, config(&[], &environment)] {
        assert!(output.status.success());
        assert!(!text(&output.stdout).contains("s3cret"));
    }
}

/// A running server and the first lines that it printed.
struct Running {
    child: Child,
    banner: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        Self::start_only(&[&["--media", "127.0.0.1:0"], arguments].concat())
    }

    fn start_only(arguments: &[&str]) -> Self {
        let mut command = headwater();
        command.args(["--workers", "1"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut banner = String::new();
        for line in &mut lines {
            let line = line.unwrap();
            banner += &line;
            banner.push('\n');
            if line.contains("Media") {
                break;
            }
        }
        Self { child, banner }
    }

    /// The first printed URL that has this path's beginning: (host, path and query).
    fn url(&self, path: &str) -> (String, String) {
        let line =
            self.banner.lines().find(|line| line.contains(path)).unwrap_or_else(|| panic!("{}", self.banner));
        let (_, rest) = line.split_once("://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        (host.to_owned(), format!("/{path}"))
    }

    fn ask(host: &str, request: &str) -> String {
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "{request}host: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks it to end and gives its log.
    #[cfg(unix)]
    fn terminate(mut self) -> String {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        assert!(self.child.wait().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[cfg(unix)]
#[test]
fn on_loopback_no_token_is_needed_and_a_signal_ends_it_well() {
    let running = Running::start(&["--http", "127.0.0.1:0"]);
    let (host, path) = running.url("/publish/live");
    assert_eq!(path, "/publish/live");
    assert!(Running::ask(&host, "GET /healthz HTTP/1.1\r\n").starts_with("HTTP/1.1 200"));
    assert!(Running::ask(&host, "GET /api/v1/sessions HTTP/1.1\r\n").starts_with("HTTP/1.1 200"));
    let log = running.terminate();
    assert!(log.contains("shutting down") && log.contains("ended"), "{log}");
}

#[cfg(unix)]
#[test]
fn off_loopback_tokens_are_made_and_stand_in_the_links_and_nowhere_else() {
    let running = Running::start(&["--http", "0.0.0.0:0", "--advertise", "127.0.0.1", "--log", "trace"]);
    let (host, path) = running.url("/watch/live");
    let token = path.strip_prefix("/watch/live?token=").unwrap().to_owned();
    assert_eq!(token.len(), 26);
    let port = host.rsplit(':').next().unwrap();
    let host = format!("127.0.0.1:{port}");
    let list = |with: &str| Running::ask(&host, &format!("GET /api/v1/streams HTTP/1.1\r\n{with}"));
    assert!(list("").starts_with("HTTP/1.1 401"));
    assert!(list("authorization: Bearer wrong\r\n").starts_with("HTTP/1.1 401"));
    assert!(list(&format!("authorization: Bearer {token}\r\n")).starts_with("HTTP/1.1 200"));
    let log = running.terminate();
    assert!(!log.contains(&token), "the log holds a token");
}

#[cfg(unix)]
#[test]
fn open_makes_no_tokens_but_administration_stays_closed() {
    let running = Running::start(&["--http", "0.0.0.0:0", "--advertise", "127.0.0.1", "--open"]);
    let (host, path) = running.url("/watch/live");
    assert_eq!(path, "/watch/live");
    let host = format!("127.0.0.1:{}", host.rsplit(':').next().unwrap());
    assert!(Running::ask(&host, "GET /api/v1/streams HTTP/1.1\r\n").starts_with("HTTP/1.1 200"));
    assert!(Running::ask(&host, "GET /api/v1/sessions HTTP/1.1\r\n").starts_with("HTTP/1.1 401"));
    running.terminate();
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = headwater().args(["--http", &address, "--media", "127.0.0.1:0"]).output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains(&address));
}

#[cfg(target_os = "linux")]
#[test]
fn bench_serves_everybody_without_loss_and_prints_all_columns() {
    let bench = |arguments: &[&str]| {
        let arguments = [&["bench", "--workers", "1", "--seconds", "1", "--no-search"], arguments].concat();
        let output = headwater().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let table = bench(&["--viewers", "5", "--full", "2", "--profiles", "cm", "--pace"]);
    let (heading, rows) = table.split_once('\n').unwrap();
    for column in
        ["viewers", "workers", "profile", "µs/packet", "x raw", "loss %", "p99 ms", "KiB/viewer", "joins/s"]
    {
        assert!(heading.contains(column), "{column} is missing in\n{table}");
    }
    let cells: Vec<&str> = rows.split_whitespace().collect();
    assert_eq!(cells[..3], ["5", "1", "CM"], "{table}");

    let json = bench(&["--viewers", "5", "--full", "2", "--profiles", "gcm", "--json"]);
    let row: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&row["viewers"], &row["joined"]), (&5.into(), &5.into()), "{json}");
    assert_eq!(row["loss_percent"], 0.0, "{json}");
    for key in ["us_per_packet", "times_raw", "p50_ms", "p99_ms", "joins_per_second"] {
        assert!(row[key].as_f64().is_some_and(|value| value > 0.0), "{key} in {json}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn bench_says_why_it_cannot_measure() {
    let refused = |arguments: &[&str]| {
        let output = headwater().arg("bench").args(arguments).output().unwrap();
        assert!(!output.status.success());
        text(&output.stderr)
    };
    assert!(refused(&["--viewers", "0"]).contains("from 1 to"));
    assert!(refused(&["--seconds", "1000"]).contains("from 0.5 to"));
    assert!(refused(&["--client-cpus", "9999"]).contains("taskset"));
    assert!(refused(&["--viewers", "1", "--", "--no-such-flag"]).contains("--no-such-flag"));
}
