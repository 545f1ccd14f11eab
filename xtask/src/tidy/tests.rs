//! Each rule catches a violation planted in an otherwise tidy tree.

use super::findings;
use crate::tree::Tree;

const MANIFEST: &str = "[package]
name = \"headwater-ice\"
description = \"d\"
readme = \"README.md\"
edition.workspace = true
rust-version.workspace = true
license.workspace = true

[dependencies]
headwater-stun.workspace = true

[lints]
workspace = true
";
const LIB: &str = "#![doc = include_str!(\"../README.md\")]\n";

/// A small tidy project, with one more file or another version of one.
fn tree(planted: &[(&str, &str)]) -> Tree {
    let stun =
        MANIFEST.replace("headwater-ice", "headwater-stun").replace("headwater-stun.workspace = true", "");
    let mut files = vec![
        ("crates/ice/Cargo.toml", MANIFEST),
        ("crates/ice/README.md", "# ice"),
        ("crates/ice/src/lib.rs", LIB),
        ("crates/stun/Cargo.toml", &stun),
        ("crates/stun/README.md", "# stun"),
        ("crates/stun/src/lib.rs", LIB),
    ];
    files.retain(|(path, _)| planted.iter().all(|(other, _)| other != path));
    files.extend_from_slice(planted);
    Tree::of(&files)
}

/// Plants a file and expects exactly one finding, which begins with `place` and contains `what`.
#[track_caller]
fn check(path: &str, text: &str, place: &str, what: &str) {
    let found: Vec<String> =
        findings(&tree(&[(path, text)])).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(place) && found[0].contains(what), "{}", found[0]);
}

/// Plants a file and expects no finding.
#[track_caller]
fn check_tidy(path: &str, text: &str) {
    let found: Vec<String> =
        findings(&tree(&[(path, text)])).unwrap().iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_tree_that_violations_are_planted_in_is_tidy() {
    check_tidy("crates/ice/src/agent.rs", "//! Nothing.\n");
}

#[test]
fn an_upward_edge_is_found() {
    let upward =
        MANIFEST.replace("headwater-ice", "headwater-stun").replace("headwater-stun.w", "headwater-ice.w");
    let place = "crates/stun/Cargo.toml:10: ";
    check("crates/stun/Cargo.toml", &upward, place, "`stun` may not stand on `ice`");
}

#[test]
fn an_edge_for_tests_follows_the_same_table() {
    let sideways = format!("{MANIFEST}\n[dev-dependencies]\nheadwater-rtp.workspace = true\n");
    let rtp =
        MANIFEST.replace("headwater-ice", "headwater-rtp").replace("headwater-stun.workspace = true", "");
    let planted = [
        ("crates/ice/Cargo.toml", sideways.as_str()),
        ("crates/rtp/Cargo.toml", rtp.as_str()),
        ("crates/rtp/README.md", "# rtp"),
    ];
    let found = findings(&tree(&planted)).unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].what.contains("`ice` may not stand on `rtp`"));
}

#[test]
fn a_crate_without_a_place_is_found() {
    let shared = MANIFEST.replace("headwater-ice", "headwater-common");
    let planted = [("crates/common/Cargo.toml", shared.as_str()), ("crates/common/README.md", "# common")];
    let found = findings(&tree(&planted)).unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].what.contains("no place in the house"));
}

#[test]
fn a_foreign_crate_with_io_is_found_below_its_floor() {
    let manifest = MANIFEST.replace("[lints]", "[dependencies.tokio]\nversion = \"1\"\n\n[lints]");
    check("crates/ice/Cargo.toml", &manifest, "crates/ice/Cargo.toml:12: ", "`tokio` on floor 1");
}

#[test]
fn lints_that_are_not_inherited_are_found() {
    let manifest = MANIFEST.replace("[lints]\nworkspace = true\n", "");
    check("crates/ice/Cargo.toml", &manifest, "crates/ice/Cargo.toml:1: ", "lints are not inherited");
}

#[test]
fn an_own_licence_is_found() {
    let manifest = MANIFEST.replace("license.workspace = true", "license = \"MIT\"");
    check(
        "crates/ice/Cargo.toml",
        &manifest,
        "crates/ice/Cargo.toml:7: ",
        "`license` is not the workspace's",
    );
}

#[test]
fn clocks_sockets_randomness_and_globals_are_found_in_machines() {
    for word in ["Instant::now", "SystemTime", "tokio", "thread_rng", "static mut", "OnceLock", "TcpStream"] {
        let source = format!("//! x\nfn f() {{ {word}; }}\n");
        check(
            "crates/ice/src/agent.rs",
            &source,
            "crates/ice/src/agent.rs:2: ",
            &format!("`{word}` on floor 1"),
        );
    }
}

