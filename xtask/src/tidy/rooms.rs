//! Small rooms: a file over 400 lines is in ARCHITECTURE.md's table of large rooms, with the reason.

use super::Finding;
use super::words::is_test_path;
use crate::packages::Package;
use crate::source::lines_before_tests;
use crate::tree::Tree;
use std::collections::BTreeMap;

const MAX_LINES: usize = 400;
const ARCHITECTURE: &str = "ARCHITECTURE.md";
/// The heading, of any level, above the table: `| file | why |`.
const HEADING: &str = "large rooms";

pub(super) fn check(tree: &Tree, _packages: &[Package]) -> Vec<Finding> {
    let listed = listed(tree.text(ARCHITECTURE).unwrap_or_default());
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| is_room(path)) {
        let lines = lines_before_tests(text);
        let what = format!("{lines} lines");
        match listed.get(path) {
            None if lines > MAX_LINES => {
                let remedy = format!(
                    "move a responsibility out, or list `{path}` with the reason under \"Large rooms\" in {ARCHITECTURE}"
                );
                findings.push(Finding::new(path, MAX_LINES + 1, what, remedy));
            }
            Some((line, reason)) if lines > MAX_LINES && reason.is_empty() => {
                findings.push(Finding::new(
                    ARCHITECTURE,
                    *line,
                    format!("`{path}` has no reason"),
                    "say why it is large",
                ));
            }
            Some((line, _)) if lines <= MAX_LINES => {
                let what = format!("`{path}` is no large room any more ({lines} lines)");
                findings.push(Finding::new(ARCHITECTURE, *line, what, "take it off the table"));
            }
            _ => {}
        }
    }
    for (path, (line, _)) in listed.iter().filter(|(path, _)| tree.text(path).is_none()) {
        let what = format!("`{path}` doesn't exist");
        findings.push(Finding::new(ARCHITECTURE, *line, what, "take it off the table"));
    }
    findings
}

fn is_room(path: &str) -> bool {
    let Some((_, inside)) = path.strip_prefix("crates/").and_then(|path| path.split_once('/')) else {
        return false;
    };
    inside.starts_with("src/") && !is_test_path(inside) && (path.ends_with(".rs") || path.ends_with(".js"))
}

/// The files of the table, each with its line and its reason.
fn listed(architecture: &str) -> BTreeMap<String, (usize, String)> {
    let mut listed = BTreeMap::new();
    let mut is_here = false;
    for (index, line) in architecture.lines().enumerate() {
        if line.starts_with('#') {
            is_here = line.to_lowercase().contains(HEADING);
        }
        let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
        let file = cells.next().unwrap_or_default().trim_matches('`');
        if is_here && line.starts_with('|') && file.starts_with("crates/") {
            let reason = cells.next_back().unwrap_or_default().to_owned();
            listed.insert(file.to_owned(), (index + 1, reason));
        }
    }
    listed
}
