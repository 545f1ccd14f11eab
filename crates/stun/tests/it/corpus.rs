//! A foreign corpus, read where it lies: `HEADWATER_VECTORS`, or `../shared/vectors` beside the project.

use std::path::PathBuf;

use headwater_stun::Message;
use headwater_stun::attribute::TABLE;

#[test]
fn messages_of_the_libwebrtc_corpus_are_read_or_refused() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("HEADWATER_VECTORS").map_or_else(beside, PathBuf::from);
    let folder = folder.join("stun/libwebrtc-corpus");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no corpus in {}; set HEADWATER_VECTORS", folder.display());
        return;
    };
    let mut accepted = 0;
    for file in files {
        let path = file.expect("a folder entry").path();
        let bytes = std::fs::read(&path).expect("a readable file");
        let Ok(message) = Message::parse(&bytes) else { continue };
        accepted += 1;
        let _ = message.verify_fingerprint();
        for raw in message.attributes() {
            let mut out = Vec::new();
            for row in TABLE.iter().filter(|row| row.kind == raw.kind) {
                let _ = (row.rewrite)(raw, &mut out);
            }
        }
    }
    assert!(accepted > 0, "none of the corpus was accepted");
}
