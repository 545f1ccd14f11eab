//! Reading: what is tolerated, what is refused.

use headwater_sdp::{
    Attribute, Codec, Direction, Error, H264Profile, MAX_ATTRIBUTES, MAX_MEDIA, Media, MediaKind, Msid,
    Reason, Session, Setup,
};

use crate::{fixture, has_line, parse};

const HEAD: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

fn reason(text: &str) -> (usize, Reason) {
    let Error { line, reason, .. } = Session::parse(text).expect_err("refused");
    (line, reason)
}

#[test]
fn line_ends_and_blank_lines_do_not_matter() {
    let text = fixture!("chromium156-publish-av-default.offer.sdp");
    let session = parse(text);
    for variant in [
        text.replace("\r\n", "\n"),
        text.replace("\r\n", "\r"),
        text.trim_end().to_owned(),
        text.replace("\r\n", "\r\n\r\n"),
        format!("\n{text}"),
    ] {
        assert_eq!(parse(&variant), session);
    }
}

#[test]
fn the_fields_of_a_browsers_offer_are_read() {
    let session = parse(fixture!("chromium156-publish-vp8-simulcast3.offer.sdp"));
    assert_eq!(session.bundle().expect("a bundle").mids, ["0", "1"]);
    assert!(session.extmap_allow_mixed);
    let video = session.media_by_mid("1").expect("video");
    assert_eq!(video.kind, MediaKind::Video);
    assert_eq!(video.direction, Some(Direction::SendOnly));
    assert_eq!(video.transport.setup, Some(Setup::ActPass));
    assert_eq!(video.rids.len(), 3);
    assert_eq!(video.simulcast.as_ref().map(ToString::to_string).as_deref(), Some("send h;m;l"));
    let vp8 = video.codecs.iter().find(|codec| codec.is("vp8")).expect("VP8");
    assert_eq!((vp8.clock_rate, vp8.feedback.len()), (90_000, 5));
    let rtx = video.codecs.iter().find(|codec| codec.is("RTX")).expect("rtx");
    assert_eq!(rtx.associated_payload_type(), Some(vp8.payload_type));
    assert!(video.attributes.iter().any(|attribute| attribute.name == "rtcp-xr"), "the rest is kept");
}

#[test]
fn the_example_of_rfc_8866_is_read() {
    let session = parse(fixture!("rfc8866_example.sdp.txt"));
    assert_eq!(session.origin.username, "jdoe");
    assert_eq!(session.name, "Call to John Smith");
    assert_eq!(session.media.len(), 3);
    assert_eq!(session.media[0].codecs[0].name, "PCMU", "a static payload type");
    assert!(session.lines.iter().any(|line| line.kind == 'u'));
}

#[test]
fn odd_but_harmless_descriptions_are_read() {
    // (text after the head, what must hold)
    type Check = fn(&Session) -> bool;
    let table: [(&str, Check); 14] = [
        ("s=second name\r\n", |session| session.name == "-"),
        ("x=unknown\r\n", |session| {
            session.lines.iter().any(|line| line.kind == 'x' && line.value == "unknown")
        }),
        ("a=foo\r\na=bar:b:c\r\n", |session| {
            session.attributes == [Attribute::new("foo", None), Attribute::new("bar", Some("b:c".into()))]
        }),
        ("a=setup:sideways\r\na=setup:active\r\n", |session| {
            session.transport.setup == Some(Setup::Active)
                && session.attributes == [Attribute::new("setup", Some("sideways".into()))]
        }),
        ("a=ice-ufrag:one\r\na=ice-ufrag:two\r\n", |session| {
            session.transport.ufrag.as_deref() == Some("one")
        }),
        ("m=audio 9 RTP/AVP 0 300 -1 x 127 128\r\n", |session| {
            session.media[0].codecs.iter().map(|codec| codec.payload_type).eq([0, 127])
        }),
        ("m=audio 9 RTP/AVP 0\r\na=rtpmap:300 opus/48000\r\na=rtpmap:5\r\na=rtpmap:\r\n", |session| {
            session.media[0].attributes.len() == 3
        }),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=fmtp:96 x=1\r\na=rtpmap:96 VP8/90000\r\n", |session| {
            session.media[0].codecs[0].parameter("X") == Some("1") && session.media[0].codecs[0].is("vp8")
        }),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-fb:97 nack\r\na=rtcp-fb:* nack  pli\r\n", |session| {
            session.media[0].attributes.len() == 1 && session.media[0].feedback == ["nack pli"]
        }),
        (
            "m=audio 9 RTP/AVP 0\r\na=extmap:x y\r\na=extmap:1/up uri\r\na=extmap:2/sendonly uri a b\r\n",
            |session| {
                session.media[0].extensions.len() == 1
                    && session.media[0].extensions[0].attributes.as_deref() == Some("a b")
            },
        ),
        ("m=audio 9 RTP/AVP 0\r\na=msid:only\r\na=msid:-  t\r\n", |session| {
            session.media[0].msids.len() == 2 && session.media[0].msids[1] == Msid::new("-", "t")
        }),
        ("m=audio 49170/2 RTP/AVP 0\r\n", |session| session.media[0].port_count == Some(2)),
        ("m=text 9 TCP/MRCPv2 1\r\na=rtpmap:1 x/1\r\n", |session| {
            session.media[0].codecs.is_empty()
                && session.media[0].kind == MediaKind::Other("text".into())
                && session.media[0].attributes.len() == 1
        }),
        (
            "m=audio 9 RTP/AVP 0\r\na=ssrc:x y\r\na=ssrc:1\r\na=ssrc-group:FID\r\na=rid:1\r\na=simulcast:x\r\n",
            |session| session.media[0].attributes.len() == 5,
        ),
    ];
    for (text, check) in table {
        let session = parse(&format!("{HEAD}{text}"));
        assert!(check(&session), "{text}\n{session:#?}");
        assert_eq!(parse(&session.to_string()), session, "{text}");
    }
}

