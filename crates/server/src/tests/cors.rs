//! Scripts of other sites can publish and watch, and read why they cannot.

use super::*;

#[tokio::test]
async fn a_preflight_is_answered_without_a_token() {
    let server = server();
    for path in
        ["/whip/live", "/whep/live", "/whip/live/s1", "/whep/live/s1", "/api/v1/streams", "/whip/.bad"]
    {
        let answer = server.send("OPTIONS", path, &[("origin", "https://site.example")], "").await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        for method in ["POST", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
            assert!(answer.header("access-control-allow-methods").contains(method), "{path} {method}");
        }
        for name in ["Authorization", "Content-Type", "If-Match"] {
            assert!(answer.header("access-control-allow-headers").contains(name), "{path} {name}");
        }
        assert!(answer.header("access-control-allow-credentials").is_empty());
    }
    for path in ["/whip/live", "/whep/live"] {
        assert_eq!(server.send("OPTIONS", path, &[], "").await.header("accept-post"), "application/sdp");
    }
}

#[tokio::test]
async fn every_answer_exposes_the_headers_that_clients_need() {
    let server = server();
    server.fake.refuse(SignalError::NotLive);
    let answers = [
        server.send("POST", "/whep/live", &[SDP, bearer("w")], OFFER).await,
        server.send("POST", "/whip/live", &[SDP, bearer("p")], OFFER).await,
        server.send("POST", "/whip/live", &[SDP, bearer("x")], OFFER).await,
        server.send("POST", "/whip/.bad", &[SDP, bearer("p")], OFFER).await,
        server.send("GET", "/whip/live", &[], "").await,
        server.send("POST", "/whip/a/b/c", &[], "").await,
        server.send("DELETE", "/whep/live/none", &[bearer("w")], "").await,
        server.send("POST", "/whip/live", &[SDP, bearer("p")], vec![b'a'; 70_000]).await,
    ];
    for answer in answers {
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{}", answer.status);
        for name in ["Location", "Link", "ETag"] {
            assert!(answer.header("access-control-expose-headers").contains(name), "{}", answer.status);
        }
    }
}

#[tokio::test]
async fn administration_is_for_this_site_only() {
    let server = local_server();
    for path in ["/api/v1/sessions", "/api/v1/sessions/s1", "/metrics", "/healthz", "/"] {
        let answer = server.send("GET", path, &[("origin", "https://site.example")], "").await;
        assert!(answer.header("access-control-allow-origin").is_empty(), "{path}");
    }
    assert_eq!(server.send("OPTIONS", "/api/v1/sessions/s1", &[], "").await.status, 405);
}
