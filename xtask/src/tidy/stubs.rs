//! Nothing unfinished is left behind: no stubs, no tests switched off, no notes to come back to.

use super::Finding;
use crate::packages::Package;
use crate::source::{code_lines, has_word};
use crate::tree::Tree;

const IN_CODE: &[(&str, &str)] = &[
    ("todo!", "write it, or return an error that says it is not supported"),
    ("unimplemented!", "write it, or return an error that says it is not supported"),
    ("dbg!", "remove it"),
    ("#[ignore", "make the test pass, or delete it"),
];

/// Split, so that this file doesn't find itself.
const IN_TEXT: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it, or open an issue and describe the code as it stands"),
    (concat!("FIX", "ME"), "fix it, or open an issue and describe the code as it stands"),
    (concat!("```", "ignore"), "an example compiles and runs, or is not Rust: mark it `text`"),
    (concat!("```rust,", "ignore"), "an example compiles and runs, or is not Rust: mark it `text`"),
];

pub(super) fn check(tree: &Tree, _packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        for (index, line) in code_lines(text).iter().enumerate() {
            for (word, remedy) in IN_CODE.iter().filter(|(word, _)| has_word(line, word)) {
                findings.push(Finding::new(path, index + 1, format!("`{word}`"), *remedy));
            }
        }
    }
    for (path, text) in tree.texts().filter(|(path, _)| is_ours(path)) {
        for (index, line) in text.lines().enumerate() {
            for (word, remedy) in IN_TEXT.iter().filter(|(word, _)| has_word(line, word)) {
                findings.push(Finding::new(path, index + 1, format!("`{word}`"), *remedy));
            }
        }
    }
    findings
}

fn is_ours(path: &str) -> bool {
    [".rs", ".md", ".toml", ".js", ".css", ".html"].iter().any(|end| path.ends_with(end))
}
