//! Trickled candidates and ICE restarts (RFC 8840, RFC 9725 §4.3).

use headwater_sdp::{Fragment, Transport, answer};

use crate::{capabilities, fixture, local, parse};

/// In the shape of RFC 9725's example of a trickle request.
const TRICKLE: &str = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n\
    a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
    a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
    a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r\n\
    a=end-of-candidates\r\n";

#[test]
fn a_trickle_request_is_read() {
    let fragment = Fragment::parse(TRICKLE).expect("a fragment");
    assert_eq!(fragment.ufrag(), Some("EsAw"));
    assert_eq!(fragment.password(), Some("P2uYro0UCOQ4zxjKXaWCBui1"));
    assert_eq!(fragment.candidates().count(), 2);
    assert!(fragment.candidates().all(|candidate| candidate.ends_with(char::is_numeric)));
    assert!(fragment.is_end_of_candidates());
    assert_eq!(fragment.media[0].mid.as_deref(), Some("0"));
    assert_eq!(Fragment::parse(&fragment.to_string()), Ok(fragment));
}

#[test]
fn credentials_and_candidates_may_stand_before_any_section() {
    let text =
        "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=candidate:1 1 udp 1 192.0.2.1 9 typ host";
    let fragment = Fragment::parse(text).expect("a fragment");
    assert_eq!(fragment.ufrag(), Some("abcd"));
    assert_eq!(fragment.candidates().collect::<Vec<_>>(), ["1 1 udp 1 192.0.2.1 9 typ host"]);
    assert!(!fragment.is_end_of_candidates());
}

#[test]
fn what_browsers_trickle_is_read() {
    for lines in [
        fixture!("chromium156-publish-av-default.candidates.txt"),
        fixture!("firefox153-publish-av-default.candidates.txt"),
    ] {
        let lines: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let text = format!("m=audio 9 RTP/AVP 0\r\na=mid:0\r\na={}\r\n", lines.join("\r\na="));
        let fragment = Fragment::parse(&text).expect("a fragment");
        assert_eq!(fragment.candidates().count(), lines.len());
    }
}

#[test]
fn an_answer_to_an_ice_restart_is_written() {
    let offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    let capabilities = capabilities(headwater_sdp::Direction::RecvOnly);
    let answer = answer(&offer, &capabilities, &local()).expect("an answer");
    let mut transport = Transport::default();
    transport.ufrag = Some("newu".into());
    transport.password = Some("newpasswordnewpassword".into());
    transport.candidates = vec!["1 1 udp 2130706431 198.51.100.1 8189 typ host".into()];
    transport.end_of_candidates = true;
    let mut fragment = Fragment::new(&answer.session.media[0], transport.clone());
    fragment.ice_lite = true;
    assert_eq!(
        fragment.to_string(),
        "a=ice-lite\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:newu\r\n\
         a=ice-pwd:newpasswordnewpassword\r\na=candidate:1 1 udp 2130706431 198.51.100.1 8189 typ host\r\n\
         a=end-of-candidates\r\n"
    );
    assert_eq!(Fragment::parse(&fragment.to_string()), Ok(fragment));
    assert_eq!(Fragment::for_mid("0", transport).ufrag(), Some("newu"));
}

#[test]
fn garbage_is_refused_with_its_line() {
    let error = Fragment::parse("a=mid:0\r\nfoo\r\n").expect_err("not a line");
    assert_eq!(error.to_string(), "line 2: not of the form `x=value`");
}
