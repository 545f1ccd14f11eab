//! Programs of ours beside the server, and the Python that others' libraries are installed for.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// An example of ours: below `HEADWATER_EXAMPLES`, or what `cargo build --release` of this workspace made.
///
/// # Errors
/// [`Error::Start`] with the remedy.
pub fn example(name: &str) -> Result<PathBuf> {
    let folder = std::env::var_os("HEADWATER_EXAMPLES").map_or_else(
        || target_dirs().into_iter().next().unwrap_or_default().join("release/examples"),
        PathBuf::from,
    );
    let path = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    existing(
        path,
        name,
        "run `cargo build --release -p headwater-examples --examples`, or set HEADWATER_EXAMPLES",
    )
}

/// The Python that has what is tested against: `HEADWATER_PYTHON`, or that of `target/interop-venv`.
///
/// # Errors
/// [`Error::Start`] with the remedy.
pub fn python() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HEADWATER_PYTHON") {
        return Ok(path.into());
    }
    let pythons = target_dirs().map(|target| target.join("interop-venv/bin/python"));
    let path = pythons.iter().find(|path| path.is_file()).unwrap_or(&pythons[0]).clone();
    existing(path, "python", "`cargo xtask test` makes it, or set HEADWATER_PYTHON to one that has pylibsrtp")
}

fn existing(path: PathBuf, program: &str, remedy: &str) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path);
    }
    let reason = format!("{} is missing: {remedy}", path.display());
    Err(Error::Start { program: program.to_owned(), reason })
}

/// Where cargo builds, and where it does without a setting.
fn target_dirs() -> [PathBuf; 2] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let usual = root.join("target");
    [std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| usual.clone(), |target| root.join(target)), usual]
}
