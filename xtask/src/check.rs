//! `cargo xtask check`: what to run before every commit. Builds and tests only what changed and what stands on it.

use crate::packages::{concerned, packages};
use crate::steps::{Steps, Tests, cargo};
use crate::tidy;
use crate::tree::{Tree, git};
use std::path::Path;

/// Tested only by `cargo xtask test`: it drives browsers against a release build.
const INTEROP: &str = "headwater-interop";

pub(crate) fn run(root: &Path) -> Result<(), String> {
    let packages = packages(&Tree::read(root)?)?;
    let files = changed_files(root)?;
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let concerned = concerned(&packages, &files);

    let mut steps = Steps::new();
    steps.command("format", &mut cargo(root, "fmt --all -- --check"));
    steps.run("tidy", || tidy::run(root).map(|()| Tests::default()));
    if concerned.is_empty() {
        println!("\nNo package changed: nothing to build.");
        return steps.summary();
    }
    let named: Vec<String> = concerned.iter().map(|package| format!("-p {}", package.name)).collect();
    let lints = format!("clippy --all-targets {} -- -D warnings", named.join(" "));
    if steps.command("lints", &mut cargo(root, &lints)) {
        let tested: Vec<&str> =
            named.iter().map(String::as_str).filter(|name| !name.ends_with(INTEROP)).collect();
        if !tested.is_empty() {
            steps.command("tests", &mut cargo(root, &format!("test --no-fail-fast {}", tested.join(" "))));
        }
    } else {
        steps.skip("tests", "the lints failed");
    }
    steps.summary()
}

/// Files that differ from where this branch left the main line, committed or not.
fn changed_files(root: &Path) -> Result<Vec<String>, String> {
    let main = ["origin/main", "main"]
        .into_iter()
        .find_map(|main| git(root, &format!("merge-base HEAD {main}")).ok());
    let base = main.unwrap_or_else(|| "HEAD".to_owned());
    let mut files = git(root, &format!("diff --name-only -z {base}"))?;
    files.push('\0');
    files.push_str(&git(root, "ls-files -z --others --exclude-standard")?);
    Ok(files.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
}
