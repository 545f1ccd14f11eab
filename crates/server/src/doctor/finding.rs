//! What is found: what it is, why it matters, and the line to change.

use serde::Serialize;

/// Exit code: nothing to change.
const WELL: u8 = 0;
/// Exit code: warnings, no faults.
const DOUBTFUL: u8 = 1;
/// Exit code: at least one fault.
pub(super) const FAULTY: u8 = 2;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Something to know; nothing is wrong here.
    Hint,
    /// It works for some, or not as it is meant.
    Warning,
    /// It does not work.
    Fault,
}

/// One thing found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// A word for programs; it does not change with the text.
    pub(super) code: &'static str,
    /// What was found: one line.
    pub(super) found: String,
    /// Why it matters: one line.
    pub(super) why: String,
    /// The one line to change.
    pub(super) fix: String,
}

/// All that was found, and what is well.
#[derive(Default, Debug, Serialize)]
pub(super) struct Findings {
    pub(super) findings: Vec<Finding>,
    /// Short words about what was looked at and is well.
    pub(super) well: Vec<String>,
}

impl Findings {
    pub(super) fn fault(
        &mut self,
        code: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Fault, code, found, why, fix);
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Warning, code, found, why, fix);
    }

    pub(super) fn hint(
        &mut self,
        code: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Hint, code, found, why, fix);
    }

    pub(super) fn well(&mut self, what: impl Into<String>) {
        self.well.push(what.into());
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let finding = Finding { severity, code, found: found.into(), why: why.into(), fix: fix.into() };
        self.findings.push(finding);
    }

    /// Was something of this code found?
    pub(super) fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|it| it.code == code)
    }

    /// The worst decides; hints do not count.
    pub(super) fn exit_code(&self) -> u8 {
        match self.findings.iter().map(|it| it.severity).max() {
            Some(Severity::Fault) => FAULTY,
            Some(Severity::Warning) => DOUBTFUL,
            Some(Severity::Hint) | None => WELL,
        }
    }
}
