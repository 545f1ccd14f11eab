//! Makes the table of the pages' files (`pages/`), so that they travel inside the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo")).join("pages");
    println!("cargo::rerun-if-changed={}", folder.display());

    let mut files = Vec::new();
    if folder.is_dir() {
        collect(&folder, "", &mut files);
    }
    files.sort();

    let mut table = String::from("&[\n");
    for (name, path) in &files {
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
            .expect("writing to a String");
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("pages.rs");
    fs::write(out, table).expect("OUT_DIR is writable");
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).expect("pages/ is readable") {
        let entry = entry.expect("pages/ is readable");
        let name = format!("{prefix}{}", entry.file_name().to_str().expect("page names are ASCII"));
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            files.push((name, path));
        }
    }
}
