//! Laws, on random input and on changed fixtures.

use std::sync::LazyLock;

use headwater_sdp::{
    Answer, Capabilities, CodecCapability, Direction, Fragment, Media, Outgoing, Preference, Session, answer,
    read_answer,
};
use proptest::prelude::*;

use crate::{AUDIO_LEVEL, CSRC_AUDIO_LEVEL, MID, PLAYOUT_DELAY, TRANSPORT_CC, corpus::own_fixtures, local};

static FIXTURES: LazyLock<Vec<(String, String)>> = LazyLock::new(own_fixtures);

fn all_codecs() -> Vec<CodecCapability> {
    let video = ["VP8", "VP9", "H264", "AV1", "H265", "rtx", "red", "ulpfec", "flexfec-03"]
        .map(CodecCapability::video);
    let mut audio = vec![CodecCapability::opus()];
    audio.extend(
        ["PCMU", "PCMA", "G722", "CN", "telephone-event"].map(|name| CodecCapability::new(name, 8_000)),
    );
    audio.push(CodecCapability::new("red", 48_000));
    audio.extend(video);
    audio.push(CodecCapability::video("H264").with_fmtp("packetization-mode=1;profile-level-id=42e01f"));
    audio.push(CodecCapability::video("VP9").with_fmtp("profile-id=2"));
    audio
}

fn capability_set() -> impl Strategy<Value = Capabilities> {
    let extensions = [MID, TRANSPORT_CC, AUDIO_LEVEL, CSRC_AUDIO_LEVEL, PLAYOUT_DELAY, "urn:unknown"];
    let directions = [Direction::RecvOnly, Direction::SendOnly, Direction::SendRecv, Direction::Inactive];
    (
        prop::sample::select(directions.to_vec()),
        prop::sample::subsequence(all_codecs(), 0..=6).prop_shuffle(),
        prop::sample::subsequence(all_codecs(), 0..=8).prop_shuffle(),
        prop::sample::subsequence(extensions.to_vec(), 0..=6),
        any::<(bool, bool)>(),
        (0..4_usize, 0..4_usize),
        prop::option::of(any::<u64>()),
    )
        .prop_map(
            |(direction, audio, video, extensions, (rtx, offers_order), (max_audio, max_video), bitrate)| {
                let mut capabilities = Capabilities::new(direction);
                capabilities.audio = audio;
                capabilities.video = video;
                capabilities.audio_extensions = extensions.iter().copied().map(str::to_owned).collect();
                capabilities.video_extensions = capabilities.audio_extensions.clone();
                capabilities.rtx = rtx;
                capabilities.preference = if offers_order { Preference::Offer } else { Preference::Ours };
                capabilities.max_audio = max_audio;
                capabilities.max_video = max_video;
                capabilities.max_video_bitrate = bitrate;
                capabilities
            },
        )
}

/// A fixture with some lines dropped, doubled, swapped or taken from another fixture.
fn changed_fixture() -> impl Strategy<Value = String> {
    let fixture = prop::sample::select(FIXTURES.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>());
    let change = (0..5_u8, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (fixture.clone(), fixture, prop::collection::vec(change, 0..12)).prop_map(|(text, other, changes)| {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let others: Vec<&str> = other.split_inclusive('\n').collect();
        for (change, one, two) in changes {
            let (at, from) = (one.index(lines.len()), two.index(lines.len()));
            match change {
                0 if lines.len() > 1 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[from]),
                2 => lines.swap(at, from),
                3 => lines.insert(at, others[two.index(others.len())]),
                _ => lines[at] = others[two.index(others.len())],
            }
        }
        lines.concat()
    })
}

/// Everything that makes an answer acceptable to whoever made the offer.
fn check_answer(offer: &Session, answer: &Answer) {
    let session = &answer.session;
    assert_eq!(session.media.len(), offer.media.len());
    assert_eq!(answer.media.len(), offer.media.len());
    let mut in_bundle = Vec::new();
    for (index, (offered, answered)) in offer.media.iter().zip(&session.media).enumerate() {
        assert_eq!((&answered.kind, &answered.protocol), (&offered.kind, &offered.protocol));
        assert_eq!(answered.mid, offered.mid);
        assert!(answered.formats.iter().all(|format| offered.formats.contains(format)));
        assert!(answered.rids.is_empty() && answered.simulcast.is_none());
        let negotiated = &answer.media[index];
        assert_eq!(negotiated.index, index);
        assert_eq!(negotiated.rejected, answered.port == 0);
        if negotiated.rejected {
            assert!(answered.formats.len() == 1 && negotiated.codecs.is_empty());
            continue;
        }
        in_bundle.extend(answered.mid.clone());
        assert!(offered.is_active());
        check_codecs(offered, answered);
        for extension in &answered.extensions {
            let is_offered =
                |known: &headwater_sdp::Extension| known.id == extension.id && known.uri == extension.uri;
            assert!(offer.extensions_of(offered).any(is_offered), "{extension}");
        }
        assert_eq!(answered.extensions.len(), negotiated.extensions.len());
        let (theirs, ours) = (offer.direction_of(offered), answered.direction.expect("always said"));
        assert!(!ours.sends() || theirs.receives());
        assert!(!ours.receives() || theirs.sends());
        assert!(answered.rtcp_mux && offered.rtcp_mux);
        assert!(!answered.rtcp_rsize || offered.rtcp_rsize);
        assert!(!answered.extmap_allow_mixed || offered.extmap_allow_mixed);
        assert!(!answered.transport.cryptex || offered.transport.cryptex);
    }
    assert!(!session.extmap_allow_mixed || offer.extmap_allow_mixed);
    let mut mids = session.bundle().map(|bundle| bundle.mids.clone()).unwrap_or_default();
    if in_bundle.len() > 1 || !mids.is_empty() {
        mids.sort();
        in_bundle.sort();
        assert_eq!(mids, in_bundle, "the bundle has exactly what was accepted");
    }
    let with_candidates = session.media.iter().filter(|media| !media.transport.candidates.is_empty());
    assert_eq!(with_candidates.count(), 1);
    assert_eq!(Session::parse(&session.to_string()).as_ref(), Ok(session));
}

