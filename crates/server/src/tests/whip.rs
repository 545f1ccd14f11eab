//! WHIP: every answer that RFC 9725 or the project's own contract names.

use super::*;

#[tokio::test]
async fn an_offer_is_answered_with_a_session() {
    let server = server();
    let answer = server.send("POST", "/whip/live", &[SDP, bearer("p")], OFFER).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), "application/sdp");
    assert_eq!(answer.header("location"), "/whip/live/s1");
    assert_eq!(answer.header("etag"), "\"e1\"");
    assert_eq!(answer.header("accept-patch"), "application/trickle-ice-sdpfrag");
    assert_eq!(
        answer.header("link"),
        "<turn:turn.example:3478?transport=udp>; rel=\"ice-server\"; username=\"u\\\"ser\"; credential=\"c\"; \
         credential-type=\"password\""
    );
    assert!(answer.text().starts_with("v=0"));
    let seen = &server.fake.0.lock().unwrap().offers[0];
    assert_eq!(*seen, ("live".to_owned(), OFFER.to_owned(), "192.0.2.9".parse().unwrap()));
}

#[tokio::test]
async fn content_type_parameters_and_case_do_not_matter() {
    for value in ["application/sdp; charset=utf-8", "Application/SDP", "application/sdp ;a=b"] {
        let answer =
            server().send("POST", "/whip/live", &[("content-type", value), bearer("p")], OFFER).await;
        assert_eq!(answer.status, 201, "{value}");
    }
}

#[tokio::test]
async fn another_content_type_is_refused_with_415() {
    let server = server();
    for headers in
        [&[bearer("p")][..], &[("content-type", "application/json"), bearer("p")], &[FRAGMENT, bearer("p")]]
    {
        let answer = server.send("POST", "/whip/live", headers, OFFER).await;
        answer.is_problem(415, "wrong-content-type");
        assert_eq!(answer.header("accept-post"), "application/sdp");
    }
    assert_eq!(server.fake.sessions(), 0);
}

#[tokio::test]
async fn refusals_of_the_node_have_their_status() {
    let table = [
        (SignalError::InvalidOffer("line 3: no such thing".to_owned()), 400, "invalid-offer", ""),
        (SignalError::NoCommonCodec("offered H266".to_owned()), 406, "no-common-codec", ""),
        (SignalError::AlreadyPublished, 409, "already-published", ""),
        (SignalError::LimitReached("streams"), 503, "limit-reached", "5"),
        (SignalError::LimitReached("sessions per address"), 429, "limit-reached", "5"),
    ];
    for (error, status, code, retry) in table {
        let (server, words) = (server(), error.to_string());
        server.fake.refuse(error);
        let answer = server.send("POST", "/whip/live", &[SDP, bearer("p")], OFFER).await;
        answer.is_problem(status, code);
        assert_eq!(answer.header("retry-after"), retry);
        assert_eq!(answer.json()["detail"], words);
    }
}

#[tokio::test]
async fn a_dead_worker_is_a_503() {
    let server = server();
    server.fake.0.lock().unwrap().dead = true;
    let answer = server.send("POST", "/whip/live", &[SDP, bearer("p")], OFFER).await;
    answer.is_problem(503, "unavailable");
}

#[tokio::test]
async fn a_server_that_stops_takes_no_offers() {
    let server = server();
    server.stop();
    let answer = server.send("POST", "/whip/live", &[SDP, bearer("p")], OFFER).await;
    answer.is_problem(503, "unavailable");
    assert_eq!(server.send("GET", "/healthz", &[], "").await.status, 503);
}

