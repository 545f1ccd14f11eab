//! `cargo xtask bench`: the benches of `benches/`, what the server does on this machine (`bench forward`), what viewers feel
//! (`bench glass`), how handshakes get through heavy loss (`bench loss`), and the comparison of two revisions in one run on one machine.

use crate::steps::{cargo, output, run as run_command};
use crate::target_dir;
use crate::tree::git;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "headwater-benches";

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let (against, name) = match arguments {
        ["forward", rest @ ..] => return forward(root, rest),
        ["loss"] => return loss(root),
        ["glass", rest @ ..] => return glass(root, rest),
        ["turn", rest @ ..] => return turn(root, rest),
        ["--against", revision] => (Some(*revision), None),
        ["--against", revision, name] => (Some(*revision), Some(*name)),
        [name] if !name.starts_with('-') => (None, Some(*name)),
        [] => (None, None),
        _ => {
            let usage = "usage: cargo xtask bench [--against REV] [NAME] | bench loss | bench forward [OPTIONS] | bench glass [OPTIONS] | bench turn [cpu] [most] [memory] [crowd] [spoof] [pairs=N]";
            return Err(usage.to_owned());
        }
    };
    let Some(revision) = against else {
        bench(root, root, name, "")?;
        return if name.is_none() { forward(root, &[]).and_then(|()| glass(root, &[])) } else { Ok(()) };
    };
    // Numbers of different days and machines can invert a conclusion, so both are measured now.
    let other = worktree(root, revision)?;
    let measured = bench(root, &other, name, "--save-baseline other")
        .and_then(|()| bench(root, root, name, "--baseline other"));
    let removed = run_command(git_worktree(root).arg("remove").arg("--force").arg(&other));
    measured.and(removed)
}

/// What the server does on this machine, beside the raw limit: the table of `headwater bench`.
fn forward(root: &Path, arguments: &[&str]) -> Result<(), String> {
    run_command(&mut cargo(root, "build --release --package headwater"))?;
    let mut command = Command::new(target_dir(root).join("release/headwater"));
    run_command(command.arg("bench").args(arguments))
}

/// How DTLS handshakes get through heavy loss: a simulation, so neither the profile nor the machine matters.
fn loss(root: &Path) -> Result<(), String> {
    let test = "recovery::handshakes_get_through_heavy_loss_in_time_and_without_a_flood";
    let mut command = cargo(root, "test --package headwater-dtls --test it -- --exact --nocapture");
    run_command(command.arg(test).env("HEADWATER_HANDSHAKES", "10000"))
}

/// What a viewer feels: delay from picture to picture, joining, clicking, and the publisher's return, in real browsers
/// through the release build, beside the same page wired directly.
fn glass(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let setup = crate::setup::run(root)?;
    run_command(&mut cargo(root, "build --release --package headwater"))?;
    let mut command = cargo(root, "run --release --package headwater-interop --bin glass --");
    command.args(arguments);
    command
        .env("HEADWATER_BIN", target_dir(root).join("release/headwater"))
        .env("HEADWATER_FFMPEG", setup.ffmpeg);
    run_command(&mut command)
}

/// `headwater turn` beside coturn: CPU time per packet, the most packets of one core, memory, crowds.
fn turn(root: &Path, arguments: &[&str]) -> Result<(), String> {
    crate::setup::run(root)?;
    run_command(&mut cargo(root, "build --release --package headwater"))?;
    let mut command = cargo(root, "run --release --package headwater-interop --bin turn --");
    command.args(arguments).env("HEADWATER_BIN", target_dir(root).join("release/headwater"));
    run_command(&mut command)
}

/// Runs the benches of the workspace at `source`, keeping criterion's numbers in the target folder of `root`.
fn bench(root: &Path, source: &Path, name: Option<&str>, options: &str) -> Result<(), String> {
    let mut command = cargo(source, "bench --package");
    command.arg(PACKAGE).env("CARGO_TARGET_DIR", target_dir(root));
    if name.is_none_or(|name| name == "handshake") && has_openssl(source)? {
        crate::setup::libssl()?;
        command.args(["--features", "openssl"]);
    }
    if let Some(name) = name {
        command.args(["--bench", name]);
    }
    if !options.is_empty() {
        command.args(["--benches", "--"]).args(options.split_whitespace());
    }
    run_command(&mut command)
}

/// Whether the benches at `source` can have OpenSSL as a row: older revisions cannot.
fn has_openssl(source: &Path) -> Result<bool, String> {
    let path = source.join("benches/Cargo.toml");
    let manifest = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let manifest: toml::Table = manifest.parse().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(manifest.get("features").is_some_and(|features| features.get("openssl").is_some()))
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
