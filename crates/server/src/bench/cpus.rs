//! Which CPUs the two sides run on: any, unless told otherwise. `taskset` of util-linux does it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::process::{Command, Stdio};

/// Where the server and the raw limit run; the clients are this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Cpus {
    server: Option<String>,
}

impl Cpus {
    /// Puts this process onto the clients' CPUs.
    ///
    /// # Errors
    /// `taskset` is missing or refuses the list.
    pub(super) fn place(server: Option<String>, clients: Option<&str>) -> io::Result<Self> {
        // What this process starts would else be where the clients are.
        let server = match (server, clients) {
            (Some(server), _) => Some(server),
            (None, Some(_)) => Some(allowed()?),
            (None, None) => None,
        };
        if let Some(clients) = clients {
            taskset(&["-a", "-c", "-p", clients, &std::process::id().to_string()])?;
        }
        Ok(Self { server })
    }

    /// A command that runs on the server's CPUs, under its own process id.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match &self.server {
            None => Command::new(program),
            Some(cpus) => {
                let mut command = Command::new("taskset");
                command.args(["-c", cpus]).arg(program);
                command
            }
        }
    }

    /// Puts the calling thread onto the server's CPUs.
    pub(super) fn move_thread_to_server(&self) -> io::Result<()> {
        let Some(cpus) = &self.server else { return Ok(()) };
        let thread = fs::read_link("/proc/thread-self")?;
        let id = thread.file_name().unwrap_or_default().to_string_lossy().into_owned();
        taskset(&["-c", "-p", cpus, &id])
    }
}

fn taskset(arguments: &[&str]) -> io::Result<()> {
    let status = Command::new("taskset").args(arguments).stdout(Stdio::null()).status().map_err(|error| {
        io::Error::new(error.kind(), format!("taskset (of util-linux) is needed for CPU lists: {error}"))
    })?;
    if status.success() { Ok(()) } else { Err(io::Error::other("taskset refuses this list of CPUs")) }
}

/// The CPUs that this process may use now.
fn allowed() -> io::Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map(|list| list.trim().to_owned()).ok_or_else(|| io::Error::other("no Cpus_allowed_list in /proc"))
}
