//! Chromium → headwater → Chromium, in every codec that Chromium has.

use headwater_interop::isolated;
use headwater_interop::rig::{self, Source};
use serde_json::json;

use crate::stage::Stage;

fn travels(codec: &str) {
    let mut stage = Stage::set(&[]);
    let _publisher = stage.publisher(&Source::default(), json!({ "video": codec }));
    let viewer = stage.viewer();
    stage.assert_plays(&viewer);
    let stats = rig::received(&viewer).unwrap();
    println!("{}", stats["transport"]);
    assert_eq!(stats["video"]["mimeType"], format!("video/{codec}"));
    assert_eq!(stats["audio"]["mimeType"], "audio/opus");
    assert!(
        stats["transport"]["srtpCipher"].as_str().is_some_and(|cipher| cipher.contains("GCM")),
        "{stats}"
    );
    println!("{} bytes of padding", stage.padding());
    if codec == "VP8" {
        assert!(
            stage.padding() > 0.0,
            "libwebrtc's packets of a frame are a byte apart, and Chromium plays them padded"
        );
    }
    assert!(viewer.console().is_empty(), "{:?}", viewer.console());
    stage.assert_alive();
}

#[test]
fn vp8_travels() {
    isolated(|| travels("VP8"));
}

#[test]
fn vp9_travels() {
    isolated(|| travels("VP9"));
}

#[test]
fn h264_travels() {
    isolated(|| travels("H264"));
}

#[test]
fn av1_travels() {
    isolated(|| travels("AV1"));
}
