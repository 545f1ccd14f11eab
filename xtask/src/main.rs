//! The project's tasks, run as `cargo xtask TASK`.

mod bench;
mod check;
mod coverage;
mod fuzz;
mod packages;
mod setup;
mod source;
mod steps;
mod test;
mod tidy;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask TASK

  check                         format, lints, walls, and the tests of what changed: before every commit
  test                          everything, as CI runs it; installs the browsers and tools that it needs
  tidy                          the walls: who may know whom, what may stand where
  setup                         only installs what `test` needs
  fuzz [--seconds N] [TARGET]   runs one fuzz target, or all of them, N seconds each (default 60)
  fuzz --list                   names the fuzz targets
  fuzz --coverage               how much of the rooms that parse the seeds and their mutations reach
  bench [--against REV] [NAME]  runs the benches; with REV, both revisions in one go, and the difference
  bench loss                    handshakes over a network that loses 30 % each way: how many are done in time
  bench turn [PART]             our TURN server beside coturn: CPU a packet, most packets, memory, crowds
  bench forward [OPTIONS]       the table of `headwater bench` alone: CPU a packet, latency, memory, joins
";

fn main() -> ExitCode {
    if coverage::stands_before_rustc() {
        return coverage::rustc();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let done = match arguments.as_slice() {
        ["check"] => check::run(&root),
        ["test"] => test::run(&root),
        ["tidy"] => tidy::run(&root),
        ["setup"] => setup::run(&root).map(|_| ()),
        ["fuzz", rest @ ..] => fuzz::run(&root, rest),
        ["bench", rest @ ..] => bench::run(&root, rest),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("unknown task\n\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace: this package's parent. Cargo says it anew at each run, so that checkouts which share a
/// build folder don't check each other.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().expect("xtask lies in a folder of the workspace").to_owned()
}

/// Where cargo builds to.
fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}
