//! Chromium behind routers that nftables make, and the server on the Internet with everything on port 443: what a
//! network lets out decides how media goes, and it always goes.

use headwater_interop::isolated;
use headwater_interop::rig::Source;
use headwater_nat::Surroundings;
use serde_json::{Value, json};

use crate::stage::{FIRST_FRAME, Stage};

/// Publishes and watches from behind the router; both go over this transport.
fn plays_over(surroundings: Surroundings, transport: &str) {
    // Off loopback the server asks everybody for a token else.
    let stage = Stage::set_behind(surroundings, &["--open", "--admin-token", "a-secret"]);
    let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
    let viewer = stage.viewer();
    stage.frame_after(&viewer, None, FIRST_FRAME);
    stage.assert_plays(&viewer);
    let token = [("Authorization", "Bearer a-secret")];
    let answer = stage.server.request("GET", "/api/v1/sessions", &token, b"").expect("the session API");
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    let transports: Vec<_> =
        answer["sessions"].as_array().into_iter().flatten().map(|it| &it["path"]["transport"]).collect();
    assert_eq!(transports, [transport; 2], "{answer}");
}

#[test]
fn a_home_router_lets_udp_through() {
    isolated(|| plays_over(Surroundings::PortRestricted, "udp"));
}

#[test]
fn a_symmetric_nat_lets_udp_through() {
    isolated(|| plays_over(Surroundings::Symmetric, "udp"));
}

#[test]
fn where_udp_is_blocked_media_goes_over_tcp() {
    isolated(|| plays_over(Surroundings::UdpBlocked, "tcp"));
}

#[test]
fn where_only_tcp_443_is_let_out_media_goes_over_it() {
    isolated(|| plays_over(Surroundings::Only443, "tcp"));
}
