//! Who may stand on whom: strictly downward, and only what the table says.

use super::{Finding, line_of};
use crate::packages::Package;
use crate::tree::Tree;

/// Each crate, its floor, and the crates of ours that it may use. A crate that isn't here may not exist in `crates/`.
const CRATES: &[(&str, u8, &[&str])] = &[
    ("stun", 0, &[]),
    ("rtp", 0, &[]),
    ("dtls", 0, &[]),
    ("sdp", 0, &[]),
    ("ice", 1, &["stun"]),
    ("srtp", 1, &["rtp"]),
    ("turn", 1, &["stun"]),
    ("sfu", 2, &["stun", "ice", "srtp", "dtls", "rtp", "sdp"]),
    ("udp", 3, &[]),
    ("relay", 3, &["stun", "turn", "dtls", "udp"]),
    ("node", 3, &["sfu", "stun", "ice", "turn", "udp"]),
    ("server", 4, &["node", "relay", "sfu", "srtp", "udp", "stun", "ice", "turn"]),
    ("netsim", 0, &[]),
];

/// Packages beside the house: they may use any crate, and no crate may use them.
const BESIDE: &[&str] = &[
    "headwater-interop",
    "headwater-nat",
    "headwater-examples",
    "headwater-fuzz",
    "headwater-benches",
    "xtask",
];

/// What tests of every crate may use in addition.
const FOR_TESTS: &[&str] = &["netsim"];

/// Foreign packages that bring IO, a clock, threads or the system's randomness, and the lowest floor that may use them.
const FOREIGN: &[(&str, u8)] = &[
    ("tokio", 4),
    ("axum", 4),
    ("hyper", 4),
    ("clap", 4),
    ("mio", 3),
    ("socket2", 3),
    ("quinn-udp", 3),
    ("if-addrs", 3),
    ("rand", 3),
    ("getrandom", 3),
    ("fastrand", 3),
    ("anyhow", 4),
];

/// The floor of a crate, or `None` for what stands beside the house.
pub(super) fn floor(crate_name: &str) -> Option<u8> {
    CRATES.iter().find(|(name, _, _)| *name == crate_name && *name != "netsim").map(|(_, floor, _)| *floor)
}

pub(super) fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let path = package.manifest_path();
        let text = tree.text(&path).unwrap_or_default();
        let row = CRATES.iter().find(|(name, _, _)| package.folder == format!("crates/{name}"));
        let Some((name, _, allowed)) = row else {
            if !BESIDE.contains(&package.name.as_str()) {
                let remedy = "give it its place in CRATES or BESIDE of xtask/src/tidy/edges.rs";
                findings.push(Finding::new(&path, 1, "this package has no place in the house", remedy));
            }
            continue;
        };
        for dependency in &package.dependencies {
            let line = line_of(text, &dependency.name);
            let ours = packages.iter().find(|other| other.name == dependency.name);
            if let Some(other) = ours {
                let other = other.short_name();
                let is_allowed =
                    allowed.contains(&other) || (dependency.is_dev && FOR_TESTS.contains(&other));
                if !is_allowed {
                    let what = format!("`{name}` may not stand on `{other}`");
                    let remedy = "turn the edge round, or move what both need down; the table is in xtask/src/tidy/edges.rs";
                    findings.push(Finding::new(&path, line, what, remedy));
                }
            }
            let floor = floor(name).unwrap_or(0);
            let foreign = FOREIGN.iter().find(|(foreign, _)| *foreign == dependency.name);
            if let Some((foreign, lowest)) =
                foreign.filter(|(_, lowest)| floor < *lowest && !dependency.is_dev)
            {
                let what = format!("`{foreign}` on floor {floor}");
                let remedy =
                    format!("IO, clocks and randomness of that kind belong on floor {lowest} or above");
                findings.push(Finding::new(&path, line, what, remedy));
            }
        }
    }
    findings
}
