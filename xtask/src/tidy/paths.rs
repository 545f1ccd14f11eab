//! No file names a folder of somebody's machine, or another registry than the public one.

use super::Finding;
use crate::packages::Package;
use crate::tree::Tree;

/// Beginnings of paths that exist on one machine only. Split, so that this file doesn't find itself.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("C:\\Us", "ers"),
    concat!("/tmp/ba", "sh_jobs"),
];

/// Keys that point cargo or another package manager elsewhere.
const REGISTRIES: &[&str] =
    &[concat!("replace-", "with"), concat!("index-", "url"), concat!("extra-index", "-url")];

pub(super) fn check(tree: &Tree, _packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate() {
            for place in PLACES.iter().filter(|place| begins_path(line, place)) {
                let remedy = "use a path from the workspace, or an environment variable";
                findings.push(Finding::new(
                    path,
                    index + 1,
                    format!("`{place}` exists on one machine only"),
                    remedy,
                ));
            }
            for key in REGISTRIES.iter().filter(|key| line.contains(**key)) {
                let remedy = "keep that in your own configuration";
                findings.push(Finding::new(
                    path,
                    index + 1,
                    format!("`{key}` names another registry"),
                    remedy,
                ));
            }
        }
    }
    findings
}

/// Whether the place stands in the line as the beginning of a path, not inside a longer one or an address.
fn begins_path(line: &str, place: &str) -> bool {
    let goes_before = |c: char| c.is_alphanumeric() || "/._-}~".contains(c);
    line.match_indices(place).any(|(at, _)| !line[..at].chars().next_back().is_some_and(goes_before))
}
