//! The pages' routes and headers, whichever files the pages have.

use super::*;

#[tokio::test]
async fn pages_are_served_with_a_policy_that_allows_nothing_inline() {
    let server = server();
    for path in ["/", "/publish", "/publish/live", "/watch", "/watch/live"] {
        let answer = server.send("GET", path, &[], "").await;
        if answer.status == 404 {
            continue; // built without the pages
        }
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        let policy = answer.header("content-security-policy");
        for rule in
            ["default-src 'none'", "script-src 'self'", "media-src 'self' blob:", "connect-src 'self'"]
        {
            assert!(policy.contains(rule), "{rule}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");

        let again = server.send("GET", path, &[("if-none-match", answer.header("etag"))], "").await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
        assert_eq!(again.header("etag"), answer.header("etag"));
    }
}

#[tokio::test]
async fn pages_obey_their_own_policy() {
    let server = server();
    for path in ["/", "/publish", "/watch"] {
        let answer = server.send("GET", path, &[], "").await;
        if answer.status == 404 {
            continue;
        }
        let text = answer.text();
        assert!(
            !text.contains("<style") && !text.contains(" style=\"") && !text.contains(" onclick="),
            "{path}"
        );
        for script in text.split("<script").skip(1) {
            assert!(script.split('>').next().unwrap().contains("src=\"/"), "{path}: inline script");
        }
    }
}

#[tokio::test]
async fn nothing_but_the_embedded_files_is_found() {
    let server = server();
    for path in [
        "/nothing",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "/index.html%00",
        "//etc/passwd",
    ] {
        server.send("GET", path, &[], "").await.is_problem(404, "not-found");
    }
    server.send("POST", "/nothing", &[], "").await.is_problem(404, "not-found");
}
