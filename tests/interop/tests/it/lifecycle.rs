//! Publishers and viewers come and go; whoever stays, resumes without reloading.

use std::time::Duration;

use headwater_interop::rig::{self, Source};
use headwater_interop::{Page, isolated};
use serde_json::json;

use crate::stage::{FIRST_FRAME, Stage, seconds};

/// From the new publisher's first packet to its picture at the viewer.
const RESUME_LIMIT_MS: f64 = 2000.0;

fn resumes(leave: impl FnOnce(&Stage, Page) -> Option<Page>) {
    let mut stage = Stage::set(&[]);
    let publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
    let viewer = stage.viewer();
    stage.assert_plays(&viewer);
    let again = leave(&stage, publisher).unwrap_or_else(|| stage.page());
    let first_packet = stage.publish(&again, &Source::default(), json!({ "video": "VP8" }));
    let shown = stage.frame_after(&viewer, Some(first_packet), FIRST_FRAME);
    println!("resumed {:.0} ms after the first packet", shown - first_packet);
    assert!(shown - first_packet < RESUME_LIMIT_MS, "{}", shown - first_packet);
    stage.assert_plays(&viewer);
    stage.assert_alive();
}

#[test]
fn viewers_resume_after_the_publisher_said_goodbye() {
    isolated(|| {
        resumes(|_, publisher| {
            assert_eq!(publisher.eval("rig.kept.publisher.close()", seconds(5)).unwrap(), 200);
            Some(publisher)
        });
    });
}

#[test]
fn viewers_resume_after_the_publisher_crashed() {
    isolated(|| {
        resumes(|_, publisher| {
            publisher.crash().unwrap();
            None
        });
    });
}

#[test]
fn viewers_resume_after_the_publisher_reloaded() {
    isolated(|| {
        resumes(|_, publisher| {
            publisher.reload().unwrap();
            publisher.wait_for("globalThis.rig !== undefined", seconds(10)).unwrap();
            Some(publisher)
        });
    });
}

#[test]
fn a_late_viewer_is_as_close_to_live_as_an_early_one() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let early = stage.viewer();
        stage.frame_after(&early, None, FIRST_FRAME);
        std::thread::sleep(seconds(5));
        let late = stage.viewer();
        stage.frame_after(&late, None, FIRST_FRAME);
        std::thread::sleep(seconds(3));
        let late_seen = rig::measure(&late, seconds(2)).unwrap();
        let early_seen = rig::measure(&early, seconds(2)).unwrap();
        println!("late {late_seen:?}\nearly {early_seen:?}");
        assert!(late_seen.first_frame < 2000.0, "{late_seen:?}");
        // On a busy machine the early one may have grown a longer buffer: less is no fault.
        assert!(
            late_seen.latency.0 - early_seen.latency.0 < 60.0,
            "late {late_seen:?}, early {early_seen:?}"
        );
    });
}

#[test]
fn a_viewer_that_comes_before_the_publisher_is_told_to_wait() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let viewer = stage.page();
        let url = stage.server.whep(crate::stage::STREAM);
        let (status, words) = rig::watch_refused(&viewer, &url, &json!({})).unwrap();
        assert_eq!(status, 409, "{words}");
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        rig::watch(&viewer, &url, false, &json!({})).unwrap();
        stage.frame_after(&viewer, None, FIRST_FRAME);
    });
}

#[test]
fn sessions_are_gone_after_goodbye_and_reaped_after_a_crash() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.frame_after(&viewer, None, FIRST_FRAME);
        let sessions = || stage.server.sessions().unwrap();
        println!("{:?}", sessions());
        assert_eq!(sessions().len(), 2);
        assert_eq!(viewer.eval("rig.kept.session.close()", seconds(5)).unwrap(), 200);
        assert_eq!(sessions().len(), 1);
        publisher.crash().unwrap();
        // RFC 7675: consent ends after 30 s of silence.
        let deadline = std::time::Instant::now() + seconds(45);
        while !sessions().is_empty() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(250));
        }
        assert!(sessions().is_empty(), "{:?}", sessions());
    });
}
