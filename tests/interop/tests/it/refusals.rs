//! What the server refuses over HTTP, and in which words. No browser needed.

use headwater_interop::http::Answer;
use headwater_interop::{Server, isolated_once};

const SDP: (&str, &str) = ("Content-Type", "application/sdp");

/// The least offer that is complete; `{codec}` is the only one.
fn offer(codec: &str) -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        "a=setup:actpass",
        "a=mid:0",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        &format!("a=rtpmap:96 {codec}/90000"),
        "",
    ]
    .join("\r\n")
}

fn post(server: &Server, path: &str, body: &str) -> Answer {
    let answer = server.request("POST", path, &[SDP], body.as_bytes()).expect("an answer");
    println!("POST {path}: {} {}", answer.status, answer.body);
    answer
}

fn assert_nothing_left(server: &Server) {
    assert!(server.sessions().unwrap().is_empty(), "{:?}", server.sessions());
    assert!(server.live_streams().unwrap().is_empty(), "{:?}", server.live_streams());
}

#[test]
fn an_invalid_offer_gets_400_and_leaves_nothing() {
    isolated_once(|| {
        let server = Server::start(&[]).unwrap();
        let missing_fingerprint: String = offer("VP8")
            .lines()
            .filter(|line| !line.starts_with("a=fingerprint"))
            .map(|line| format!("{line}\r\n"))
            .collect();
        for body in ["", "not SDP at all", "v=0\r\n", &missing_fingerprint] {
            let answer = post(&server, "/whip/refused", body);
            assert_eq!(answer.status, 400, "{}", answer.body);
            assert!(!answer.body.is_empty(), "says what was wrong");
        }
        assert_nothing_left(&server);
    });
}

#[test]
fn an_offer_without_a_common_codec_gets_406_and_names_it() {
    isolated_once(|| {
        let server = Server::start(&[]).unwrap();
        let answer = post(&server, "/whip/refused", &offer("THEORA"));
        assert_eq!(answer.status, 406);
        assert!(answer.body.to_uppercase().contains("THEORA"), "{}", answer.body);
        assert_nothing_left(&server);
    });
}

#[test]
fn an_invalid_stream_name_gets_404() {
    isolated_once(|| {
        let server = Server::start(&[]).unwrap();
        let long = "x".repeat(65);
        for name in [".hidden", "with%20space", "%2e%2e", "caf%C3%A9", &long] {
            for side in ["whip", "whep"] {
                let answer = post(&server, &format!("/{side}/{name}"), &offer("VP8"));
                assert_eq!(answer.status, 404, "/{side}/{name}: {}", answer.body);
            }
        }
        assert_nothing_left(&server);
    });
}

#[test]
fn a_stream_that_is_not_live_gets_409_with_retry_after() {
    isolated_once(|| {
        let server = Server::start(&[]).unwrap();
        let answer = post(&server, "/whep/nobody", &offer("VP8").replace("sendonly", "recvonly"));
        assert_eq!(answer.status, 409);
        let retry_after = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
        assert!(retry_after.is_some_and(|seconds| (1..=30).contains(&seconds)), "{:?}", answer.headers);
    });
}

#[test]
fn a_wrong_token_gets_401() {
    isolated_once(|| {
        let server = Server::start(&["--publish-token", "p-secret", "--watch-token", "w-secret"]).unwrap();
        let body = offer("VP8");
        for (path, token) in [
            ("/whip/refused", None),
            ("/whip/refused", Some("Bearer guess")),
            ("/whip/refused", Some("Bearer w-secret")),
            ("/whip/refused", Some("Basic cC1zZWNyZXQ=")),
            ("/whep/refused", None),
            ("/whep/refused", Some("Bearer p-secret-and-more")),
        ] {
            let authorization = token.map(|token| ("Authorization", token));
            let headers: Vec<_> = [SDP].into_iter().chain(authorization).collect();
            let answer = server.request("POST", path, &headers, body.as_bytes()).unwrap();
            assert_eq!(answer.status, 401, "{path} {token:?}: {}", answer.body);
            assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
            assert!(!answer.body.contains("secret"), "{}", answer.body);
        }
        // The refused ones left nothing; the right token is another matter.
        let headers = [SDP, ("Authorization", "Bearer w-secret")];
        let answer = server.request("POST", "/whep/refused", &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 409, "{}", answer.body);
    });
}

#[test]
fn an_oversize_body_gets_413() {
    isolated_once(|| {
        let server = Server::start(&[]).unwrap();
        let body = format!("{}a=x:{}\r\n", offer("VP8"), "y".repeat(1 << 20));
        assert_eq!(post(&server, "/whip/refused", &body).status, 413);
        assert_nothing_left(&server);
    });
}

#[test]
fn other_methods_and_types_are_refused_plainly() {
    isolated_once(|| {
        let server = Server::start(&[]).unwrap();
        for method in ["GET", "PUT"] {
            let answer = server.request(method, "/whip/refused", &[], b"").unwrap();
            assert_eq!(answer.status, 405, "{method}");
        }
        let answer =
            server.request("POST", "/whip/refused", &[("Content-Type", "application/json")], b"{}").unwrap();
        assert_eq!(answer.status, 415);
        for path in ["/whip/refused/0000000000000000", "/whep/refused/0000000000000000"] {
            assert_eq!(server.request("DELETE", path, &[], b"").unwrap().status, 404, "{path}");
        }
    });
}

#[test]
fn pages_of_other_origins_may_publish_and_watch() {
    isolated_once(|| {
        let server = Server::start(&[]).unwrap();
        let headers = [
            ("Origin", "https://example.org"),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type"),
        ];
        for path in ["/whip/any", "/whep/any", "/whip/any/0000", "/whep/any/0000"] {
            let answer = server.request("OPTIONS", path, &headers, b"").unwrap();
            assert!(matches!(answer.status, 200 | 204), "{path}: {}", answer.status);
            let header = |name: &str| answer.header(name).unwrap_or_default().to_lowercase();
            assert!(!header("access-control-allow-origin").is_empty(), "{path}: {:?}", answer.headers);
            for wanted in ["authorization", "content-type"] {
                assert!(
                    header("access-control-allow-headers").contains(wanted),
                    "{path}: {:?}",
                    answer.headers
                );
            }
        }
    });
}

#[test]
fn an_offer_that_never_connects_is_reaped() {
    isolated_once(|| {
        let server = Server::start(&[]).unwrap();
        let answer = post(&server, "/whip/abandoned", &offer("VP8"));
        assert_eq!(answer.status, 201, "{}", answer.body);
        let location = answer.header("location").expect("a Location").to_owned();
        assert!(location.len() > "/whip/abandoned/".len() + 15, "unguessable: {location}");
        assert!(answer.header("etag").is_some());
        assert_eq!(server.sessions().unwrap().len(), 1);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(45);
        while !server.sessions().unwrap().is_empty() {
            assert!(std::time::Instant::now() < deadline, "{:?}", server.sessions());
            std::thread::sleep(std::time::Duration::from_millis(250));
        }
        assert_nothing_left(&server);
    });
}
