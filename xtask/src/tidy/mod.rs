//! The walls of the house: rules that the compiler doesn't know. Each finding says what is wrong and what to do.

mod edges;
mod layout;
mod manifests;
mod paths;
mod rooms;
mod stubs;
#[cfg(test)]
mod tests;
mod words;

use crate::packages::{Package, packages};
use crate::tree::Tree;
use std::fmt;
use std::path::Path;

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// From 1.
    line: usize,
    what: String,
    remedy: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.what, self.remedy)
    }
}

/// Checks the project's files and prints what it finds.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let findings = findings(&Tree::read(root)?)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("tidy: {} findings", findings.len())) }
}

/// A rule finds what breaks it.
type Rule = fn(&Tree, &[Package]) -> Vec<Finding>;

fn findings(tree: &Tree) -> Result<Vec<Finding>, String> {
    let packages = packages(tree)?;
    let rules: [Rule; 7] = [
        edges::check,
        manifests::check,
        layout::check,
        words::check,
        stubs::check,
        paths::check,
        rooms::check,
    ];
    let mut found: Vec<Finding> = rules.iter().flat_map(|rule| rule(tree, &packages)).collect();
    found.sort();
    Ok(found)
}

/// The line of a file on which a text stands first, or 1.
fn line_of(text: &str, needle: &str) -> usize {
    text.lines().position(|line| line.contains(needle)).map_or(1, |index| index + 1)
}
