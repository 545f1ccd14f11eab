//! Where things lie: a README for each crate, one test binary, few fuzz targets with seeds.

use super::Finding;
use crate::packages::Package;
use crate::tree::Tree;

/// More targets than anybody runs long enough are worth less than a few broad ones.
const MAX_FUZZ_TARGETS: usize = 12;

pub(super) fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| package.folder.starts_with("crates/")) {
        readme(tree, package, &mut findings);
        for path in tree.paths() {
            let inside =
                path.strip_prefix(package.folder.as_str()).and_then(|path| path.strip_prefix("/tests/"));
            if inside.is_some_and(|name| !name.contains('/') && name.ends_with(".rs")) {
                let remedy = "make it a module of tests/it/main.rs";
                findings.push(Finding::new(
                    path,
                    1,
                    "a second test binary links the whole stack again",
                    remedy,
                ));
            }
        }
    }
    fuzz_targets(tree, &mut findings);
    findings
}

fn readme(tree: &Tree, package: &Package, findings: &mut Vec<Finding>) {
    let path = format!("{}/README.md", package.folder);
    if tree.text(&path).is_none_or(|text| text.trim().is_empty()) {
        let remedy = "say what it is, which RFCs it covers, and show one example";
        findings.push(Finding::new(&path, 1, "this crate has no README", remedy));
    }
    let lib = format!("{}/src/lib.rs", package.folder);
    if tree.text(&lib).is_some_and(|text| !text.contains("include_str!(\"../README.md\")")) {
        let remedy = "begin with #![doc = include_str!(\"../README.md\")]";
        findings.push(Finding::new(&lib, 1, "the crate's docs are not its README", remedy));
    }
}

fn fuzz_targets(tree: &Tree, findings: &mut Vec<Finding>) {
    let name = |path: &str| path.strip_prefix("fuzz/fuzz_targets/")?.strip_suffix(".rs").map(str::to_owned);
    let targets: Vec<String> = tree.paths().filter_map(name).collect();
    if targets.len() > MAX_FUZZ_TARGETS {
        let what = format!("{} fuzz targets, more than {MAX_FUZZ_TARGETS}", targets.len());
        let remedy = "make one of them a row of another's table";
        findings.push(Finding::new("fuzz/Cargo.toml", 1, what, remedy));
    }
    for target in targets {
        let seeds = format!("fuzz/corpus/{target}/");
        if !tree.paths().any(|path| path.starts_with(&seeds)) {
            let path = format!("fuzz/fuzz_targets/{target}.rs");
            let remedy = format!("put a few into {seeds}");
            findings.push(Finding::new(&path, 1, "this fuzz target has no seeds", remedy));
        }
    }
}
