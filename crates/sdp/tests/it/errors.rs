//! Offers that can't be answered, and what is said about them.

use headwater_sdp::{Direction, Session, answer};

use crate::{capabilities, fixture, local, parse};

/// What is said of Chromium's offer after `change`.
fn complaint(change: impl Fn(&mut Session)) -> String {
    let mut offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    change(&mut offer);
    let answer = answer(&offer, &capabilities(Direction::RecvOnly), &local());
    answer.expect_err("it can't be answered").to_string()
}

#[test]
fn each_fault_is_named() {
    type Change = fn(&mut Session);
    let table: [(Change, &str); 14] = [
        (|offer| offer.media.clear(), "the description has no media section"),
        (
            |offer| offer.media.iter_mut().for_each(|media| media.transport.fingerprints.clear()),
            "a=fingerprint is missing; media has to be encrypted with DTLS-SRTP",
        ),
        (|offer| offer.media[0].transport.ufrag = None, "a=ice-ufrag or a=ice-pwd is missing"),
        (|offer| offer.media[0].transport.password = None, "a=ice-ufrag or a=ice-pwd is missing"),
        (
            |offer| offer.media[0].transport.password = Some("short".into()),
            "a=ice-ufrag needs 4 to 256 and a=ice-pwd 22 to 256 letters, digits, + or /",
        ),
        (
            |offer| offer.media[1].rtcp_mux = false,
            "the video section lacks a=rtcp-mux; RTCP on a port of its own is not supported",
        ),
        (
            |offer| offer.groups.clear(),
            "the video section is not in a BUNDLE group with the others; all media has to share one port",
        ),
        (
            |offer| offer.groups[0].mids = vec!["1".into()],
            "the audio section is not in a BUNDLE group with the others; all media has to share one port",
        ),
        (|offer| offer.media[1].mid = Some("0".into()), "two media sections have the mid 0"),
        (
            |offer| offer.media[0].transport.setup = Some(headwater_sdp::Setup::HoldConn),
            "a=setup:holdconn can't be used here",
        ),
        (|offer| offer.ice_lite = true, "a=ice-lite: one side has to be a full ICE agent"),
        (
            |offer| offer.media[0].protocol = "RTP/AVP".into(),
            "the audio section uses RTP/AVP; UDP/TLS/RTP/SAVPF is needed",
        ),
        (
            |offer| offer.media.iter_mut().for_each(|media| media.direction = Some(Direction::RecvOnly)),
            "the media flows the wrong way: a section has to be sendonly or sendrecv",
        ),
        (
            |offer| offer.media[0].codecs.retain(|codec| codec.name != "opus" && codec.name != "red"),
            "no common audio codec: offered G722, PCMU, PCMA, CN, telephone-event, supported opus",
        ),
    ];
    for (change, expected) in table {
        assert_eq!(complaint(change), expected);
    }
}

#[test]
fn an_offer_of_only_a_data_channel_is_refused() {
    for offer in [
        fixture!("chromium156-datachannel-only.offer.sdp"),
        fixture!("firefox153-datachannel-only.offer.sdp"),
    ] {
        let error =
            answer(&parse(offer), &capabilities(Direction::RecvOnly), &local()).expect_err("no media");
        assert_eq!(error.to_string(), "none of the offered media sections can be used: application");
    }
}

#[test]
fn a_viewer_who_offers_to_send_is_told_so() {
    let offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    let error = answer(&offer, &capabilities(Direction::SendOnly), &local()).expect_err("the wrong way");
    assert_eq!(error.to_string(), "the media flows the wrong way: a section has to be recvonly or sendrecv");
}
