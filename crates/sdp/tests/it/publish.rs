//! Answers to browsers that publish (WHIP).

use headwater_sdp::{CodecCapability, Direction, Preference, RemoteSsrc, Setup, answer};

use crate::{MID, PLAYOUT_DELAY, TRANSPORT_CC, capabilities, codecs, fixture, has_line, local, parse};

#[test]
fn chromium_publishes_audio_and_video() {
    let offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    let answer = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");

    assert_eq!(answer.remote.ufrag, "PLqv");
    assert_eq!(answer.remote.password, "kmWA10ZC9xQSnDd1gxNcphKd");
    assert!(answer.remote.fingerprints[0].starts_with("sha-256 D9:F0:5A"));
    assert_eq!(answer.remote.setup, Setup::Passive);
    assert!(answer.remote.trickle && !answer.remote.end_of_candidates);

    let [audio, video] = &answer.media[..] else { panic!("two sections") };
    assert_eq!(codecs(audio), ["111 opus"]);
    assert_eq!(
        codecs(video),
        [
            "96+97 VP8",
            "102+103 H264",
            "104+107 H264",
            "108+109 H264",
            "114+115 H264",
            "116+117 H264",
            "39+40 H264",
            "45+46 AV1",
            "98+99 VP9",
            "100+101 VP9"
        ]
    );
    assert_eq!(audio.direction, Direction::RecvOnly);
    assert!(video.codecs[0].has_feedback("nack pli") && !video.codecs[0].has_feedback("goog-remb"));
    assert_eq!(video.extension_id(MID), Some(4));
    assert_eq!(video.extension_id(TRANSPORT_CC), Some(3));
    let streams = [RemoteSsrc::clone(&video.remote_ssrcs[0])];
    assert_eq!((streams[0].ssrc, streams[0].rtx), (3_139_301_882, Some(386_148_183)));
    assert_eq!(streams[0].cname.as_deref(), Some("l0ibtEEojsfXhjJT"));
    assert_eq!(video.remote_ssrcs.len(), 1);

    let text = answer.session.to_string();
    assert!(
        text.contains(
            "a=group:BUNDLE 0 1\r\na=ice-lite\r\na=extmap-allow-mixed\r\na=ice-options:trickle\r\n"
        )
    );
    for section in &answer.session.media {
        for line in [
            "a=recvonly",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            "a=setup:passive",
            "a=ice-ufrag:hwfragment",
            "a=ice-pwd:hwpasswordhwpasswordhw",
            "a=fingerprint:sha-256 11:22:33",
        ] {
            assert!(has_line(section, line), "{line}");
        }
        assert!(section.ssrcs.is_empty() && section.msids.is_empty(), "we send nothing");
    }
    let candidate = "a=candidate:1 1 udp 2130706431 198.51.100.1 8189 typ host";
    assert!(has_line(&answer.session.media[0], candidate));
    assert!(has_line(&answer.session.media[0], "a=end-of-candidates"));
    assert!(answer.session.media[1].transport.candidates.is_empty(), "only the bundle's first section");
    assert!(has_line(&answer.session.media[1], "a=fmtp:97 apt=96"));
}

#[test]
fn firefox_publishes_with_its_fingerprint_in_the_session() {
    let offer = parse(fixture!("firefox153-publish-av-default.offer.sdp"));
    let answer = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert!(answer.remote.fingerprints[0].starts_with("sha-256 8A:3A:2B"));
    let [audio, video] = &answer.media[..] else { panic!("two sections") };
    assert_eq!(codecs(audio), ["109 opus"]);
    assert_eq!(codecs(video), ["120+124 VP8", "121+125 VP9", "99+100 AV1"]);
    assert!(!audio.rtcp_rsize && video.rtcp_rsize, "as offered");
    // It only receives these two (`extmap:2/recvonly`, `extmap:6/recvonly`), and so do we.
    assert_eq!(audio.extension_id(crate::CSRC_AUDIO_LEVEL), None);
    assert_eq!(video.extension_id(PLAYOUT_DELAY), None);
    assert!(answer.session.media.iter().all(|section| section.extmap_allow_mixed), "where the offer has it");
    assert!(!answer.session.extmap_allow_mixed);
}

#[test]
fn a_data_channel_is_rejected_and_the_media_kept() {
    let offer = parse(fixture!("chromium156-publish-with-datachannel.offer.sdp"));
    let answer = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert_eq!(answer.media.iter().map(|media| media.rejected).collect::<Vec<_>>(), [false, false, true]);
    let text = answer.session.to_string();
    assert!(text.contains("a=group:BUNDLE 0 1\r\n"));
    assert!(text.ends_with(
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=inactive\r\n"
    ));
}

