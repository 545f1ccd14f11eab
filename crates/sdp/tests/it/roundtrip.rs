//! Our own offers, answered by ourselves: both sides settle the same.

use headwater_sdp::{
    AnswerError, Codec, Direction, Extension, Local, MediaKind, Negotiated, Offer, OfferedMedia, Outgoing,
    Session, Setup, answer, offer, read_answer,
};

use crate::{MID, TRANSPORT_CC, capabilities, codecs, has_line, local, parse};

fn client() -> Local {
    let mut local = Local::new("client", "clientpasswordclientpw", "sha-256 AA:BB");
    local.audio = vec![Outgoing::new("stream", "a", "me", 1)];
    local.video = vec![Outgoing::new("stream", "v", "me", 2).with_rtx(3)];
    local.candidates = vec!["1 1 udp 1 192.0.2.1 5000 typ host".into()];
    local
}

fn our_offer(direction: Direction) -> Session {
    let mut opus = Codec::new(111, "opus", 48_000);
    opus.channels = Some(2);
    let mut vp8 = Codec::new(96, "VP8", 90_000);
    vp8.feedback = ["nack", "nack pli", "ccm fir", "transport-cc"].map(str::to_owned).into();
    let mut rtx = Codec::new(97, "rtx", 90_000);
    rtx.fmtp = Some("apt=96".into());
    let mut audio = OfferedMedia::new(MediaKind::Audio, direction, vec![opus]);
    let mut video = OfferedMedia::new(MediaKind::Video, direction, vec![vp8, rtx]);
    audio.extensions = vec![Extension::new(1, MID)];
    video.extensions = vec![Extension::new(1, MID), Extension::new(2, TRANSPORT_CC)];
    offer(&Offer::new(vec![audio, video]), &client())
}

#[test]
fn both_sides_of_a_publish_settle_the_same() {
    let offer = our_offer(Direction::SendOnly);
    assert_eq!(parse(&offer.to_string()), offer);
    assert!(has_line(&offer.media[1], "a=setup:actpass"));
    assert!(has_line(&offer.media[1], "a=ssrc-group:FID 2 3"));
    let answer =
        answer(&parse(&offer.to_string()), &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    let client_side = read_answer(&offer, &parse(&answer.session.to_string())).expect("a good answer");
    let server_side = Negotiated::from(answer);

    assert_eq!((server_side.remote.setup, client_side.remote.setup), (Setup::Passive, Setup::Active));
    assert!(client_side.remote.ice_lite && client_side.remote.end_of_candidates);
    assert_eq!(client_side.remote.candidates, ["1 1 udp 2130706431 198.51.100.1 8189 typ host"]);
    assert_eq!(client_side.remote.fingerprints, ["sha-256 11:22:33"]);
    for (ours, theirs) in client_side.media.iter().zip(&server_side.media) {
        assert_eq!(ours.direction, Direction::SendOnly);
        assert_eq!(theirs.direction, Direction::RecvOnly);
        assert_eq!(codecs(ours), codecs(theirs));
        assert_eq!(ours.extensions, theirs.extensions);
        assert_eq!(ours.codecs[0].feedback, theirs.codecs[0].feedback);
    }
    assert_eq!(codecs(&client_side.media[1]), ["96+97 VP8"]);
    assert_eq!(server_side.media[1].remote_ssrcs[0].rtx, Some(3));
}

#[test]
fn a_viewer_reads_what_it_will_be_sent() {
    let offer = our_offer(Direction::RecvOnly);
    let mut server = local();
    server.video = vec![Outgoing::new("live", "v", "hw", 20).with_rtx(21)];
    let answer = answer(&offer, &capabilities(Direction::SendOnly), &server).expect("an answer");
    let negotiated = read_answer(&offer, &answer.session).expect("a good answer");
    assert_eq!(negotiated.media[1].direction, Direction::RecvOnly);
    assert_eq!(
        (negotiated.media[1].remote_ssrcs[0].ssrc, negotiated.media[1].remote_ssrcs[0].rtx),
        (20, Some(21))
    );
    assert_eq!(negotiated.media[1].remote_msid.as_ref().expect("msid").stream, "live");
    assert!(offer.media[1].ssrcs.is_empty(), "a viewer sends nothing");
}

#[test]
fn answers_that_do_not_fit_the_offer_are_refused() {
    let offer = our_offer(Direction::SendOnly);
    let good = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer").session;
    let complaint = |change: &dyn Fn(&mut Session)| {
        let mut answer = good.clone();
        change(&mut answer);
        read_answer(&offer, &answer).expect_err("it does not fit")
    };
    assert_eq!(complaint(&|answer| drop(answer.media.pop())), AnswerError::OtherSections);
    assert_eq!(complaint(&|answer| answer.media.swap(0, 1)), AnswerError::OtherSections);
    assert_eq!(
        complaint(&|answer| answer.media[1].push_codec(Codec::new(99, "VP9", 90_000))),
        AnswerError::UnknownPayloadType(99)
    );
    assert_eq!(
        complaint(&|answer| answer.media[1].extensions.push(Extension::new(9, MID))),
        AnswerError::UnknownExtension { id: 9, uri: MID.into() }
    );
    assert_eq!(
        complaint(&|answer| answer.media[0].transport.setup = Some(Setup::ActPass)),
        AnswerError::UnsupportedSetup(Setup::ActPass)
    );
    assert!(matches!(complaint(&|answer| answer.groups.clear()), AnswerError::NotBundled { .. }));
    assert_eq!(
        complaint(&|answer| answer.media[0].transport.fingerprints.clear()),
        AnswerError::NoFingerprint
    );
}

#[test]
fn a_rejected_section_of_an_answer_is_read_as_rejected() {
    let offer = our_offer(Direction::SendOnly);
    let mut capabilities = capabilities(Direction::RecvOnly);
    capabilities.audio.clear();
    let answer = answer(&offer, &capabilities, &local()).expect("an answer");
    let negotiated = read_answer(&offer, &parse(&answer.session.to_string())).expect("a good answer");
    assert_eq!(negotiated.media.iter().map(|media| media.rejected).collect::<Vec<_>>(), [true, false]);
    assert_eq!(negotiated.remote.candidates.len(), 1);
}

/// Chromium's and Firefox's own answers are read too.
#[test]
fn answers_of_browsers_are_read() {
    for (offer, answer) in [
        (
            crate::fixture!("chromium156-publish-av-default.offer.sdp"),
            crate::fixture!("chromium156-publish-av-default.answer.sdp"),
        ),
        (
            crate::fixture!("chromium156-play-recvonly.offer.sdp"),
            crate::fixture!("chromium156-play-recvonly.answer.sdp"),
        ),
        (
            crate::fixture!("firefox153-publish-av-default.offer.sdp"),
            crate::fixture!("firefox153-publish-av-default.answer.sdp"),
        ),
        (
            crate::fixture!("chromium156-publish-vp8-simulcast3.offer.sdp"),
            crate::fixture!("chromium156-publish-vp8-simulcast3.answer.sdp"),
        ),
    ] {
        let negotiated = read_answer(&parse(offer), &parse(answer)).expect("a good answer");
        assert!(negotiated.media.iter().all(|media| !media.rejected && !media.codecs.is_empty()));
    }
}
