//! What a publisher does to its media while it is live.

use headwater_interop::isolated;
use headwater_interop::rig::{self, Source};
use serde_json::json;

use crate::stage::{FIRST_FRAME, STREAM, Stage, seconds};

fn audio_only_is_heard_by(kinds: &[&str]) {
    let stage = Stage::set(&[]);
    let _publisher = stage.publisher(&Source::audio_only(), json!({}));
    let viewer = stage.viewer_in(&stage.chromium, json!({ "kinds": kinds }));
    std::thread::sleep(seconds(1));
    let energy = rig::audio_energy(&viewer, seconds(3)).unwrap();
    assert!(energy > 0.001, "{energy}; {}", rig::received(&viewer).unwrap());
}

#[test]
fn audio_only_is_heard_by_who_asks_for_audio() {
    isolated(|| audio_only_is_heard_by(&["audio"]));
}

/// A plain player asks for both and gives what comes to one video element. That element stays silent for as long as it
/// has a video track without a picture, so the answer must not promise one.
#[test]
fn audio_only_is_heard_by_who_asks_for_both() {
    isolated(|| audio_only_is_heard_by(&["video", "audio"]));
}

#[test]
fn video_only_is_seen() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let _publisher = stage.publisher(&Source::video_only(), json!({ "video": "VP8" }));
        let viewer = stage.viewer_in(&stage.chromium, json!({ "kinds": ["video"] }));
        stage.assert_plays(&viewer);
        // Most viewers ask for both, whatever there is.
        let viewer = stage.viewer();
        stage.frame_after(&viewer, None, FIRST_FRAME);
    });
}

#[test]
fn mute_and_unmute_pass_through() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.assert_plays(&viewer);

        // Sound: the track sends silence.
        publisher.eval("rig.kept.source.stream.getAudioTracks()[0].enabled = false", seconds(5)).unwrap();
        std::thread::sleep(seconds(1));
        let silence = rig::audio_energy(&viewer, seconds(2)).unwrap();
        publisher.eval("rig.kept.source.stream.getAudioTracks()[0].enabled = true", seconds(5)).unwrap();
        std::thread::sleep(seconds(1));
        let sound = rig::audio_energy(&viewer, seconds(3)).unwrap();
        println!("energy muted {silence}, unmuted {sound}");
        assert!(silence < 0.0005, "{silence}");
        assert!(sound > 0.001, "{sound}");

        // Picture: no packets at all for longer than a publisher may be silent.
        let sender = "rig.kept.publisher.pc.getSenders().find(sender => sender.track?.kind === 'video')";
        publisher
            .eval(&format!("(async () => {{ rig.kept.sender = {sender}; rig.kept.track = rig.kept.sender.track; await rig.kept.sender.replaceTrack(null); }})()"), seconds(5))
            .unwrap();
        std::thread::sleep(seconds(3));
        let unmuted = publisher
            .eval("rig.kept.sender.replaceTrack(rig.kept.track).then(() => rig.now())", seconds(5))
            .unwrap()
            .as_f64();
        let shown = stage.frame_after(&viewer, unmuted, FIRST_FRAME);
        println!("picture back after {:.0} ms", shown - unmuted.unwrap());
        assert!(shown - unmuted.unwrap() < 2000.0);
    });
}

#[test]
fn a_change_of_resolution_passes_through() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.assert_plays(&viewer);
        for (width, height) in [(480, 480), (320, 180), (640, 360)] {
            publisher.eval(&format!("rig.kept.source.resize({width}, {height})"), seconds(5)).unwrap();
            // The encoder may scale down: the shape tells.
            let shape = format!(
                "rig.kept.viewer.video.videoWidth <= {width} && \
                 Math.abs(rig.kept.viewer.video.videoWidth / rig.kept.viewer.video.videoHeight - {width} / {height}) < 0.02"
            );
            viewer.wait_for(&shape, seconds(8)).unwrap();
            stage.frame_after(&viewer, None, FIRST_FRAME);
        }
    });
}

#[test]
fn two_viewers_do_not_disturb_each_other() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let stays = stage.viewer();
        let leaves = stage.viewer();
        stage.frame_after(&stays, None, FIRST_FRAME);
        stage.frame_after(&leaves, None, FIRST_FRAME);
        assert_eq!(leaves.eval("rig.kept.session.close()", seconds(5)).unwrap(), 200);
        let crashes = stage.viewer();
        stage.frame_after(&crashes, None, FIRST_FRAME);
        crashes.crash().unwrap();
        let seen = rig::measure(&stays, seconds(4)).unwrap();
        assert!(seen.frames > 60 && seen.longest_gap < 1000.0, "{seen:?}");
    });
}

#[test]
fn a_second_publisher_is_refused_and_the_first_goes_on() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.frame_after(&viewer, None, FIRST_FRAME);
        let second = stage.page();
        let script = format!(
            "(async () => {{ const source = await new rig.Source().start(); \
             return rig.whip('{}', source.stream).then(() => 201, error => error.status); }})()",
            stage.server.whip(STREAM)
        );
        assert_eq!(second.eval(&script, seconds(10)).unwrap(), 409);
        stage.assert_plays(&viewer);
    });
}
