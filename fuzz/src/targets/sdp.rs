//! SDP: descriptions and fragments are stable, and an answer names nothing that the offer lacks.

use headwater_sdp::{
    Capabilities, CodecCapability, Direction, Fragment, Local, Outgoing, Session, answer, read_answer,
};

/// Takes the input as text.
pub fn sdp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(fragment) = Fragment::parse(&text) {
        let written = fragment.to_string();
        let again = Fragment::parse(&written).expect("we write proper fragments");
        // Its text may change where it says more than a fragment should (codecs); what counts may not.
        assert!(fragment.media.iter().map(|media| &media.mid).eq(again.media.iter().map(|media| &media.mid)));
        assert_eq!(fragment.is_end_of_candidates(), again.is_end_of_candidates());
        assert_eq!((fragment.ufrag(), fragment.password()), (again.ufrag(), again.password()));
        assert!(fragment.candidates().eq(again.candidates()));
    }
    let Ok(session) = Session::parse(&text) else { return };
    let written = session.to_string();
    assert!(written.ends_with("\r\n"));
    let again = Session::parse(&written).expect("we write proper descriptions");
    assert_eq!(again.to_string(), written, "a description is not stable");
    for direction in [Direction::RecvOnly, Direction::SendOnly] {
        answer_to(&session, direction);
    }
}

fn answer_to(offer: &Session, direction: Direction) {
    let mut local = Local::new("abcd", "0123456789abcdefghijklmn", "sha-256 00:11");
    local.ice_lite = true;
    local.candidates = vec!["candidate:1 1 udp 1 192.0.2.1 9 typ host".to_owned()];
    local.audio = vec![Outgoing::new("s", "a", "c", 1)];
    local.video = vec![Outgoing::new("s", "v", "c", 2).with_rtx(3)];
    let Ok(answer) = answer(offer, &capabilities(direction), &local) else { return };
    assert_eq!(answer.session.media.len(), offer.media.len(), "a section for each section");
    assert_eq!(answer.media.len(), offer.media.len());
    for (offered, answered) in offer.media.iter().zip(&answer.session.media) {
        assert_eq!((&offered.kind, &offered.mid), (&answered.kind, &answered.mid));
        if !answered.is_active() {
            continue;
        }
        for codec in &answered.codecs {
            let theirs = offered.codec(codec.payload_type);
            assert!(theirs.is_some_and(|theirs| theirs.is(&codec.name)), "{codec:?} was not offered");
        }
        let extensions: Vec<_> = offer.extensions_of(offered).collect();
        for extension in &answered.extensions {
            let is_offered = extensions.iter().any(|e| e.id == extension.id && e.uri == extension.uri);
            assert!(is_offered, "{extension:?} was not offered");
        }
    }
    // The offerer reads the answer as it was written.
    let written = answer.session.to_string();
    let read = Session::parse(&written).expect("we write proper answers");
    assert_eq!(read.to_string(), written);
    let _ = read_answer(offer, &read);
}

fn capabilities(direction: Direction) -> Capabilities {
    let mut capabilities = Capabilities::new(direction);
    capabilities.audio = vec![CodecCapability::opus()];
    capabilities.video = ["VP8", "VP9", "H264", "AV1"]
        .map(|name| {
            CodecCapability::video(name).with_feedback(&["nack", "nack pli", "ccm fir", "transport-cc"])
        })
        .to_vec();
    let uris = ["urn:ietf:params:rtp-hdrext:sdes:mid", "urn:3gpp:video-orientation"];
    capabilities.audio_extensions = uris.map(str::to_owned).to_vec();
    capabilities.video_extensions = uris.map(str::to_owned).to_vec();
    capabilities
}
