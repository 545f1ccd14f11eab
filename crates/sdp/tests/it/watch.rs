//! Answers to browsers that watch (WHEP).

use headwater_sdp::{AnswerError, CodecCapability, Direction, Outgoing, Preference, answer};

use crate::{CSRC_AUDIO_LEVEL, PLAYOUT_DELAY, capabilities, codecs, fixture, has_line, local, parse};

fn sending_local() -> headwater_sdp::Local {
    let mut local = local();
    local.audio = vec![Outgoing::new("live", "live-audio", "hw-cname", 1_001)];
    local.video = vec![Outgoing::new("live", "live-video", "hw-cname", 2_001).with_rtx(2_002)];
    local
}

#[test]
fn a_viewer_gets_the_live_codec_first_and_learns_the_streams() {
    let offer = parse(fixture!("chromium156-play-recvonly.offer.sdp"));
    let mut capabilities = capabilities(Direction::SendOnly);
    capabilities.preference = Preference::Ours;
    capabilities.video =
        vec![CodecCapability::video("VP9").with_fmtp("profile-id=0"), CodecCapability::video("VP8")];
    let answer = answer(&offer, &capabilities, &sending_local()).expect("an answer");
    let [audio, video] = &answer.session.media[..] else { panic!("two sections") };
    assert_eq!(codecs(&answer.media[1])[..], ["98+99 VP9", "96+97 VP8"]);
    assert_eq!(answer.media[1].direction, Direction::SendOnly);
    for line in ["a=sendonly", "a=msid:live live-audio", "a=ssrc:1001 cname:hw-cname"] {
        assert!(has_line(audio, line), "{line}");
    }
    for line in [
        "a=msid:live live-video",
        "a=ssrc-group:FID 2001 2002",
        "a=ssrc:2001 cname:hw-cname",
        "a=ssrc:2002 cname:hw-cname",
    ] {
        assert!(has_line(video, line), "{line}");
    }
    assert!(audio.ssrc_groups.is_empty());
}

#[test]
fn without_rtx_there_is_no_rtx_stream() {
    let offer = parse(fixture!("chromium156-play-recvonly.offer.sdp"));
    let mut capabilities = capabilities(Direction::SendOnly);
    capabilities.rtx = false;
    let answer = answer(&offer, &capabilities, &sending_local()).expect("an answer");
    let text = answer.session.to_string();
    assert!(!text.contains("2002") && !text.contains("FID"));
}

#[test]
fn firefox_gets_the_extensions_that_it_only_receives() {
    let offer = parse(fixture!("firefox153-play-recvonly.offer.sdp"));
    let answer = answer(&offer, &capabilities(Direction::SendOnly), &sending_local()).expect("an answer");
    assert_eq!(answer.media[0].extension_id(CSRC_AUDIO_LEVEL), Some(2));
    assert_eq!(answer.media[1].extension_id(PLAYOUT_DELAY), Some(6));
    assert!(has_line(&answer.session.media[1], &format!("a=extmap:6/sendonly {PLAYOUT_DELAY}")));
    assert_eq!(codecs(&answer.media[1]), ["120+124 VP8", "121+125 VP9", "99+100 AV1"]);
}

#[test]
fn a_stream_that_firefox_can_not_play_is_refused_in_words() {
    let offer = parse(fixture!("firefox153-play-recvonly.offer.sdp"));
    let mut capabilities = capabilities(Direction::SendOnly);
    capabilities.video = vec![CodecCapability::video("H264")];
    let error = answer(&offer, &capabilities, &sending_local()).expect_err("no H264 there");
    assert!(matches!(error, AnswerError::NoCommonCodec { .. }));
    assert_eq!(
        error.to_string(),
        "no common video codec: offered VP8, VP9, AV1, ulpfec, red, supported H264"
    );
}

/// A publisher's 42001f is played by whoever decodes 42e01f, and its exact match comes first.
#[test]
fn a_decoder_of_more_than_the_live_h264_will_do() {
    let offer = parse(fixture!("chromium156-play-recvonly.offer.sdp"));
    let chosen = |fmtp: &str| {
        let mut capabilities = capabilities(Direction::SendOnly);
        capabilities.preference = Preference::Ours;
        capabilities.video = vec![CodecCapability::video("H264").with_fmtp(fmtp)];
        answer(&offer, &capabilities, &sending_local())
            .map(|answer| {
                answer.media[1].codecs.iter().map(|codec| codec.fmtp.clone().unwrap_or_default()).collect()
            })
            .unwrap_or_else(|_| Vec::new())
    };
    let fmtps = chosen("packetization-mode=1;profile-level-id=42e01f");
    assert!(fmtps[0].contains("packetization-mode=1;profile-level-id=42e01f"), "{fmtps:?}");
    assert!(fmtps.len() > 1 && fmtps.iter().all(|fmtp| fmtp.contains("packetization-mode=1")), "{fmtps:?}");
    assert!(
        chosen("packetization-mode=1;profile-level-id=f4001f")
            .iter()
            .all(|fmtp: &String| fmtp.contains("f4001f"))
    );
}

#[test]
fn an_audio_stream_leaves_the_viewers_video_section_rejected() {
    let offer = parse(fixture!("firefox153-play-recvonly.offer.sdp"));
    let mut capabilities = capabilities(Direction::SendOnly);
    capabilities.video.clear();
    let answer = answer(&offer, &capabilities, &sending_local()).expect("an answer");
    assert_eq!(answer.media.iter().map(|media| media.rejected).collect::<Vec<_>>(), [false, true]);
    assert_eq!(answer.session.bundle().expect("a bundle").mids, ["0"]);
}
