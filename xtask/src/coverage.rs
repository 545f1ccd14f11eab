//! `cargo xtask fuzz --coverage`: which share of the rooms that read other people's bytes is reached by the seeds of the
//! fuzz targets and their mutations, as `fuzz/tests/corpus.rs` replays them.
//!
//! Only the workspace's own crates are compiled for it: this program stands before their compiler and adds an option.

use crate::steps::{cargo, output, run as run_command};
use crate::target_dir;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The least share of regions, in percent, over the rooms of each crate.
const BAR: f64 = 90.0;
/// The rooms that parse or judge what others send, as paths below `crates/`; those of a folder are all meant.
const ROOMS: &[&str] = &[
    "dtls/src/wire.rs",
    "dtls/src/alert.rs",
    "dtls/src/message/",
    "dtls/src/extension/",
    "dtls/src/record/mod.rs",
    "dtls/src/record/ack.rs",
    "dtls/src/record/unified.rs",
    "dtls/src/cookie/",
    "dtls/src/handshake/mod.rs",
    "dtls/src/handshake/body.rs",
    "dtls/src/handshake/reassembly.rs",
    "srtp/src/header.rs",
    "srtp/src/context.rs",
    "srtp/src/stream.rs",
    "srtp/src/replay.rs",
    "stun/src/",
    "turn/src/",
    "ice/src/attribute.rs",
    "ice/src/candidate_text.rs",
    "ice/src/framing.rs",
    "ice/src/credentials.rs",
    "ice/src/answer.rs",
    "ice/src/check.rs",
    "ice/src/lite.rs",
    "ice/src/agent/incoming.rs",
    "ice/src/agent/response.rs",
];
/// The targets that feed them.
const TARGETS: [&str; 6] = ["dtls_wire", "dtls_connection", "srtp", "stun_message", "ice_agent", "turn"];
/// Says that this program is run in the place of rustc.
const WRAPS: &str = "HEADWATER_COVERAGE";

pub(crate) fn stands_before_rustc() -> bool {
    std::env::var_os(WRAPS).is_some()
}

/// Calls the compiler that cargo names, with one option more.
pub(crate) fn rustc() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(compiler) = arguments.next() else { return ExitCode::FAILURE };
    let mut command = Command::new(compiler);
    command.args(arguments).args(["-C", "instrument-coverage"]).env_remove(WRAPS);
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

pub(crate) fn run(root: &Path) -> Result<(), String> {
    let tools = tools(root)?;
    let folder = target_dir(root).join("coverage");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let program = replay(root, &folder)?;
    let merged = folder.join("merged.profdata");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    merge.args(["merge", "-sparse", "-o"]).arg(&merged).args(raw(&folder)?);
    run_command(&mut merge)?;
    let mut report = Command::new(tools.join("llvm-cov"));
    report.args(["report", "--show-branch-summary=false", "--show-functions=false"]);
    report.arg("--instr-profile").arg(&merged).arg(&program);
    judge(&output(&mut report)?)
}

/// Runs the seeds; returns the program that did.
fn replay(root: &Path, folder: &Path) -> Result<PathBuf, String> {
    let wrapper = std::env::current_exe().map_err(|error| error.to_string())?;
    let prepared = |arguments: &str| {
        let mut command = cargo(root, arguments);
        command.env("RUSTC_WORKSPACE_WRAPPER", &wrapper).env(WRAPS, "1");
        command.env("LLVM_PROFILE_FILE", folder.join("%p-%m.profraw"));
        command
    };
    let build = "test --package headwater-fuzz --test corpus --no-run";
    run_command(&mut prepared(build))?;
    let built = prepared(build).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    let name = said.lines().find_map(|line| line.trim().strip_prefix("Executable")?.split_once('('));
    let (_, name) = name.ok_or_else(|| format!("cargo does not say what it built:\n{said}"))?;
    let program = root.join(name.trim_end_matches(')'));
    let mut command = Command::new(&program);
    command.current_dir(root.join("fuzz")).args(TARGETS).arg("--exact");
    command.env("CARGO_MANIFEST_DIR", root.join("fuzz"));
    command.env("LLVM_PROFILE_FILE", folder.join("%p-%m.profraw"));
    run_command(&mut command)?;
    Ok(program)
}

fn raw(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "profraw")).collect())
}

/// Prints the rooms' lines of the report, and a sum for each crate.
fn judge(report: &str) -> Result<(), String> {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    println!("{:50} {:>8} {:>8} {:>8}", "room", "regions", "missed", "reached");
    for line in report.lines() {
        let mut columns = line.split_whitespace();
        let (Some(file), Some(regions), Some(missed)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let Some(room) = file.split("crates/").last().filter(|room| is_parsing(room)) else { continue };
        let (Ok(regions), Ok(missed)) = (regions.parse::<u64>(), missed.parse::<u64>()) else { continue };
        show(room, regions, missed);
        let sum = sums.entry(room.split('/').next().unwrap_or(room)).or_default();
        *sum = (sum.0 + regions, sum.1 + missed);
    }
    println!();
    sums.iter().for_each(|(name, (regions, missed))| show(name, *regions, *missed));
    let is_low = |(regions, missed): &(u64, u64)| percent(*regions, *missed) < BAR;
    let low: Vec<&str> = sums.iter().filter(|(_, sum)| is_low(sum)).map(|(name, _)| *name).collect();
    match (sums.is_empty(), low.is_empty()) {
        (true, _) => Err("the report has none of the rooms".to_owned()),
        (false, true) => Ok(()),
        (false, false) => Err(format!("less than {BAR} % of the regions are reached in: {}", low.join(", "))),
    }
}

fn show(name: &str, regions: u64, missed: u64) {
    println!("{name:50} {regions:>8} {missed:>8} {:>6.1} %", percent(regions, missed));
}

fn is_parsing(room: &str) -> bool {
    ROOMS.iter().any(|known| if known.ends_with('/') { room.starts_with(known) } else { room == *known })
}

fn percent(regions: u64, missed: u64) -> f64 {
    if regions == 0 { 0.0 } else { 100.0 * (regions - missed) as f64 / regions as f64 }
}

/// Where llvm-cov is: a component of the toolchain, installed if it is missing.
fn tools(root: &Path) -> Result<PathBuf, String> {
    let rustc = |what: &str| output(Command::new("rustc").current_dir(root).args(["--print", what]));
    let sysroot = rustc("sysroot")?;
    let host = rustc("host-tuple")?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib").join(host.trim()).join("bin");
    if !folder.join("llvm-cov").exists() {
        println!("installing the component llvm-tools of the toolchain, by rustup");
        run_command(Command::new("rustup").current_dir(root).args(["component", "add", "llvm-tools"]))?;
    }
    if folder.join("llvm-cov").exists() {
        Ok(folder)
    } else {
        Err(format!("no llvm-cov in {} after its installation", folder.display()))
    }
}
