//! The measuring pages measure: two connections of one page, no server. Their numbers are the floor.

use std::time::Duration;

use headwater_interop::rig::{self, Source};
use headwater_interop::{Browser, Options, Page, Rig, isolated};

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
    rig::frame_after(page, None, Duration::from_secs(10)).expect("a first frame");
    std::thread::sleep(Duration::from_secs(2));
    let seen = rig::measure(page, Duration::from_secs(4)).expect("a summary");
    let stats = rig::received(page).expect("statistics");
    println!("{codec} {seen:?}, playout offset {}", stats["playoutOffset"]);
    assert!(seen.frames >= 80, "{codec}: {seen:?}");
    assert!(seen.stamped * 10 > seen.frames * 9, "{codec}: {seen:?}");
    assert!(seen.latency.0 > 5.0 && seen.latency.0 < 400.0, "{codec}: {seen:?}");
    assert_eq!(stats["video"]["mimeType"], format!("video/{codec}"));
    assert!(stats["audio"]["totalAudioEnergy"].as_f64().is_some_and(|energy| energy > 0.001));
    assert!(page.console().is_empty(), "{:?}", page.console());
}

#[test]
fn chromium_wired_directly() {
    isolated(|| {
        let rig = Rig::start().unwrap();
        let chromium = Browser::chromium(&Options::default()).unwrap();
        let page = rig.page(&chromium).unwrap();
        wire_directly(&page, &Source::default(), "VP8");
        measure_directly(&page, "VP8");
    });
}

#[test]
fn firefox_wired_directly() {
    isolated(|| {
        let rig = Rig::start().unwrap();
        let firefox = Browser::firefox(&Options::default()).unwrap();
        let page = rig.page(&firefox).unwrap();
        wire_directly(&page, &Source::with_device_audio(), "VP8");
        measure_directly(&page, "VP8");
    });
}

/// Neither encoder nor network: what the measuring itself adds between ear and eye.
#[test]
fn the_rig_itself_keeps_lips_in_sync() {
    isolated(|| {
        let rig = Rig::start().unwrap();
        let chromium = Browser::chromium(&Options::default()).unwrap();
        let page = rig.page(&chromium).unwrap();
        let script = format!(
            "(async () => {{ const kept = rig.kept; kept.source = await new rig.Source({}).start(); \
             kept.viewer = new rig.Viewer(kept.source.stream, {{ listen: true }}); }})()",
            Source::default().to_json()
        );
        page.eval(&script, Duration::from_secs(20)).unwrap();
        rig::frame_after(&page, None, Duration::from_secs(10)).unwrap();
        let seen = rig::measure(&page, Duration::from_secs(6)).unwrap();
        println!("{seen:?}");
        let (offset, beeps) = seen.lip_sync.expect("beeps and flashes");
        assert!(beeps >= 4 && offset.abs() < 25.0, "{seen:?}");
        assert!(seen.energy > 0.1, "{seen:?}");
    });
}
