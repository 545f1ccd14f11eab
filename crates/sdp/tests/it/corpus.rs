//! Every description at hand is read, and reading what was written gives the same.

use std::{fs, path::PathBuf};

use headwater_sdp::{Fragment, Session};

/// Where the vectors that are not part of the repository lie, if they do.
fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("HEADWATER_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no vectors in {}", folder.display());
    None
}

pub(crate) fn files(folder: PathBuf) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(".sdp"))
        .map(|path| {
            let bytes = fs::read(&path).expect("a file");
            (path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect();
    files.sort();
    files
}

pub(crate) fn own_fixtures() -> Vec<(String, String)> {
    let files = files(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"));
    assert!(files.len() > 40);
    files
}

fn check(name: &str, text: &str) {
    if text.trim_start().starts_with("v=") {
        let session = Session::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Session::parse(&session.to_string()).as_ref(), Ok(&session), "{name}");
    }
    let fragment = Fragment::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(Fragment::parse(&fragment.to_string()).as_ref(), Ok(&fragment), "{name}");
}

#[test]
fn every_fixture_is_read() {
    own_fixtures().iter().for_each(|(name, text)| check(name, text));
}

/// Nothing that a browser writes is lost: the same lines come out, in another order.
#[test]
fn a_browsers_lines_all_come_out_again() {
    for (name, text) in own_fixtures().iter().filter(|(name, _)| !name.contains("rfc8866")) {
        let words = |text: &str| {
            let mut lines: Vec<String> =
                text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            lines.sort();
            lines
        };
        let session = Session::parse(text).expect("a description");
        assert_eq!(words(text), words(&session.to_string()), "{name}");
    }
}

#[test]
fn every_corpus_is_read() {
    let Some(vectors) = vectors() else { return };
    let mut count = 0;
    for folder in ["sdp/libwebrtc-corpus", "sdp/sdp-transform", "sdp/real-offers", "../fixtures/sdp"] {
        for (name, text) in files(vectors.join(folder)) {
            check(&name, &text);
            count += 1;
        }
    }
    assert!(count > 200, "only {count} files");
}
