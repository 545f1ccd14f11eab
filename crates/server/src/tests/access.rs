//! Tokens at the door.

use super::*;

#[tokio::test]
async fn a_wrong_or_missing_token_is_a_401_with_a_challenge() {
    let server = server();
    let doors = [
        ("POST", "/whip/live"),
        ("PATCH", "/whip/live/s1"),
        ("DELETE", "/whip/live/s1"),
        ("POST", "/whep/live"),
        ("PATCH", "/whep/live/s1"),
        ("DELETE", "/whep/live/s1"),
        ("GET", "/api/v1/streams"),
        ("GET", "/api/v1/sessions"),
        ("GET", "/api/v1/sessions/s1"),
        ("DELETE", "/api/v1/sessions/s1"),
        ("GET", "/api/v1/sessions/s1/dump"),
        ("GET", "/metrics"),
    ];
    for (method, path) in doors {
        let answer = server.send(method, path, &[SDP], OFFER).await;
        answer.is_problem(401, "missing-token");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"headwater\"");
        let answer = server.send(method, path, &[SDP, bearer("wrong")], OFFER).await;
        answer.is_problem(401, "wrong-token");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{method} {path}");
    }
    assert!(server.fake.0.lock().unwrap().offers.is_empty());
}

#[tokio::test]
async fn a_token_in_the_query_or_in_another_scheme_does_not_count() {
    let server = server();
    server.send("POST", "/whip/live?token=p", &[SDP], OFFER).await.is_problem(401, "missing-token");
    let basic = [SDP, ("authorization", "Basic cDpw")];
    server.send("POST", "/whip/live", &basic, OFFER).await.is_problem(401, "missing-token");
}

#[tokio::test]
async fn the_watch_token_does_not_publish_and_the_publish_token_does_not_watch() {
    let server = server();
    server.send("POST", "/whip/live", &[SDP, bearer("w")], OFFER).await.is_problem(401, "wrong-token");
    server.send("POST", "/whep/live", &[SDP, bearer("p")], OFFER).await.is_problem(401, "wrong-token");
    server.send("GET", "/api/v1/sessions", &[bearer("p")], "").await.is_problem(401, "wrong-token");
}

#[tokio::test]
async fn without_tokens_everybody_publishes_and_watches_but_only_this_machine_administers() {
    let server = local_server();
    assert_eq!(server.send("POST", "/whip/live", &[SDP], OFFER).await.status, 201);
    assert_eq!(server.send("POST", "/whep/live", &[SDP, bearer("any")], OFFER).await.status, 201);
    assert_eq!(server.send("GET", "/api/v1/sessions", &[], "").await.status, 200);
    let through_proxy = [("x-forwarded-for", "192.0.2.1")];
    server.send("GET", "/api/v1/sessions", &through_proxy, "").await.is_problem(401, "missing-token");
    let other_site = [("origin", "https://site.example")];
    server.send("DELETE", "/api/v1/sessions/s1", &other_site, "").await.is_problem(401, "missing-token");
}

#[tokio::test]
async fn denials_are_counted() {
    let server = server();
    for _ in 0..3 {
        server.send("POST", "/whip/live", &[SDP, bearer("wrong")], OFFER).await;
    }
    let metrics = server.send("GET", "/metrics", &[bearer("a")], "").await;
    assert!(metrics.text().contains("headwater_http_denied_total 3\n"), "{}", metrics.text());
}
