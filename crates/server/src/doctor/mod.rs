//! `headwater doctor`: looks at an installation from its operator's side, and names the line to change.
//!
//! ```text
//!  settings + Machine
//!     │
//!     ├─ something of ours answers at the ports ─────────────────────────► probe/*  the running server
//!     ├─ the ports are free ──► Stage, the same server for that time ───► probe/*
//!     │                                                                       │ what was seen needs no guess
//!     └──────────────────────────────────────────────────────────────────► checks/*  settings, files, system
//! ```

mod checks;
mod finding;
mod holder;
mod machine;
mod options;
mod patient;
mod probe;
mod report;
mod sockets;
mod stage;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use headwater_stun::Uri;

use self::finding::Findings;
use self::machine::Machine;
pub(crate) use self::options::Options;
use self::patient::Patient;
use crate::config::{Config, ConfigError};

/// Looks, prints, and says by the exit code how it is: 0 well, 1 something to think about, 2 something is broken.
pub(crate) fn run(options: Options) -> ExitCode {
    let Options { settings, stun, json } = options;
    let findings = match Config::load(settings) {
        Ok(config) => match examine(&config, &Machine::look(&config), &stun) {
            Ok(findings) => findings,
            Err(error) => {
                eprintln!("headwater: {error}");
                return ExitCode::from(finding::FAULTY);
            }
        },
        Err(error) => unusable(&error),
    };
    report::print(&findings, json);
    ExitCode::from(findings.exit_code())
}

/// All that is to be said of these settings on this machine. `stun` are servers to ask how it looks from outside.
fn examine(config: &Config, machine: &Machine, stun: &[Uri]) -> std::io::Result<Findings> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let findings = runtime.block_on(async {
        let mut findings = Findings::default();
        let mut patient = Patient::meet(config, machine, &mut findings).await;
        patient.proven = probe::all(&patient, &mut findings).await;
        patient.outer = probe::outer::check(&patient, stun, &mut findings).await;
        checks::all(&patient, &mut findings);
        findings
    });
    runtime.shutdown_timeout(stage::FAREWELL);
    Ok(findings)
}

/// Settings that the server would not start with.
fn unusable(error: &ConfigError) -> Findings {
    let mut findings = Findings::default();
    let fix = match error {
        ConfigError::Unreadable { .. } => "--config /THE/RIGHT/headwater.toml".to_owned(),
        ConfigError::Malformed { path, .. } => {
            format!(
                "headwater config --config {}    # prints the settings once they can be read",
                path.display()
            )
        }
        ConfigError::Invalid { key, .. } => format!("{key} = ...    # in the file, or its flag"),
    };
    findings.fault("settings", error.to_string(), "The server does not start with these settings.", fix);
    findings
}
