//! What the DTLS handshakes of real browsers agree on, as the session API tells it.

use headwater_interop::rig::Source;
use headwater_interop::{Browser, Options, isolated};
use serde_json::{Value, json};

use crate::stage::Stage;

/// The `security` of the connected session of this kind.
fn security(stage: &Stage, kind: &str) -> Value {
    let sessions = stage.server.sessions().expect("the session API");
    let of_kind = |session: &&Value| session["kind"] == kind && session["connected"] == true;
    let session = sessions.iter().find(of_kind);
    session.unwrap_or_else(|| panic!("no connected {kind}: {sessions:?}"))["security"].clone()
}

/// Both connect with `wanted`, a picture is seen, and the metrics count them.
fn connect_with(
    wanted: (&str, &str),
    arguments: &[&str],
    publisher: fn() -> Browser,
    viewer: fn() -> Browser,
) {
    let mut stage = Stage::set(arguments);
    let (publishing, viewing) = (publisher(), viewer());
    let page = stage.rig.page(&publishing).expect("a page");
    // Firefox's other source of sound stays suspended without a window; Chromium takes a device as well.
    stage.publish(&page, &Source::with_device_audio(), json!({ "video": "VP8" }));
    let viewer = stage.viewer_in(&viewing, json!({}));
    stage.frame_after(&viewer, None, crate::stage::FIRST_FRAME);
    for kind in ["publisher", "viewer"] {
        let security = security(&stage, kind);
        println!("{kind}: {security}");
        assert_eq!((&security["dtls"], &security["group"]), (&json!(wanted.0), &json!(wanted.1)), "{kind}");
    }
    let metrics = stage.server.request("GET", "/metrics", &[], b"").expect("metrics").body;
    let line = format!("headwater_handshakes_total{{dtls=\"{}\",group=\"{}\",", wanted.0, wanted.1);
    let counted: u64 = metrics
        .lines()
        .filter(|it| it.starts_with(&line))
        .filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(counted, 2, "{metrics}");
    stage.assert_alive();
}

fn chromium() -> Browser {
    Browser::chromium(&Options::default()).expect("chromium")
}

fn firefox() -> Browser {
    Browser::firefox(&Options::default()).expect("firefox")
}

const POST_QUANTUM: (&str, &str) = ("1.3", "X25519MLKEM768");
const OLD: (&str, &str) = ("1.2", "X25519");

#[test]
fn chromium_publishes_and_firefox_watches_with_dtls13_and_post_quantum_keys() {
    isolated(|| connect_with(POST_QUANTUM, &[], chromium, firefox));
}

#[test]
fn firefox_publishes_and_chromium_watches_with_dtls13_and_post_quantum_keys() {
    isolated(|| connect_with(POST_QUANTUM, &[], firefox, chromium));
}

#[test]
fn chromium_publishes_and_firefox_watches_with_dtls12_where_13_is_switched_off() {
    isolated(|| connect_with(OLD, &["--dtls", "1.2"], chromium, firefox));
}

#[test]
fn firefox_publishes_and_chromium_watches_with_dtls12_where_13_is_switched_off() {
    isolated(|| connect_with(OLD, &["--dtls", "1.2"], firefox, chromium));
}
