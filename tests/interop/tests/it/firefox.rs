//! Firefox as viewer and as publisher. This one (Debian's ESR) has no H264.

use headwater_interop::rig::{self, Source};
use headwater_interop::{Browser, Options, isolated};
use serde_json::json;

use crate::stage::{STREAM, Stage};

fn firefox() -> Browser {
    Browser::firefox(&Options::default()).expect("firefox")
}

fn reaches_firefox(codec: &str) {
    let mut stage = Stage::set(&[]);
    let firefox = firefox();
    let _publisher = stage.publisher(&Source::default(), json!({ "video": codec }));
    let viewer = stage.viewer_in(&firefox, json!({}));
    stage.assert_plays(&viewer);
    let stats = rig::received(&viewer).unwrap();
    assert_eq!(stats["video"]["mimeType"], format!("video/{codec}"));
    if codec == "VP8" {
        assert!(stage.padding() > 0.0, "the packets were brought to one size, and Firefox plays them");
    }
    stage.assert_alive();
}

#[test]
fn vp8_reaches_firefox() {
    isolated(|| reaches_firefox("VP8"));
}

#[test]
fn vp9_reaches_firefox() {
    isolated(|| reaches_firefox("VP9"));
}

#[test]
fn av1_reaches_firefox() {
    isolated(|| reaches_firefox("AV1"));
}

#[test]
fn h264_is_refused_to_a_firefox_without_it() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let firefox = firefox();
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "H264" }));
        let page = stage.rig.page(&firefox).unwrap();
        let (status, words) = rig::watch_refused(&page, &stage.server.whep(STREAM), &json!({})).unwrap();
        println!("{status} {words}");
        assert_eq!(status, 406, "{words}");
        assert!(words.to_uppercase().replace('.', "").contains("H264"), "names the codec: {words}");
    });
}

#[test]
fn firefox_publishes_to_chromium() {
    isolated(|| {
        let mut stage = Stage::set(&[]);
        let firefox = firefox();
        let publisher = stage.rig.page(&firefox).unwrap();
        stage.publish(&publisher, &Source::with_device_audio(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.assert_plays(&viewer);
        stage.assert_alive();
    });
}
