//! Input from outside that wants to be more than input (field notes S19 to S23, S25, S29).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;

use super::*;
use crate::http::is_stream_name;
use crate::signal::MAX_BODY;

#[tokio::test]
async fn stream_names_that_could_be_paths_or_headers_are_404() {
    let server = server();
    let long = "a".repeat(65);
    let names = [
        "..",
        ".",
        ".hidden",
        "%2e%2e",
        "%2E%2e%2Fetc",
        "a%2Fb",
        "a%5Cb",
        "a%00",
        "%00",
        "a%0d%0aSet-Cookie:x=1",
        "a%20b",
        "%ff",
        "%c3%28",
        "a+b",
        "a:b",
        "*",
        "caf%C3%A9",
        &long,
    ];
    for name in names {
        for root in ["whip", "whep"] {
            let answer = server
                .send("POST", &format!("/{root}/{name}"), &[SDP, bearer("p"), bearer("w")], OFFER)
                .await;
            let (status, token) = (answer.status, answer.header("set-cookie"));
            assert!(token.is_empty());
            // The publish token comes first, so that the WHEP door says 401 before it looks at the name.
            assert_eq!(status, if root == "whip" { 404 } else { 401 }, "{name}");
        }
    }
    assert!(server.fake.0.lock().unwrap().offers.is_empty());
}

#[test]
fn stream_names_are_short_and_plain() {
    for name in ["a", "live", "A-b_c.d", "0", "-", "a..b", &"x".repeat(64)] {
        assert!(is_stream_name(name), "{name}");
    }
    for name in ["", ".", "..", ".a", "a/b", "a b", "a\n", "é", &"x".repeat(65)] {
        assert!(!is_stream_name(name), "{name:?}");
    }
}

#[tokio::test]
async fn session_ids_that_cannot_be_are_404() {
    let server = server();
    for id in ["%00", "..%2f", "a%0d%0ab", &"x".repeat(129)] {
        let answer = server.send("DELETE", &format!("/whip/live/{id}"), &[bearer("p")], "").await;
        answer.is_problem(404, "unknown-session");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let server = server();
    let fits = server.send("POST", "/whip/live", &[SDP, bearer("p")], vec![b'a'; MAX_BODY]).await;
    assert_eq!(fits.status, 201);
    let path = fits.header("location").to_owned();

    let announced = [SDP, bearer("p"), ("content-length", "9999999999")];
    server.send("POST", "/whip/live", &announced, OFFER).await.is_problem(413, "too-large");
    let chunks = || Body::new(Chunks(6));
    server.send("POST", "/whip/live", &[SDP, bearer("p")], chunks()).await.is_problem(413, "too-large");
    let patch = [FRAGMENT, bearer("p"), ("if-match", "\"e1\"")];
    server.send("PATCH", &path, &patch, chunks()).await.is_problem(413, "too-large");
    assert_eq!(server.fake.sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408() {
    let never = Body::new(Never);
    let answer = server().send("POST", "/whip/live", &[SDP, bearer("p")], never).await;
    answer.is_problem(408, "too-slow");
}

#[tokio::test]
async fn a_body_that_is_not_text_is_400() {
    let answer = server().send("POST", "/whip/live", &[SDP, bearer("p")], vec![0xff, 0xfe]).await;
    answer.is_problem(400, "invalid-offer");
}

#[tokio::test]
async fn an_unauthorised_body_is_not_even_read() {
    let never = Body::new(Never);
    let answer = server().send("POST", "/whip/live", &[SDP], never).await;
    answer.is_problem(401, "missing-token");
}

#[tokio::test]
async fn what_a_refusal_quotes_is_escaped_and_bounded() {
    let server = server();
    let offered = format!("\r\nSet-Cookie: x=1\"<script>{}", "é".repeat(5_000));
    server.fake.refuse(SignalError::NoCommonCodec(offered));
    let answer = server.send("POST", "/whip/live", &[SDP, bearer("p")], OFFER).await;
    answer.is_problem(406, "no-common-codec");
    assert!(answer.headers.get("set-cookie").is_none());
    assert!(!answer.text().contains('\n'));
    assert_eq!(answer.json()["detail"].as_str().unwrap().chars().count(), 1_000);
}

#[tokio::test]
async fn odd_authorization_values_are_refused_without_a_panic() {
    let server = server();
    for value in ["", "Bearer", "Bearer ", " ", "Bearer \u{7f}x", &"x".repeat(10_000)] {
        let Ok(value) = axum::http::HeaderValue::try_from(value) else { continue };
        let request = Request::post("/whip/live").header("authorization", value);
        let mut request = request.header("content-type", "application/sdp").body(Body::from(OFFER)).unwrap();
        request.extensions_mut().insert(Peer(server.peer));
        assert_eq!(server.router.clone().oneshot(request).await.unwrap().status(), 401);
    }
    let mut request = Request::post("/whip/live").body(Body::empty()).unwrap();
    let bytes = axum::http::HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap();
    request.headers_mut().insert("authorization", bytes);
    request.extensions_mut().insert(Peer(server.peer));
    assert_eq!(server.router.clone().oneshot(request).await.unwrap().status(), 401);
}

/// A body in pieces, without a length.
struct Chunks(usize);
/// A body that never comes.
struct Never;

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = || Ok(Frame::data(Bytes::from(vec![b'a'; MAX_BODY / 4])));
        self.0 = self.0.saturating_sub(1);
        Poll::Ready((self.0 > 0).then(piece))
    }
}

impl HttpBody for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