#[test]
fn surplus_sections_are_rejected_but_not_the_one_that_speaks_for_the_bundle() {
    let offer = parse(fixture!("chromium_av_data_many.sdp"));
    let mut capabilities = capabilities(Direction::RecvOnly);
    let judged = |capabilities: &_| {
        let answer = answer(&offer, capabilities, &local()).expect("an answer");
        assert_eq!(answer.media.len(), offer.media.len());
        let bundle = answer.session.bundle().expect("a bundle").mids.clone();
        let kept = answer.media.iter().filter(|media| !media.rejected && media.direction.receives());
        (kept.map(|media| media.mid.clone().expect("a mid")).collect::<Vec<_>>(), bundle, answer)
    };
    let (kept, bundle, _) = judged(&capabilities);
    assert_eq!(kept, ["0", "1"]);
    assert!(bundle.starts_with(&["0".into(), "1".into()]), "{bundle:?}");

    capabilities.video.clear();
    let (kept, bundle, answer) = judged(&capabilities);
    assert_eq!(kept, ["1"]);
    assert_eq!(bundle[..2], ["0", "1"]);
    // Chromium with max-bundle can't do without the section that speaks for the bundle, so it stays, inactive.
    assert_eq!((answer.media[0].rejected, answer.media[0].direction), (false, Direction::Inactive));
    assert_eq!(codecs(&answer.media[0]), ["96 VP8"]);
    assert!(answer.media[0].extensions.is_empty());
    assert!(answer.media[2].rejected);
    assert_eq!(answer.session.media[0].transport.candidates.len(), 1);
}

#[test]
fn candidates_follow_the_bundles_first_kept_section() {
    let mut offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    offer.media[0].port = 0; // given up by the offerer itself
    let answer = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert_eq!(answer.media.iter().map(|media| media.rejected).collect::<Vec<_>>(), [true, false]);
    assert_eq!(answer.session.bundle().expect("a bundle").mids, ["1"]);
    assert_eq!(answer.session.media[1].transport.candidates.len(), 1);
}

#[test]
fn simulcast_is_read_and_declined() {
    for offer in [
        fixture!("chromium156-publish-vp8-simulcast3.offer.sdp"),
        fixture!("firefox153-publish-vp8-simulcast3.offer.sdp"),
    ] {
        let answer = answer(&parse(offer), &capabilities(Direction::RecvOnly), &local()).expect("an answer");
        let rids: Vec<&str> = answer.media[1].rids.iter().map(|rid| rid.id.as_str()).collect();
        assert_eq!(rids, ["h", "m", "l"]);
        assert_eq!(answer.media[1].simulcast.as_ref().expect("simulcast").send.len(), 3);
        let text = answer.session.to_string();
        assert!(!text.contains("a=rid") && !text.contains("a=simulcast"));
    }
}

#[test]
fn our_order_of_codecs_can_be_asked_for() {
    let offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    let mut capabilities = capabilities(Direction::RecvOnly);
    capabilities.preference = Preference::Ours;
    let h264 = "packetization-mode=1;profile-level-id=42e01f";
    capabilities.video = vec![CodecCapability::video("h264").with_fmtp(h264), CodecCapability::video("vp8")];
    let answer = answer(&offer, &capabilities, &local()).expect("an answer");
    assert_eq!(codecs(&answer.media[1]), ["108+109 H264", "96+97 VP8"]);
    assert!(answer.session.to_string().contains("m=video 9 UDP/TLS/RTP/SAVPF 108 109 96 97\r\n"));
}

#[test]
fn formats_match_by_what_they_mean() {
    let offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    let chosen = |name: &str, fmtp: &str| {
        let mut capabilities = capabilities(Direction::RecvOnly);
        capabilities.video = vec![CodecCapability::video(name).with_fmtp(fmtp)];
        answer(&offer, &capabilities, &local()).map(|answer| codecs(&answer.media[1])).unwrap_or_default()
    };
    // (codec, our fmtp, the payload types that mean the same)
    for (name, fmtp, expected) in [
        ("H264", "packetization-mode=1;profile-level-id=42e034", &["108+109 H264"][..]),
        ("H264", "packetization-mode=1;profile-level-id=42C01F", &["108+109 H264"]),
        ("H264", "profile-level-id=4de01f;packetization-mode=1", &["108+109 H264"]),
        ("H264", "packetization-mode=1", &["102+103 H264"]),
        ("H264", "", &["104+107 H264"]),
        ("H264", "packetization-mode=0;profile-level-id=4d0028", &["39+40 H264"]),
        ("H264", "packetization-mode=1;profile-level-id=64001f", &[]),
        ("H264", "packetization-mode=1;profile-level-id=banana", &[]),
        ("VP9", "", &["98+99 VP9"]),
        ("VP9", "profile-id=2", &["100+101 VP9"]),
        ("AV1", "", &["45+46 AV1"]),
        ("AV1", "profile=1", &[]),
        ("VP8", "max-fs=3600", &["96+97 VP8"]),
    ] {
        assert_eq!(chosen(name, fmtp), expected, "{name} {fmtp}");
    }
}

