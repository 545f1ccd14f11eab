//! `cargo xtask bench`: the benches of `benches/`, and the comparison of two revisions in one run on one machine.

use crate::steps::{cargo, output, run as run_command};
use crate::target_dir;
use crate::tree::git;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "headwater-benches";

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let (against, name) = match arguments {
        ["--against", revision] => (Some(*revision), None),
        ["--against", revision, name] => (Some(*revision), Some(*name)),
        [name] if !name.starts_with('-') => (None, Some(*name)),
        [] => (None, None),
        _ => return Err("usage: cargo xtask bench [--against REV] [NAME]".to_owned()),
    };
    let Some(revision) = against else { return bench(root, root, name, "") };
    // Numbers of different days and machines can invert a conclusion, so both are measured now.
    let other = worktree(root, revision)?;
    let measured = bench(root, &other, name, "--save-baseline other")
        .and_then(|()| bench(root, root, name, "--baseline other"));
    let removed = run_command(git_worktree(root).arg("remove").arg("--force").arg(&other));
    measured.and(removed)
}

/// Runs the benches of the workspace at `source`, keeping criterion's numbers in the target folder of `root`.
fn bench(root: &Path, source: &Path, name: Option<&str>, options: &str) -> Result<(), String> {
    let mut command = cargo(source, "bench --package");
    command.arg(PACKAGE).env("CARGO_TARGET_DIR", target_dir(root));
    if let Some(name) = name {
        command.args(["--bench", name]);
    }
    if !options.is_empty() {
        command.args(["--benches", "--"]).args(options.split_whitespace());
    }
    run_command(&mut command)
}

/// Checks a revision out beside the build.
fn worktree(root: &Path, revision: &str) -> Result<PathBuf, String> {
    let commit = git(root, &format!("rev-parse --verify {revision}^{{commit}}"))?;
    let path = target_dir(root).join("bench").join(&commit);
    if path.exists() {
        run_command(git_worktree(root).arg("remove").arg("--force").arg(&path))?;
    }
    output(git_worktree(root).args(["add", "--detach"]).arg(&path).arg(&commit))?;
    Ok(path)
}

fn git_worktree(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(root).arg("worktree");
    command
}