fn check_codecs(offered: &Media, answered: &Media) {
    for codec in &answered.codecs {
        let known = offered.codec(codec.payload_type).expect("the offer has the payload type");
        assert_eq!(
            (&known.name, known.clock_rate, known.channels),
            (&codec.name, codec.clock_rate, codec.channels)
        );
        let is_offered = |kind| known.feedback.contains(kind) || offered.feedback.contains(kind);
        assert!(codec.feedback.iter().all(is_offered));
        if let Some(associated) = codec.associated_payload_type() {
            assert!(answered.codec(associated).is_some(), "an apt that the answer has");
        }
    }
    let mut formats = answered.formats.clone();
    formats.sort();
    formats.dedup();
    assert_eq!(formats.len(), answered.formats.len(), "each payload type once");
}

fn sending_local() -> headwater_sdp::Local {
    let mut local = local();
    local.ice_lite = false;
    local.audio = vec![Outgoing::new("live", "a", "hw", 1)];
    local.video = vec![Outgoing::new("live", "v", "hw", 2).with_rtx(3)];
    local
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_answer_has_only_what_the_offer_has(text in changed_fixture(), capabilities in capability_set()) {
        if let Ok(offer) = Session::parse(&text)
            && let Ok(answer) = answer(&offer, &capabilities, &sending_local())
        {
            check_answer(&offer, &answer);
        }
    }

    /// Unchanged offers and useful capabilities: there is an answer, and we ourselves would take it.
    #[test]
    fn every_offer_of_a_browser_gets_an_answer(
        text in prop::sample::select(
            FIXTURES.iter().filter(|(name, _)| name.contains("offer") && !name.contains("datachannel-only"))
                .map(|(_, text)| text.clone()).collect::<Vec<_>>()
        ),
        max_sections in 1..4_usize,
    ) {
        let offer = Session::parse(&text).unwrap();
        let direction = offer.direction_of(&offer.media[0]).reversed();
        let mut capabilities = crate::capabilities(direction);
        capabilities.max_audio = max_sections;
        let answer = answer(&offer, &capabilities, &sending_local()).unwrap();
        check_answer(&offer, &answer);
        let negotiated = read_answer(&offer, &answer.session).unwrap();
        for (ours, theirs) in answer.media.iter().zip(&negotiated.media) {
            prop_assert_eq!(ours.direction, theirs.direction.reversed());
            prop_assert_eq!(crate::codecs(ours), crate::codecs(theirs));
            prop_assert_eq!(&ours.extensions, &theirs.extensions);
        }
    }

    #[test]
    fn what_is_read_is_written_and_read_again(text in changed_fixture()) {
        if let Ok(session) = Session::parse(&text) {
            prop_assert_eq!(Session::parse(&session.to_string()).unwrap(), session);
        }
        if let Ok(fragment) = Fragment::parse(&text) {
            prop_assert_eq!(Fragment::parse(&fragment.to_string()).unwrap(), fragment);
        }
    }

    #[test]
    fn random_attributes_are_written_and_read_again(
        lines in prop::collection::vec(
            "(a=(mid|rtpmap|fmtp|rtcp-fb|extmap|msid|ssrc|ssrc-group|rid|simulcast|setup|group|candidate|ice-options|\
             fingerprint|rtcp-mux|sendonly|end-of-candidates|x)(:[ -~é]{0,20}|:(96|1|\\*) [ -~]{0,12})?|\
             [a-z]=[ -~]{0,12}|m=(audio|video) [0-9/]{1,3} (RTP|UDP)/[A-Z/]{1,5}( [0-9a]{1,3}){1,4})", 0..20),
    ) {
        let text = format!("v=0\r\n{}", lines.join("\r\n"));
        if let Ok(session) = Session::parse(&text) {
            prop_assert_eq!(Session::parse(&session.to_string()).unwrap(), session);
        }
    }

    #[test]
    fn random_text_never_panics(text in "\\PC{0,300}", lines in "([a-z]=\\PC{0,30}\r?\n?){0,20}") {
        let _ = Session::parse(&text);
        let _ = Session::parse(&format!("v=0\n{lines}"));
        let _ = Fragment::parse(&lines);
    }
}
