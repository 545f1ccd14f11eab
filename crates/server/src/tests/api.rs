//! `/api/v1` and `/metrics`.

use super::*;

#[tokio::test]
async fn viewers_see_names_and_administrators_see_more() {
    let server = server();
    let public = server.send("GET", "/api/v1/streams", &[bearer("w")], "").await;
    assert_eq!(public.header("cache-control"), "no-store");
    let stream = &public.json()["streams"][0];
    assert_eq!((stream["name"].as_str(), stream["live"].as_bool()), (Some("live"), Some(true)));
    assert_eq!(stream["codecs"][0], "VP8");
    let admin = server.send("GET", "/api/v1/streams", &[bearer("a")], "").await;
    assert_eq!(admin.status, 200);
    let keys = |value: &Value| value["streams"][0].as_object().unwrap().len();
    assert!(keys(&admin.json()) > keys(&public.json()));
}

#[tokio::test]
async fn an_administrator_lists_finds_and_ends_sessions() {
    let server = server();
    server.live().await;
    let all = server.send("GET", "/api/v1/sessions", &[bearer("a")], "").await;
    assert_eq!(all.json()["sessions"][0]["id"], "s1");
    let one = server.send("GET", "/api/v1/sessions/s1", &[bearer("a")], "").await;
    assert_eq!(
        (one.json()["stream"].as_str(), one.json()["kind"].as_str()),
        (Some("live"), Some("publisher"))
    );
    assert_eq!(server.send("DELETE", "/api/v1/sessions/s1", &[bearer("a")], "").await.status, 204);
    assert_eq!(server.fake.sessions(), 0);
    for method in ["GET", "DELETE"] {
        let gone = server.send(method, "/api/v1/sessions/s1", &[bearer("a")], "").await;
        gone.is_problem(404, "unknown-session");
    }
}

#[tokio::test]
async fn a_dump_is_a_file_of_bounded_length() {
    let server = server();
    server.live().await;
    let table =
        [("", 200), ("?seconds=60", 200), ("?seconds=61", 400), ("?seconds=0", 400), ("?seconds=x", 400)];
    for (query, status) in table {
        let path = format!("/api/v1/sessions/s1/dump{query}");
        let answer = server.send("GET", &path, &[bearer("a")], "").await;
        assert_eq!(answer.status, status, "{query}");
        if status == 200 {
            assert!(answer.text().starts_with("#!rtpplay1.0"));
            assert!(answer.header("content-disposition").starts_with("attachment"));
        }
    }
    let none = server.send("GET", "/api/v1/sessions/s9/dump", &[bearer("a")], "").await;
    none.is_problem(404, "unknown-session");
}

#[tokio::test]
async fn metrics_count_by_kind_and_name_nobody() {
    let server = server();
    server.live().await;
    let metrics = server.send("GET", "/metrics", &[bearer("a")], "").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    for line in [
        "headwater_http_responses_total{class=\"2xx\"} 1\n",
        "headwater_signal_requests_total{kind=\"publish\"} 1\n",
        "headwater_sessions{kind=\"viewer\"} 7\n",
    ] {
        assert!(metrics.text().contains(line), "{line} in {}", metrics.text());
    }
    for secret in ["s1", "live", "192.0.2.9"] {
        assert!(!metrics.text().contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn health_needs_no_token() {
    let answer = server().send("GET", "/healthz", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok\n"));
}
