//! What every manifest says alike: the workspace's lints, edition and licence; and who may have `unsafe`.

use super::{Finding, line_of};
use crate::packages::Package;
use crate::tree::Tree;
use toml::Value;

/// The one crate whose lints are its own, since it alone may have `unsafe`.
const OWN_LINTS: &str = "crates/udp";

/// Fields of `[package]` that every package takes from the workspace.
const INHERITED: &[&str] = &["edition", "rust-version", "license"];

pub(super) fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let path = package.manifest_path();
        let text = tree.text(&path).unwrap_or_default();
        let inherits = |value: Option<&Value>| {
            value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
        };
        let lints = package.manifest.get("lints");
        if package.folder == OWN_LINTS {
            let own = lints.and_then(|lints| lints.get("rust")?.get("unsafe_code")?.as_str());
            if !inherits(lints) && own != Some("deny") {
                let what = "this crate's `unsafe_code` is neither inherited nor denied";
                findings.push(Finding::new(&path, line_of(text, "[lints"), what, "set it to \"deny\""));
            }
        } else if !inherits(lints) {
            let remedy = "add `[lints]` with `workspace = true`";
            findings.push(Finding::new(&path, 1, "the workspace's lints are not inherited", remedy));
        }
        for field in INHERITED {
            if !inherits(package.manifest.get("package").and_then(|package| package.get(field))) {
                let what = format!("`{field}` is not the workspace's");
                let remedy = format!("write `{field}.workspace = true`");
                findings.push(Finding::new(&path, line_of(text, field), what, remedy));
            }
        }
        if package.is_published {
            for field in ["description", "readme"] {
                if package.manifest.get("package").and_then(|package| package.get(field)).is_none() {
                    let what = format!("a package to be published has no `{field}`");
                    findings.push(Finding::new(&path, 1, what, "add it to [package]"));
                }
            }
        }
    }
    findings
}