#[tokio::test]
async fn a_session_that_nobody_waits_for_is_closed_again() {
    type Later = Box<dyn FnOnce() + Send>;
    /// Answers a publish only when told to.
    #[derive(Clone, Default)]
    struct Slow(Fake, Arc<Mutex<Option<Later>>>);
    impl Backend for Slow {
        fn publish(
            &self,
            stream: &str,
            offer: String,
            from: IpAddr,
            reply: Reply<Result<Created, SignalError>>,
        ) {
            let (fake, stream) = (self.0.clone(), stream.to_owned());
            *self.1.lock().unwrap() =
                Some(Box::new(move || Backend::publish(&fake, &stream, offer, from, reply)));
        }
        fn watch(&self, _: &str, _: String, _: IpAddr, _: Reply<Result<Created, SignalError>>) {}
        fn trickle(&self, _: &str, _: String, _: Option<String>, _: Reply<Result<Trickle, SignalError>>) {}
        fn close(&self, id: &str, reply: Reply<bool>) {
            self.0.close(id, reply);
        }
        fn streams(&self, _: Reply<Vec<StreamView>>) {}
        fn sessions(&self, _: Reply<Vec<SessionView>>) {}
        fn counters(&self) -> Vec<Sample> {
            Vec::new()
        }
        fn dump(&self, _: &str, _: Duration, _: Reply<Option<Vec<u8>>>) {}
        fn shutdown(&self, _: Duration) {}
    }

    let slow = Slow::default();
    let media = Media::new(slow.clone());
    {
        let asking = media.publish("live", OFFER.to_owned(), "192.0.2.9".parse().unwrap());
        let mut asking = std::pin::pin!(asking);
        let not_yet = std::future::poll_fn(|context| {
            std::task::Poll::Ready(asking.as_mut().poll(context).is_pending())
        });
        assert!(not_yet.await);
    } // the client hangs up
    let answer = slow.1.lock().unwrap().take().unwrap();
    answer();
    let made = slow.0.0.lock().unwrap().made;
    assert_eq!((made, slow.0.sessions()), (1, 0));
}

#[tokio::test]
async fn candidates_are_taken_with_the_current_etag_only() {
    let server = server();
    let path = server.live().await;
    let table = [
        (Some("\"e1\""), 204, ""),
        (None, 428, "missing-if-match"),
        (Some("\"e0\""), 412, "stale-etag"),
        (Some("W/\"e1\""), 412, "stale-etag"),
        (Some("e1"), 412, "stale-etag"),
        (Some("\"e1\", \"e2\""), 412, "stale-etag"),
        (Some(""), 412, "stale-etag"),
    ];
    for (etag, status, code) in table {
        let mut headers = vec![FRAGMENT, bearer("p")];
        headers.extend(etag.map(|etag| ("if-match", etag)));
        let answer = server.send("PATCH", &path, &headers, "a=mid:0\r\n").await;
        if code.is_empty() {
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{etag:?}");
        } else {
            answer.is_problem(status, code);
        }
    }
}

#[tokio::test]
async fn a_star_restarts_ice_and_brings_a_new_etag() {
    let server = server();
    let path = server.live().await;
    for star in ["*", "\"*\""] {
        let headers = [FRAGMENT, bearer("p"), ("if-match", star)];
        let answer = server.send("PATCH", &path, &headers, "a=ice-ufrag:x\r\n").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("etag"), "\"e2\"");
        assert_eq!(answer.header("content-type"), "application/trickle-ice-sdpfrag");
        assert!(answer.text().contains("ice-ufrag:new"));
    }
}

#[tokio::test]
async fn a_patch_of_another_type_is_refused_with_415() {
    let server = server();
    let path = server.live().await;
    let answer = server.send("PATCH", &path, &[SDP, bearer("p"), ("if-match", "\"e1\"")], OFFER).await;
    answer.is_problem(415, "wrong-content-type");
    assert_eq!(answer.header("accept-patch"), "application/trickle-ice-sdpfrag");
}

#[tokio::test]
async fn delete_ends_the_session_once() {
    let server = server();
    let path = server.live().await;
    assert_eq!(server.send("DELETE", &path, &[bearer("p")], "").await.status, 200);
    assert_eq!(server.fake.sessions(), 0);
    server.send("DELETE", &path, &[bearer("p")], "").await.is_problem(404, "unknown-session");
    let patch = server.send("PATCH", &path, &[FRAGMENT, bearer("p"), ("if-match", "\"e1\"")], "").await;
    patch.is_problem(404, "unknown-session");
}

#[tokio::test]
async fn reserved_methods_get_405_with_the_allowed_ones() {
    let server = server();
    let path = server.live().await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"] {
        let answer = server.send(method, "/whip/live", &[bearer("p")], "").await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), "POST,OPTIONS");
    }
    for method in ["GET", "HEAD", "PUT", "POST"] {
        let answer = server.send(method, &path, &[bearer("p")], "").await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), "PATCH,DELETE,OPTIONS");
    }
    server.send("PUT", "/whip/live", &[], "").await.is_problem(405, "method-not-allowed");
}
