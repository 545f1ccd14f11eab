//! A flash and a beep of the same moment reach eye and ear together.

use headwater_interop::isolated;
use headwater_interop::rig::{self, Source};
use serde_json::json;

use crate::stage::{FIRST_FRAME, STREAM, Stage, seconds};

/// ITU-R BT.1359 calls 45 ms of early sound detectable; it is what the server may add to the floor.
const TOLERANCE_MS: f64 = 45.0;

/// Chromium alone plays sound about 45 ms behind the picture on a perfect network: its jitter buffer holds two Opus
/// frames back, its picture nothing, and it only repairs what is worse. So the floor is measured in the same run.
#[test]
fn lips_are_in_sync_from_the_first_seconds_on() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let direct = "(async () => { const floor = await rig.direct(rig.kept.source.stream, { video: 'VP8' }); \
                      rig.kept.session = floor; \
                      rig.kept.viewer = new rig.Viewer(floor.remote, { listen: true }); })()";
        publisher.eval(direct, seconds(15)).unwrap();
        rig::frame_after(&publisher, None, FIRST_FRAME).unwrap();
        let floor = rig::measure(&publisher, seconds(7)).unwrap();
        publisher.eval("(rig.kept.viewer.close(), rig.kept.session.close())", seconds(5)).unwrap();

        let viewer = stage.page();
        rig::watch(&viewer, &stage.server.whep(STREAM), true, &json!({})).unwrap();
        stage.frame_after(&viewer, None, FIRST_FRAME);
        let first = rig::measure(&viewer, seconds(5)).unwrap();
        let later = rig::measure(&viewer, seconds(7)).unwrap();
        let offset = rig::received(&viewer).unwrap()["playoutOffset"].clone();
        let ms =
            |seen: &headwater_interop::Summary| seen.lip_sync.expect("beeps were heard and flashes seen").0;
        println!(
            "sound after picture: floor {:.1} ms, first 5 s {:.1} ms, then {:.1} ms",
            ms(&floor),
            ms(&first),
            ms(&later)
        );
        println!("by the receiver's own clock: {offset}");
        println!("floor {floor:?}\nfirst {first:?}\nlater {later:?}");
        assert!((ms(&first) - ms(&floor)).abs() <= TOLERANCE_MS, "in the first 5 s");
        assert!((ms(&later) - ms(&floor)).abs() <= TOLERANCE_MS, "after 5 s");
    });
}
