//! Browsers that plain UDP does not reach: through our TURN server, and over ICE-TCP.

use std::net::Ipv4Addr;

use headwater_interop::isolated;
use headwater_interop::rig::Source;
use serde_json::{Value, json};

use crate::stage::{FIRST_FRAME, Stage};

/// Chromium watches a Chromium; how the viewer comes is in `options`. Returns the viewer's path as the server tells it.
fn watch(options: Value) -> Value {
    let stage = Stage::set_on_one_port(Ipv4Addr::LOCALHOST.into(), &[]);
    let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
    let viewer = stage.viewer_in(&stage.chromium, options);
    stage.frame_after(&viewer, None, FIRST_FRAME);
    let summary = stage.assert_plays(&viewer);
    println!("{summary:?}");
    let sessions = stage.server.sessions().expect("the session API");
    let session = sessions.iter().find(|session| session["kind"] == "viewer").expect("a viewer");
    session["path"].clone()
}

#[test]
fn chromium_watches_through_our_turn_server_over_udp() {
    isolated(|| {
        let path = watch(json!({ "relay": "transport=udp" }));
        assert_eq!(path["transport"], "relay", "{path}");
    });
}

#[test]
fn chromium_watches_through_our_turn_server_over_tcp() {
    isolated(|| {
        let path = watch(json!({ "relay": "transport=tcp" }));
        assert_eq!(path["transport"], "relay", "{path}");
    });
}

#[test]
fn chromium_watches_over_ice_tcp() {
    isolated(|| {
        let path = watch(json!({ "only": "tcp" }));
        assert_eq!(path["transport"], "tcp", "{path}");
    });
}
