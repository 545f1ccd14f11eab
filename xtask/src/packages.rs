//! The packages of the workspace, read from their manifests.

use crate::tree::Tree;
use std::collections::{BTreeSet, VecDeque};
use toml::{Table, Value};

/// One package of ours.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its folder, such as `crates/stun`.
    pub(crate) folder: String,
    /// Its name, such as `headwater-stun`.
    pub(crate) name: String,
    /// Whether it may be published.
    pub(crate) is_published: bool,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) manifest: Table,
}

/// A package that another names in its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Only for tests, benches and examples.
    pub(crate) is_dev: bool,
}

impl Package {
    pub(crate) fn manifest_path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// The folder's last part, which is what we call the crate: `stun`.
    pub(crate) fn short_name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }
}

/// All packages, in the order of their folders.
pub(crate) fn packages(tree: &Tree) -> Result<Vec<Package>, String> {
    let manifests = tree.texts().filter_map(|(path, text)| Some((path.strip_suffix("/Cargo.toml")?, text)));
    manifests.map(|(folder, text)| read(folder, text)).collect()
}

fn read(folder: &str, text: &str) -> Result<Package, String> {
    let manifest: Table = text.parse().map_err(|error| format!("{folder}/Cargo.toml: {error}"))?;
    let package = manifest.get("package").and_then(Value::as_table);
    let package = package.ok_or_else(|| format!("{folder}/Cargo.toml: no [package]"))?;
    let name = package.get("name").and_then(Value::as_str).unwrap_or(folder).to_owned();
    let is_published = package.get("publish").and_then(Value::as_bool).unwrap_or(true);
    let mut dependencies = named(&manifest);
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        dependencies.extend(targets.values().filter_map(Value::as_table).flat_map(named));
    }
    Ok(Package { folder: folder.to_owned(), name, is_published, dependencies, manifest })
}

/// The dependencies in one level of a manifest: its own, or those of one target.
fn named(table: &Table) -> Vec<Dependency> {
    let kinds = [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)];
    let mut found = Vec::new();
    for (kind, is_dev) in kinds {
        for (key, value) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
            let name = value.get("package").and_then(Value::as_str).unwrap_or(key);
            found.push(Dependency { name: name.to_owned(), is_dev });
        }
    }
    found
}

/// The packages that own one of the files, and all that stand on these. Files of nobody (the root's manifest, say)
/// concern all packages, unless they are only prose.
pub(crate) fn concerned<'a>(packages: &'a [Package], files: &[&str]) -> Vec<&'a Package> {
    let mut found: BTreeSet<usize> = BTreeSet::new();
    for file in files {
        let owner = packages
            .iter()
            .position(|p| file.strip_prefix(p.folder.as_str()).is_some_and(|f| f.starts_with('/')));
        match owner {
            Some(index) => drop(found.insert(index)),
            None if file.ends_with(".md") || file.starts_with('.') || *file == "LICENSE" => {}
            None => found.extend(0..packages.len()),
        }
    }
    let mut queue: VecDeque<usize> = found.iter().copied().collect();
    while let Some(below) = queue.pop_front() {
        for (index, package) in packages.iter().enumerate() {
            let stands_on = package.dependencies.iter().any(|d| d.name == packages[below].name);
            if stands_on && found.insert(index) {
                queue.push_back(index);
            }
        }
    }
    found.into_iter().map(|index| &packages[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str]) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/stun/Cargo.toml", "[package]\nname = 'headwater-stun'\n"),
            ("crates/rtp/Cargo.toml", "[package]\nname = 'headwater-rtp'\n"),
            (
                "crates/ice/Cargo.toml",
                "[package]\nname = 'headwater-ice'\n[dependencies]\nheadwater-stun.workspace = true\n",
            ),
            (
                "crates/sfu/Cargo.toml",
                "[package]\nname = 'headwater-sfu'\n[target.'cfg(unix)'.dependencies]\nx = { package = 'headwater-ice' }\n",
            ),
        ]);
        let packages = packages(&tree).unwrap();
        concerned(&packages, files).iter().map(|package| package.short_name().to_owned()).collect()
    }

    #[test]
    fn a_change_concerns_its_package_and_all_that_stand_on_it() {
        assert_eq!(names(&["crates/stun/src/lib.rs"]), ["ice", "sfu", "stun"]);
        assert_eq!(names(&["crates/rtp/README.md"]), ["rtp"]);
    }

    #[test]
    fn a_change_of_the_workspace_concerns_all_but_prose_concerns_none() {
        assert_eq!(names(&["Cargo.lock"]).len(), 4);
        assert!(names(&["README.md", "LICENSE"]).is_empty());
    }
}