#[test]
fn what_is_missing_from_the_head_gets_a_default() {
    let session = parse("v=0\nm=audio 9 RTP/AVP 0\n");
    assert_eq!(
        session.to_string(),
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    );
    assert_eq!(parse("v=0\no=me\ns=\n").origin.username, "me");
}

#[test]
fn broken_descriptions_are_refused_with_their_line() {
    for (text, line, expected) in [
        ("", 1, Reason::NoVersion),
        ("\r\n\r\n", 1, Reason::NoVersion),
        ("o=-\r\nv=0\r\n", 1, Reason::NoVersion),
        ("v=1\r\n", 1, Reason::NoVersion),
        ("{\"sdp\":1}", 1, Reason::NotALine),
        ("v=0\r\n a=b\r\n", 2, Reason::NotALine),
        ("v=0\r\n\r\n=x\r\n", 3, Reason::NotALine),
        ("v=0\r\na=\0\r\n", 2, Reason::Nul),
        ("v=0\r\nm=\r\n", 2, Reason::MalformedMedia),
        ("v=0\r\nm=audio\r\n", 2, Reason::MalformedMedia),
        ("v=0\r\nm=audio 9 RTP/AVP\r\n", 2, Reason::MalformedMedia),
        ("v=0\r\nm=audio 99999 RTP/AVP 0\r\n", 2, Reason::MalformedMedia),
        ("v=0\r\nm=audio +9 RTP/AVP 0\r\n", 2, Reason::MalformedMedia),
    ] {
        assert_eq!(reason(text), (line, expected), "{text:?}");
    }
}

/// S18: hostile sizes are refused before anything of that size is built.
#[test]
fn oversize_descriptions_are_refused() {
    let sections = |count| format!("{HEAD}{}", "m=audio 9 RTP/AVP 0\r\n".repeat(count));
    assert_eq!(reason(&sections(100_000)).1, Reason::TooLarge);
    assert_eq!(reason(&sections(MAX_MEDIA + 1)), (5 + MAX_MEDIA, Reason::TooManyMedia));
    assert_eq!(parse(&sections(MAX_MEDIA)).media.len(), MAX_MEDIA);
    assert_eq!(reason(&format!("{HEAD}a={}", "x".repeat(1 << 20))).1, Reason::TooLarge);
    assert_eq!(reason(&format!("{HEAD}a={}", "x".repeat(1 << 16))), (5, Reason::LineTooLong));
    let attributes = |count| format!("{HEAD}m=video 9 RTP/AVP 96\r\n{}", "a=ssrc:1 x\r\n".repeat(count));
    assert_eq!(reason(&attributes(MAX_ATTRIBUTES + 1)).1, Reason::TooManyAttributes);
    assert_eq!(parse(&attributes(MAX_ATTRIBUTES)).media[0].ssrcs.len(), MAX_ATTRIBUTES);
    let formats = format!("{HEAD}m=video 9 RTP/AVP{}\r\n", " 96".repeat(129));
    assert_eq!(reason(&formats), (5, Reason::TooManyFormats));
}

#[test]
fn no_text_of_ours_can_forge_a_line() {
    let mut media = Media::new(MediaKind::Audio, 9, "UDP/TLS/RTP/SAVPF");
    media.push_codec(Codec::new(111, "opus\r\na=evil:1", 48_000));
    media.mid = Some("0\na=evil:2".into());
    media.msids.push(Msid::new("stream\r", "track\r\nm=evil"));
    assert!(media.to_string().lines().all(|line| !line.starts_with("a=evil") && !line.starts_with("m=evil")));
    assert!(has_line(&media, "a=mid:0a=evil:2"));
}

#[test]
fn h264_profiles_are_told_apart() {
    for (id, profile) in [
        ("42e01f", Some(H264Profile::ConstrainedBaseline)),
        ("42c02a", Some(H264Profile::ConstrainedBaseline)),
        ("4D801F", Some(H264Profile::ConstrainedBaseline)),
        ("58f01f", Some(H264Profile::ConstrainedBaseline)),
        ("42001f", Some(H264Profile::Baseline)),
        ("420010", Some(H264Profile::Baseline)),
        ("4d001f", Some(H264Profile::Main)),
        ("4d401f", Some(H264Profile::Main)),
        ("64001f", Some(H264Profile::High)),
        ("640c1f", Some(H264Profile::ConstrainedHigh)),
        ("f4001f", Some(H264Profile::Other(0xf4, 0x00))),
        ("42e01", None),
        ("42e0zz", None),
        ("éé01", None),
    ] {
        assert_eq!(H264Profile::parse(id), profile, "{id}");
    }
    assert_eq!(H264Profile::of_fmtp("packetization-mode=1"), Some(H264Profile::Baseline));
}
