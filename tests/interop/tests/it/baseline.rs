//! The measuring pages measure: two connections of one page, no server. Their numbers are the floor.

use std::time::Duration;

use headwater_interop::rig::{self, Source};
use headwater_interop::{Browser, Options, Page, Rig, isolated};
use serde_json::Value;

fn wire_directly(page: &Page, source: &Source, codec: &str) {
    let script = format!(
        "(async () => {{ const kept = rig.kept; kept.source = await new rig.Source({}).start(); \
         kept.session = await rig.direct(kept.source.stream, {{ video: '{codec}' }}); \
         kept.viewer = new rig.Viewer(kept.session.remote, {{ since: kept.session.since, listen: {} }}); }})()",
        source.to_json(),
        source.audio == Some("beep"),
    );
    page.eval(&script, Duration::from_secs(20)).expect("a direct connection");
}

fn measure_directly(page: &Page, codec: &str) {
    rig::next_frame(page, Duration::from_secs(10)).expect("a first frame");
    std::thread::sleep(Duration::from_secs(4));
    let seen = rig::measure(page, Duration::from_secs(6)).expect("a summary");
    let stats = rig::received(page).expect("statistics");
    println!("{codec} {seen:?}");
    println!("  {} {} audio energy {} offset {}", stats["video"]["mimeType"], stats["video"]["framesDecoded"],
        stats["audio"]["totalAudioEnergy"], stats["playoutOffset"]);
    println!("  {:?}", page.console());
    assert!(seen.frames > 100, "{codec}: {seen:?}");
    assert!(seen.stamped * 10 > seen.frames * 9, "{codec}: {seen:?}");
    assert!(seen.latency.0 > 5.0 && seen.latency.0 < 400.0, "{codec}: {seen:?}");
    assert_ne!(stats["audio"]["totalAudioEnergy"], Value::Null);
}

#[test]
fn chromium_wired_directly() {
    isolated(|| {
        let rig = Rig::start().unwrap();
        let chromium = Browser::chromium(&Options::default()).unwrap();
        for codec in ["VP8", "VP9", "H264", "AV1"] {
            let page = rig.page(&chromium).unwrap();
            wire_directly(&page, &Source::default(), codec);
            measure_directly(&page, codec);
            page.close().unwrap();
        }
    });
}

#[test]
fn firefox_wired_directly() {
    isolated(|| {
        let rig = Rig::start().unwrap();
        let firefox = Browser::firefox(&Options::default()).unwrap();
        for codec in ["VP8", "VP9", "AV1"] {
            let page = rig.page(&firefox).unwrap();
            wire_directly(&page, &Source::with_device_audio(), codec);
            measure_directly(&page, codec);
            page.close().unwrap();
        }
    });
}