#[test]
fn red_stays_only_with_what_it_wraps() {
    let offer = parse(fixture!("chromium156-publish-opus-red.offer.sdp"));
    let mut capabilities = capabilities(Direction::RecvOnly);
    let mut red = CodecCapability::new("red", 48_000);
    red.channels = Some(2);
    capabilities.audio = vec![CodecCapability::opus(), red.clone()];
    let with_opus = answer(&offer, &capabilities, &local()).expect("an answer");
    assert!(codecs(&with_opus.media[0]).contains(&"63 red".to_owned()));
    capabilities.audio = vec![red];
    assert!(answer(&offer, &capabilities, &local()).is_err(), "nothing to wrap");
}

#[test]
fn parameters_and_a_bitrate_of_ours_can_be_said() {
    let offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    let mut capabilities = capabilities(Direction::RecvOnly);
    capabilities.audio[0].answer_parameters =
        vec![("stereo".into(), "1".into()), ("useinbandfec".into(), "0".into())];
    capabilities.max_video_bitrate = Some(2_500_001);
    let answer = answer(&offer, &capabilities, &local()).expect("an answer");
    assert!(has_line(&answer.session.media[0], "a=fmtp:111 minptime=10;stereo=1;useinbandfec=0"));
    assert!(has_line(&answer.session.media[1], "b=TIAS:2500001"));
    assert!(answer.session.media[0].bandwidths.is_empty());
    assert_eq!(answer.media[0].codecs[0].parameter("useinbandfec"), Some("1"), "what the peer said");
}

#[test]
fn retransmissions_can_be_left_out() {
    let offer = parse(fixture!("chromium156-publish-vp8-only.offer.sdp"));
    let mut capabilities = capabilities(Direction::RecvOnly);
    capabilities.rtx = false;
    let answer = answer(&offer, &capabilities, &local()).expect("an answer");
    assert_eq!(codecs(&answer.media[1]), ["96 VP8"]);
    assert!(!answer.session.to_string().contains("rtx"));
}

#[test]
fn sendrecv_is_answered_recvonly_and_inactive_stays_inactive() {
    let mut offer = parse(fixture!("chromium156-publish-sendrecv-default.offer.sdp"));
    let answer_directions = |offer: &_| {
        let answer = answer(offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");
        answer.media.iter().map(|media| media.direction).collect::<Vec<_>>()
    };
    assert_eq!(answer_directions(&offer), [Direction::RecvOnly, Direction::RecvOnly]);
    offer.media[0].direction = Some(Direction::Inactive);
    assert_eq!(answer_directions(&offer), [Direction::Inactive, Direction::RecvOnly]);
    offer.media[0].direction = Some(Direction::RecvOnly);
    assert_eq!(answer_directions(&offer), [Direction::Inactive, Direction::RecvOnly]);
}

#[test]
fn a_bundle_only_section_is_taken_and_a_rejected_one_stays_rejected() {
    let mut offer = parse(fixture!("firefox153-publish-rtcpmux-bundle-max.offer.sdp"));
    assert_eq!((offer.media[1].port, offer.media[1].bundle_only), (0, true));
    let answered = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert_eq!((answered.session.media[1].port, answered.media[1].rejected), (9, false));
    offer.media[1].bundle_only = false;
    let answered = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    assert_eq!((answered.session.media[1].port, answered.media[1].rejected), (0, true));
    assert_eq!(answered.session.bundle().expect("a bundle").mids, ["0"]);
}

#[test]
fn our_part_in_the_handshake_follows_the_offer() {
    let mut offer = parse(fixture!("chromium156-publish-video-only.offer.sdp"));
    let mut local = local();
    for (offered, preferred, ours) in [
        (Some(Setup::ActPass), Setup::Passive, Setup::Passive),
        (Some(Setup::ActPass), Setup::Active, Setup::Active),
        (Some(Setup::Active), Setup::Active, Setup::Passive),
        (Some(Setup::Passive), Setup::Passive, Setup::Active),
        (None, Setup::Active, Setup::Passive),
    ] {
        offer.media[0].transport.setup = offered;
        local.setup = preferred;
        let answer = answer(&offer, &capabilities(Direction::RecvOnly), &local).expect("an answer");
        assert_eq!(answer.remote.setup, ours, "{offered:?} {preferred:?}");
        assert!(has_line(&answer.session.media[0], &format!("a=setup:{ours}")));
    }
}