#[test]
fn words_in_comments_strings_and_tests_are_not_found() {
    check_tidy("crates/ice/src/agent.rs", "//! Never `Instant::now()`.\nconst A: &str = \"SystemTime\";\n");
    check_tidy(
        "crates/ice/src/agent.rs",
        "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    fn now() { Instant::now(); }\n}\n",
    );
    check_tidy("crates/ice/src/agent/tests.rs", "fn now() { Instant::now(); }\n");
    check_tidy("crates/ice/tests/it/main.rs", "fn now() { Instant::now(); }\n");
    check_tidy("examples/src/bin/echo.rs", "fn main() { Instant::now(); UdpSocket; }\n");
}

#[test]
fn sleeping_tests_are_found() {
    let path = "crates/ice/tests/it/main.rs";
    check(path, "fn f() { thread::sleep(x); }\n", "crates/ice/tests/it/main.rs:1: ", "`thread::sleep`");
}

#[test]
fn unsafe_is_found_outside_udp() {
    check("examples/src/lib.rs", "fn f() {\n    unsafe { g() }\n}\n", "examples/src/lib.rs:2: ", "`unsafe`");
    check_tidy("crates/udp/src/linux.rs", "fn f() {\n    unsafe { g() }\n}\n");
}

#[test]
fn stubs_and_switched_off_tests_are_found() {
    for stub in ["todo!", "unimplemented!", "dbg!"] {
        let source = format!("fn f() {{\n    {stub}()\n}}\n");
        check("crates/ice/src/agent.rs", &source, "crates/ice/src/agent.rs:2: ", stub);
    }
    check(
        "crates/ice/tests/it/main.rs",
        "#[test]\n#[ignore]\nfn f() {}\n",
        "crates/ice/tests/it/main.rs:2: ",
        "#[ignore",
    );
    let note = concat!("// TO", "DO: later\n");
    check("crates/ice/src/agent.rs", note, "crates/ice/src/agent.rs:1: ", "open an issue");
}

#[test]
fn machine_paths_are_found_in_any_text() {
    let path = concat!("see /ho", "me/somebody/notes\n");
    check("CONTRIBUTING.md", path, "CONTRIBUTING.md:1: ", "exists on one machine only");
    check_tidy("CONTRIBUTING.md", concat!("see https://example.com/ho", "me/x\n"));
}

#[test]
fn a_large_room_is_found_unless_it_is_listed_with_a_reason() {
    let large = "fn f() {}\n".repeat(401);
    let path = "crates/ice/src/agent.rs";
    check(path, &large, "crates/ice/src/agent.rs:401: ", "401 lines");

    let with = |architecture: &str, room: &str| {
        let found = findings(&tree(&[(path, room), ("ARCHITECTURE.md", architecture)])).unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let table =
        "# A\n## Large rooms\n| file | why |\n|---|---|\n| `crates/ice/src/agent.rs` | one state machine |\n";
    assert_eq!(with(table, &large), [""; 0]);
    let no_reason = with(&table.replace("one state machine", ""), &large);
    assert!(no_reason[0].contains("has no reason"), "{no_reason:?}");
    assert!(with(table, "fn f() {}\n")[0].starts_with("ARCHITECTURE.md:5: "));
    assert!(with(&table.replace("Large rooms", "Code map"), &large)[0].contains("401 lines"));
}

#[test]
fn tests_at_the_end_of_a_room_do_not_count() {
    let room =
        format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(300), "fn g() {}\n".repeat(300));
    check_tidy("crates/ice/src/agent.rs", &room);
}

#[test]
fn a_second_test_binary_is_found() {
    check("crates/ice/tests/other.rs", "", "crates/ice/tests/other.rs:1: ", "second test binary");
}

#[test]
fn a_crate_without_a_readme_is_found() {
    check("crates/ice/README.md", "\n", "crates/ice/README.md:1: ", "no README");
    check("crates/ice/src/lib.rs", "//! Ice.\n", "crates/ice/src/lib.rs:1: ", "docs are not its README");
}

#[test]
fn too_many_fuzz_targets_and_targets_without_seeds_are_found() {
    let paths: Vec<String> = (0..13).map(|n| format!("fuzz/fuzz_targets/t{n}.rs")).collect();
    let seeds: Vec<String> = (0..13).map(|n| format!("fuzz/corpus/t{n}/a")).collect();
    let mut planted: Vec<(&str, &str)> = paths.iter().chain(&seeds).map(|path| (path.as_str(), "")).collect();
    let found = findings(&tree(&planted)).unwrap();
    assert!(found.len() == 1 && found[0].what.contains("13 fuzz targets"), "{found:#?}");
    planted.truncate(2);
    let found = findings(&tree(&planted)).unwrap();
    assert!(found.len() == 2 && found[0].what.contains("no seeds"), "{found:#?}");
}
