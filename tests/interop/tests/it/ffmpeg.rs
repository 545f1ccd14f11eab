//! FFmpeg as publisher: it neither trickles nor is it a browser, and takes either side of DTLS.

use headwater_interop::ffmpeg::{self, DtlsRole};
use headwater_interop::isolated;
use headwater_interop::rig;
use serde_json::json;

use crate::stage::{STREAM, Stage, seconds};

fn publishes(role: DtlsRole) {
    let mut stage = Stage::set(&[]);
    let mut publisher = ffmpeg::publish(&stage.server.whip(STREAM), None, role, 40).unwrap();
    let viewer = stage.page();
    publisher
        .wait_until("the stream is live", seconds(10), |_| {
            let live = stage.server.live_streams().ok()?;
            live.contains(&STREAM.to_owned()).then_some(())
        })
        .unwrap();
    rig::watch(&viewer, &stage.server.whep(STREAM), false, &json!({})).unwrap();
    viewer.wait_for("rig.kept.viewer.frames.length > 0", seconds(10)).unwrap_or_else(|error| {
        panic!("{error}\nffmpeg: {}\nserver: {}", publisher.log().tail(30), stage.server.log().tail(30))
    });
    let seen = rig::measure(&viewer, seconds(4)).unwrap();
    let energy = rig::audio_energy(&viewer, seconds(2)).unwrap();
    let stats = rig::received(&viewer).unwrap();
    println!("{seen:?} energy {energy}");
    assert_eq!(stats["video"]["mimeType"], "video/H264");
    assert_eq!(seen.size, (640, 360));
    assert!(seen.frames >= 90, "{seen:?}\nffmpeg: {}", publisher.log().tail(30));
    assert!(energy > 0.001, "{energy}");
    stage.assert_alive();
}

#[test]
fn ffmpeg_publishes_as_dtls_client() {
    isolated(|| publishes(DtlsRole::Client));
}

#[test]
fn ffmpeg_publishes_as_dtls_server() {
    isolated(|| publishes(DtlsRole::Server));
}
