//! WHEP: what differs from WHIP.

use super::*;

#[tokio::test]
async fn a_viewer_gets_a_session_under_whep() {
    let server = server();
    let answer = server.send("POST", "/whep/live", &[SDP, bearer("w")], OFFER).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), "/whep/live/s1");
    let path = answer.header("location");
    let headers = [FRAGMENT, bearer("w"), ("if-match", answer.header("etag"))];
    assert_eq!(server.send("PATCH", path, &headers, "a=mid:0\r\n").await.status, 204);
    assert_eq!(server.send("DELETE", path, &[bearer("w")], "").await.status, 200);
}

#[tokio::test]
async fn a_stream_that_is_not_live_is_a_409_to_ask_again() {
    let server = server();
    server.fake.refuse(SignalError::NotLive);
    let answer = server.send("POST", "/whep/quiet", &[SDP, bearer("w")], OFFER).await;
    answer.is_problem(409, "not-live");
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test]
async fn a_viewer_without_a_common_codec_gets_406() {
    let server = server();
    server.fake.refuse(SignalError::NoCommonCodec("the stream is AV1, offered H264".to_owned()));
    let answer = server.send("POST", "/whep/live", &[SDP, bearer("w")], OFFER).await;
    answer.is_problem(406, "no-common-codec");
    assert!(answer.text().contains("AV1"));
}

#[tokio::test]
async fn head_tells_a_whep_endpoint_and_get_is_refused() {
    let server = server();
    let answer = server.send("HEAD", "/whep/live", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/sdp"));
    server.send("GET", "/whep/live", &[], "").await.is_problem(405, "method-not-allowed");
}
