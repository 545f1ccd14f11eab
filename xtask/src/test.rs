//! `cargo xtask test`: everything, as CI runs it. Each step runs even if an earlier one failed, where that makes sense;
//! a table and the sum of the tests stand at the end.

use crate::packages::packages;
use crate::setup;
use crate::steps::{Steps, Tests, cargo};
use crate::tidy;
use crate::tree::Tree;
use std::path::Path;

/// Browsers against the release build. Outside the plain step, since it wants the machine for itself.
const INTEROP: &str = "headwater-interop";

pub(crate) fn run(root: &Path) -> Result<(), String> {
    let mut steps = Steps::new();
    let mut found = None;
    steps.run("setup", || {
        found = Some(setup::run(root)?);
        Ok(Tests::default())
    });
    steps.command("format", &mut cargo(root, "fmt --all -- --check"));
    steps.run("tidy", || tidy::run(root).map(|()| Tests::default()));
    steps.command("lints", &mut cargo(root, "clippy --workspace --all-targets -- -D warnings"));
    let mut tests = cargo(root, &format!("test --workspace --exclude {INTEROP} --no-fail-fast"));
    // The setup has brought what they need: where they can't run, that is a fault here.
    steps.command("tests", tests.env("HEADWATER_NAMESPACES", "required"));

    let is_built = steps.command("release build", &mut cargo(root, "build --release -p headwater"))
        && steps.command("examples", &mut cargo(root, "build --release -p headwater-examples --examples"));
    match found.filter(|_| is_built) {
        Some(setup) => {
            let release = crate::target_dir(root).join("release");
            let mut interop = cargo(root, &format!("test -p {INTEROP} --no-fail-fast -- --test-threads=1"));
            interop.env("HEADWATER_BIN", release.join("headwater")).env("HEADWATER_FFMPEG", setup.ffmpeg);
            interop.env("HEADWATER_EXAMPLES", release.join("examples")).env("HEADWATER_PYTHON", setup.python);
            steps.command("interop", &mut interop);
        }
        None => steps.skip("interop", "it needs the setup and the release build"),
    }
    let mut docs = cargo(root, &format!("doc --workspace --no-deps --exclude {INTEROP}"));
    steps.command("docs", docs.env("RUSTDOCFLAGS", "-D warnings"));
    steps.run("packages", || package(root));
    steps.summary()
}

/// Whether each crate that is published can be packed: its files are there, and nothing it needs has a path alone.
fn package(root: &Path) -> Result<Tests, String> {
    let packages = packages(&Tree::read(root)?)?;
    let published = packages.iter().filter(|package| package.is_published);
    let named: Vec<String> = published.map(|package| format!("-p {}", package.name)).collect();
    let command = format!("package --quiet --no-verify --allow-dirty {}", named.join(" "));
    crate::steps::run(&mut cargo(root, &command)).map(|()| Tests::default())
}
