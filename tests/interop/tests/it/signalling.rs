//! WHIP and WHEP as other clients speak them, and the addresses that media takes.

use headwater_interop::isolated;
use headwater_interop::namespace::IPV6;
use headwater_interop::rig::{self, Source};
use serde_json::json;

use crate::stage::{FIRST_FRAME, STREAM, Stage, seconds};

#[test]
fn a_client_that_does_not_trickle_is_served() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "H264", "trickle": false }));
        let viewer = stage.viewer_in(&stage.chromium, json!({ "trickle": false }));
        stage.frame_after(&viewer, None, FIRST_FRAME);
    });
}

#[test]
fn trickled_candidates_are_accepted() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        publisher.wait_for("rig.kept.publisher.patches.length > 0", seconds(5)).unwrap();
        let patches = publisher.eval("rig.kept.publisher.patches", seconds(5)).unwrap();
        assert!(patches.as_array().unwrap().iter().all(|status| status == 204), "{patches}");
    });
}

#[test]
fn ice_restarts_without_a_gap() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.frame_after(&viewer, None, FIRST_FRAME);
        let restarted = publisher.eval("rig.kept.publisher.restartIce()", seconds(10)).unwrap();
        println!("{restarted}");
        let seen = rig::measure(&viewer, seconds(4)).unwrap();
        assert!(seen.frames > 60 && seen.longest_gap < 1000.0, "{seen:?}");
        publisher.wait_for("rig.kept.publisher.pc.iceConnectionState === 'connected'", seconds(10)).unwrap();
        // The viewer's side of the same.
        viewer.eval("rig.kept.session.restartIce()", seconds(10)).unwrap();
        let seen = rig::measure(&viewer, seconds(4)).unwrap();
        assert!(seen.frames > 60 && seen.longest_gap < 1000.0, "{seen:?}");
    });
}

#[test]
fn media_flows_over_ipv6() {
    isolated(|| {
        let stage = Stage::set(&["--advertise", &IPV6.to_string()]);
        let publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.frame_after(&viewer, None, FIRST_FRAME);
        let answer = publisher.eval("rig.kept.publisher.answer", seconds(5)).unwrap();
        assert!(answer.as_str().unwrap().contains(&IPV6.to_string()), "{answer}");
    });
}

#[test]
fn the_right_token_opens_the_door() {
    isolated(|| {
        let stage = Stage::set(&["--publish-token", "p-secret", "--watch-token", "w-secret"]);
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8", "token": "p-secret" }));
        let viewer = stage.viewer_in(&stage.chromium, json!({ "token": "w-secret" }));
        stage.frame_after(&viewer, None, FIRST_FRAME);
        let (status, words) =
            rig::watch_refused(&viewer, &stage.server.whep(STREAM), &json!({ "token": "guess" })).unwrap();
        assert_eq!(status, 401, "{words}");
    });
}
