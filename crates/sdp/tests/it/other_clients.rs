//! Offers in the shape of clients that are no browsers.

use headwater_sdp::{Direction, Setup, answer};

use crate::{capabilities, codecs, fixture, has_line, local, parse};

#[test]
fn obs_publishes_without_trickle_or_extensions() {
    let offer = parse(fixture!("made-obs.offer.sdp"));
    let answer = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert_eq!(answer.remote.ufrag, "Q8ob", "from the session's part");
    assert!(answer.remote.end_of_candidates && !answer.remote.trickle);
    assert_eq!(answer.remote.candidates, ["1 1 UDP 2122317823 198.51.100.7 52100 typ host"]);
    assert_eq!(answer.remote.setup, Setup::Passive);
    assert_eq!(codecs(&answer.media[0]), ["111 opus"]);
    assert_eq!(codecs(&answer.media[1]), ["96 H264"]);
    assert!(answer.media.iter().all(|media| media.extensions.is_empty() && !media.rtcp_rsize));
    assert_eq!(answer.media[1].remote_ssrcs[0].ssrc, 3_405_691_583);
    assert_eq!(answer.media[1].remote_ssrcs[0].rtx, None);
    assert!(!answer.session.extmap_allow_mixed);
    assert!(!has_line(&answer.session.media[1], "a=rtcp-rsize"));
    assert!(!answer.session.to_string().contains("group:LS"), "no group that we don't know");
}

#[test]
fn ffmpeg_publishes_as_dtls_server() {
    let text = fixture!("made-ffmpeg.offer.sdp");
    let answered = answer(&parse(text), &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert_eq!(answered.remote.setup, Setup::Active, "somebody has to begin");
    assert!(answered.session.media.iter().all(|section| has_line(section, "a=setup:active")));
    assert_eq!(codecs(&answered.media[1]), ["106+105 H264"]);
    assert_eq!(answered.media[1].remote_ssrcs[0].rtx, Some(2_003));

    let active = text.replace("a=setup:passive", "a=setup:active");
    let answered = answer(&parse(&active), &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert_eq!(answered.remote.setup, Setup::Passive);
}

#[test]
fn a_single_section_needs_no_bundle_nor_mid() {
    let (text, _) = fixture!("made-ffmpeg.offer.sdp").split_once("m=video").expect("a video section");
    let text = text.replace("a=group:BUNDLE 0 1\r\n", "").replace("a=mid:0\r\n", "");
    let answer = answer(&parse(&text), &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert_eq!(answer.media.len(), 1);
    assert!(answer.session.groups.is_empty());
    assert_eq!(answer.session.media[0].mid, None);
    assert_eq!(answer.session.media[0].transport.candidates.len(), 1);
}
