//! Browsers that plain UDP does not reach: through our TURN server, and over ICE-TCP.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use headwater_interop::namespace::IPV4;
use headwater_interop::rig::Source;
use headwater_interop::{Browser, Options, Page, Rig, Server, isolated};
use serde_json::{Value, json};

use crate::stage::{FIRST_FRAME, Stage};

/// Chromium watches a Chromium; how the viewer comes is in `options`. Returns the viewer's path as the server tells it.
fn watch(options: Value) -> Value {
    let stage = Stage::set_on_one_port((Ipv4Addr::LOCALHOST, 0).into(), &[]);
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

/// How a viewer's browser says that it comes: type of its candidate, and how it reaches us.
fn comes_by(viewer: &Page) -> Value {
    let script = "(async () => {
        const stats = [...(await rig.kept.session.pc.getStats()).values()];
        const transport = stats.find(entry => entry.type === 'transport');
        const pair = stats.find(entry => entry.id === transport.selectedCandidatePairId);
        const local = stats.find(entry => entry.id === pair.localCandidateId);
        return [local.candidateType, local.relayProtocol ?? local.protocol];
    })()";
    viewer.eval(script, FIRST_FRAME).expect("statistics")
}

fn certificate(directory: &Path) {
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                     -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem";
    let made = Command::new("openssl").args(arguments.split_whitespace()).current_dir(directory).output();
    let made = made.expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn chromium_watches_through_our_turn_server_inside_tls_on_the_port_of_https() {
    isolated(|| {
        let directory = std::env::temp_dir().join(format!("headwater-detours-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        certificate(&directory);
        let rig = Rig::start().expect("the script server");
        let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        let server =
            Server::start_on_one_tls_port(Ipv4Addr::LOCALHOST.into(), &cert, &key).expect("headwater");
        let mut options = Options::default();
        options.arguments.push("--ignore-certificate-errors".to_owned());
        let chromium = Browser::chromium(&options).expect("chromium");
        let stage = Stage { rig, chromium, server };
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer_in(&stage.chromium, json!({ "relay": "turns:" }));
        stage.frame_after(&viewer, None, FIRST_FRAME);
        assert_eq!(comes_by(&viewer), json!(["relay", "tls"]));
        stage.assert_plays(&viewer);
        std::fs::remove_dir_all(&directory).expect("it was there");
    });
}

#[test]
fn the_pages_publish_and_watch_through_the_relay_when_told_to() {
    isolated(|| {
        let stage = Stage::set_on_one_port((Ipv4Addr::LOCALHOST, 0).into(), &[]);
        let open = |path: &str| stage.chromium.open(&stage.server.url(path)).expect("a page");
        let _publisher = open("/publish/stage?source=testcard&autostart=1&relay=1");
        let _viewer = open("/watch/stage?relay=1");
        let paths = || {
            let sessions = stage.server.sessions().expect("the session API");
            let connected = sessions.iter().filter(|session| session["connected"] == true);
            connected.map(|session| session["path"]["transport"].clone()).collect::<Vec<_>>()
        };
        let ends = std::time::Instant::now() + 2 * FIRST_FRAME;
        while paths() != ["relay", "relay"] {
            assert!(std::time::Instant::now() < ends, "{:?}\n{}", paths(), stage.server.log().tail(40));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    });
}

/// From here on the address of the namespace is reached by TCP to port 443 and by nothing else.
fn allow_tcp_443_only() {
    let rules = "table inet narrow {
        chain out {
            type filter hook output priority 0;
            ip daddr 198.51.100.1 tcp dport 443 accept
            ip saddr 198.51.100.1 tcp sport 443 accept
            ip daddr 198.51.100.1 counter drop
        }
    }";
    let mut nft =
        Command::new("nft").args(["-f", "-"]).stdin(std::process::Stdio::piped()).spawn().expect("nft");
    let mut stdin = nft.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, rules.as_bytes()).expect("rules");
    drop(stdin);
    assert!(nft.wait().expect("nft").success(), "nftables refuses the rules");
}

#[test]
fn a_viewer_on_a_network_that_allows_only_tcp_443_watches() {
    isolated(|| {
        allow_tcp_443_only();
        let stage = Stage::set_on_one_port((IPV4, 443).into(), &["--open"]);
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.frame_after(&viewer, None, FIRST_FRAME);
        assert_eq!(comes_by(&viewer)[1], "tcp");
        stage.assert_plays(&viewer);
        // A firewall that looks into what passes lets the relay's protocol through, or TLS, where ICE-TCP ends.
        let relayed = stage.viewer_in(&stage.chromium, json!({ "relay": "transport=tcp" }));
        stage.frame_after(&relayed, None, FIRST_FRAME);
        assert_eq!(comes_by(&relayed), json!(["relay", "tcp"]));
        let dropped = Command::new("nft").args(["list", "table", "inet", "narrow"]).output().expect("nft");
        println!("{}", String::from_utf8_lossy(&dropped.stdout));
    });
}
