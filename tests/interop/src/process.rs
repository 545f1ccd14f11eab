//! A child process with its output kept, ended by id and never left behind.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Lines of output kept per process; older ones are dropped.
const MAX_LINES: usize = 4_000;
/// How often a bounded wait looks again.
pub const POLL: Duration = Duration::from_millis(10);

/// The last lines that a process printed, standard output and standard error together.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Waits for a line that `wanted` accepts, whether its process still runs or not.
    ///
    /// # Errors
    /// [`Error::Timeout`] with the end of the log.
    pub fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(line) = self.find(&wanted) {
                return Ok(line);
            }
            if Instant::now() > deadline {
                return Err(Error::Timeout { what: what.to_owned(), limit, context: self.tail(40) });
            }
            std::thread::sleep(POLL);
        }
    }

    /// The first line that `wanted` accepts, of those still kept.
    pub fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|line| wanted(line)).cloned()
    }

    /// The last `count` lines, one string.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = lines.len().saturating_sub(count);
        lines.iter().skip(skip).cloned().collect::<Vec<_>>().join("\n")
    }

    fn follow(&self, output: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
    }
}

/// A running child process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    log: Log,
}

impl Process {
    /// Starts `command` without input and with its output in [`Process::log`].
    ///
    /// # Errors
    /// [`Error::Start`] if the program is missing or cannot be executed.
    pub fn start(name: &str, command: Command) -> Result<Self> {
        Self::start_with(name, command, Stdio::null())
    }

    /// The same with an open input, for [`Process::say`].
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_interactive(name: &str, command: Command) -> Result<Self> {
        Self::start_with(name, command, Stdio::piped())
    }

    fn start_with(name: &str, mut command: Command, input: Stdio) -> Result<Self> {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Error::Start {
            program: name.to_owned(),
            reason: format!("{}: {error}", command.get_program().display()),
        })?;
        let log = Log::default();
        if let Some(output) = child.stdout.take() {
            log.follow(output);
        }
        if let Some(output) = child.stderr.take() {
            log.follow(output);
        }
        let input = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, input, log })
    }

    /// Writes a line to its input.
    ///
    /// # Errors
    /// [`Error::Io`] if it has ended or was not started with an input.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let input =
            self.input.as_mut().ok_or(std::io::ErrorKind::NotConnected).map_err(std::io::Error::from)?;
        Ok(input.write_all(format!("{line}\n").as_bytes()).and_then(|()| input.flush())?)
    }

    /// What it printed.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Calls `ready` until it returns something; fails when the process ends or the limit passes.
    ///
    /// # Errors
    /// [`Error::Start`] or [`Error::Timeout`], with the end of the log.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut(&Log) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(value) = ready(&self.log) {
                return Ok(value);
            }
            if let Some(status) = self.ended() {
                std::thread::sleep(POLL * 5); // The log's readers may be a moment behind.
                return Err(Error::Start {
                    program: self.name.clone(),
                    reason: format!("{what}: ended with {status}\n{}", self.log.tail(40)),
                });
            }
            if Instant::now() > deadline {
                return Err(Error::Timeout {
                    what: format!("{}: {what}", self.name),
                    limit,
                    context: self.log.tail(40),
                });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it still runs after `limit`; it goes on running then.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                let what = format!("{} should end", self.name);
                return Err(Error::Timeout { what, limit, context: self.log.tail(40) });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks it to stop (SIGTERM) and waits for the end.
    ///
    /// # Errors
    /// As [`Process::wait_for_end`].
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        if self.ended().is_none() {
            Command::new("kill").arg("-TERM").arg(self.id().to_string()).status()?;
        }
        self.wait_for_end(limit)
    }

    /// Ends it at once (SIGKILL), as a crash or a power cut would.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
