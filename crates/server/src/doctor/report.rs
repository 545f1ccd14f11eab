//! The findings as people and as programs read them.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use super::finding::{Findings, Severity};

/// Prints to standard output.
pub(super) fn print(findings: &Findings, json: bool) {
    let text = if json { self::json(findings) } else { text(findings) };
    let mut out = io::stdout().lock();
    // A closed standard output changes nothing about the exit code.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What is well first, then what is not, the worst last: that is where people look.
pub(super) fn text(findings: &Findings) -> String {
    let mut text = format!("Headwater {} doctor\n\n", env!("CARGO_PKG_VERSION"));
    for well in &findings.well {
        let _ = writeln!(text, "  ✓ {well}");
    }
    if !findings.well.is_empty() {
        text.push('\n');
    }
    let mut sorted: Vec<_> = findings.findings.iter().collect();
    sorted.sort_by_key(|it| it.severity);
    for finding in sorted {
        let mark = match finding.severity {
            Severity::Fault => "✗ FAULT",
            Severity::Warning => "! warning",
            Severity::Hint => "· hint",
        };
        let _ = writeln!(text, "  {mark} ({}): {}", finding.code, finding.found);
        let _ = writeln!(text, "      {}", finding.why);
        let _ = writeln!(text, "    → {}\n", finding.fix);
    }
    let count = |severity| findings.findings.iter().filter(|it| it.severity == severity).count();
    let (faults, warnings) = (count(Severity::Fault), count(Severity::Warning));
    let _ = match (faults, warnings) {
        (0, 0) => writeln!(text, "All is well."),
        _ => writeln!(text, "{}, {}.", number(faults, "fault"), number(warnings, "warning")),
    };
    text
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn json(findings: &Findings) -> String {
    #[derive(Serialize)]
    struct Printed<'a> {
        version: &'static str,
        exit_code: u8,
        #[serde(flatten)]
        findings: &'a Findings,
    }
    let printed = Printed { version: env!("CARGO_PKG_VERSION"), exit_code: findings.exit_code(), findings };
    serde_json::to_string(&printed).expect("plain values become JSON") + "\n"
}
