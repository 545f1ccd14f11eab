//! The project's files, as rules see them: paths from the root, and text.

use crate::steps::output;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Files by path from the root, with `/` between folders. Binary files have no text.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// What git tracks, and what it would track: everything that isn't ignored.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        for path in git(root, "ls-files -z --cached --others --exclude-standard")?.split('\0') {
            let file = root.join(path);
            if path.is_empty() || !file.is_file() {
                continue; // Deleted but not yet committed.
            }
            let bytes = std::fs::read(&file).map_err(|error| format!("{path}: {error}"))?;
            tree.files.insert(path.to_owned(), String::from_utf8(bytes).ok());
        }
        Ok(tree)
    }

    /// A tree of files given as path and text.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), Some((*text).to_owned()));
        Self { files: files.iter().map(owned).collect() }
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Text files, in the order of their paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Rust files, in the order of their paths.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }
}

/// What a git command printed; its arguments are separated by spaces.
pub(crate) fn git(root: &Path, arguments: &str) -> Result<String, String> {
    output(Command::new("git").current_dir(root).args(arguments.split_whitespace()))
}
