//! `cargo xtask fuzz`: libFuzzer over the targets of `fuzz/`, as many at a time as the machine has cores.
//!
//! The code has no `unsafe` of its own, so the address sanitizer would only slow the search down; without it
//! cargo-fuzz works with the stable compiler too. Debug assertions and overflow checks are on.

use crate::steps::{cargo, output, run as run_command};
use crate::target_dir;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Seconds for each target if nobody says otherwise.
const DEFAULT_SECONDS: u64 = 60;
/// An input that takes longer than this is a finding: the targets bound their inputs.
const MAX_SECONDS_PER_INPUT: u32 = 5;
/// A target that needs more memory than this is a finding: every map that outsiders fill is bounded.
const MAX_MEGABYTES: u32 = 1024;

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let all = targets(root)?;
    let (seconds, chosen) = match arguments {
        ["--coverage"] => return crate::coverage::run(root),
        ["--list"] => {
            println!("{}", all.join("\n"));
            return Ok(());
        }
        ["--seconds", seconds, rest @ ..] => {
            (seconds.parse().map_err(|_| format!("`{seconds}` is no number of seconds"))?, rest)
        }
        rest => (DEFAULT_SECONDS, rest),
    };
    let chosen: Vec<String> = match chosen {
        [] => all,
        [target] if all.iter().any(|known| known == target) => vec![(*target).to_owned()],
        [target] => return Err(format!("no fuzz target `{target}`; there are: {}", all.join(", "))),
        _ => {
            return Err(
                "usage: cargo xtask fuzz [--seconds N] [TARGET] | fuzz --list | fuzz --coverage".to_owned()
            );
        }
    };
    let fuzzer = Fuzzer { root, tool: cargo_fuzz(root)?, seconds };
    run_command(&mut fuzzer.command("build"))?;
    fuzzer.run_all(chosen)
}

/// The targets' names: the files in `fuzz/fuzz_targets`.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz/fuzz_targets");
    let files = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let name = |file: std::fs::DirEntry| Some(file.path().file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = files.flatten().filter_map(name).collect();
    names.sort();
    Ok(names)
}

/// Where cargo-fuzz is; installs it below the build folder if it is nowhere.
fn cargo_fuzz(root: &Path) -> Result<PathBuf, String> {
    let own = target_dir(root).join("tools");
    let candidates = [PathBuf::from("cargo-fuzz"), own.join("bin/cargo-fuzz")];
    let works = |tool: &&PathBuf| output(Command::new(tool).arg("--version")).is_ok();
    if let Some(tool) = candidates.iter().find(works) {
        return Ok(tool.clone());
    }
    println!("installing cargo-fuzz from crates.io into {}", own.display());
    run_command(cargo(root, "install cargo-fuzz --locked --root").arg(&own))?;
    let tool = own.join("bin/cargo-fuzz");
    if works(&&tool) { Ok(tool) } else { Err("cargo-fuzz doesn't run after its installation".to_owned()) }
}

struct Fuzzer<'a> {
    root: &'a Path,
    tool: PathBuf,
    seconds: u64,
}

impl Fuzzer<'_> {
    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.tool);
        command.current_dir(self.root).args([verb, "--fuzz-dir", "fuzz", "--features", "libfuzzer"]);
        command.args(["--sanitizer", "none"]).arg("--target-dir").arg(target_dir(self.root).join("fuzz"));
        // A dozen binaries for a few minutes each: linking them over crates takes longer than it gains.
        command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        command
    }

    fn run_all(&self, chosen: Vec<String>) -> Result<(), String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let total = chosen.len();
        println!("{total} targets, {} s each, {cores} at a time", self.seconds);
        let waiting = Mutex::new(chosen.into_iter());
        let failed = Mutex::new(Vec::new());
        let next = || waiting.lock().expect("no fuzzing thread panics").next();
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    while let Some(target) = next() {
                        match self.run_one(&target) {
                            Ok(summary) => println!("{target}: clean, {summary}"),
                            Err(why) => {
                                println!("{target}: FAILED: {why}");
                                failed.lock().expect("no fuzzing thread panics").push(target);
                            }
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().expect("no fuzzing thread panicked");
        println!("\n{} passed, {} failed", total - failed.len(), failed.len());
        if failed.is_empty() { Ok(()) } else { Err(format!("fuzz targets failed: {}", failed.join(", "))) }
    }

    /// Runs one target: new inputs go to a folder below the build, the seeds of the repository are only read.
    fn run_one(&self, target: &str) -> Result<String, String> {
        let found = target_dir(self.root).join("fuzz-corpus").join(target);
        std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
        let log_path = found.with_extension("log");
        let log = File::create(&log_path).map_err(|error| format!("{}: {error}", log_path.display()))?;
        let mut command = self.command("run");
        command.arg(target).arg(found).arg(self.root.join("fuzz/corpus").join(target)).arg("--");
        command.arg(format!("-max_total_time={}", self.seconds));
        command.arg(format!("-timeout={MAX_SECONDS_PER_INPUT}"));
        command.arg(format!("-rss_limit_mb={MAX_MEGABYTES}"));
        command.args(["-max_len=8192", "-print_final_stats=1"]).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(|error| error.to_string())?).stderr(log);
        let status = command.status().map_err(|error| error.to_string())?;
        let said = std::fs::read(&log_path).map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&said);
        if status.success() {
            return Ok(summary(&said));
        }
        Err(format!(
            "{}\nThe whole log is {}. Copy the artifact to fuzz/corpus/{target}/ and write a named test with its bytes.",
            tail(&said, 40),
            log_path.display()
        ))
    }
}

/// How many inputs were run, and how much code was reached.
fn summary(log: &str) -> String {
    let stat = |name: &str| log.lines().rev().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim();
    let covered = log.lines().rev().find_map(|line| line.split_once("cov: ")?.1.split_whitespace().next());
    format!(
        "{} runs ({} a second), {} edges, {} MB",
        stat("stat::number_of_executed_units:"),
        stat("stat::average_exec_per_sec:"),
        covered.unwrap_or("?"),
        stat("stat::peak_rss_mb:")
    )
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
