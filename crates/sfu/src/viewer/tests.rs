use headwater_rtp::{Codec, PayloadType, SequenceNumber};

use super::*;
use crate::forward::{Agreement, PayloadTypes, Start};
use crate::history::Carried;
use crate::template::ExtensionIds;
use crate::track::{Format, Parts};

const SSRC: Ssrc = Ssrc(7);

fn viewer(codec: Codec) -> Viewer {
    let format = Format { codec, clock_rate: codec.clock_rate(), parameters: String::new() };
    let types = PayloadTypes { media: PayloadType::new(96).expect("in range"), rtx: PayloadType::new(97) };
    let agreement = Agreement {
        formats: vec![(format, types)],
        extensions: ExtensionIds::default(),
        ssrc: SSRC,
        rtx_ssrc: Ssrc(8),
    };
    let start = Start { sequence: 1, rtx_sequence: 1, timestamp: 1 };
    Viewer::new(vec![Line { track: 0, forwarder: Forwarder::new(agreement, start, false) }], "c".into())
}

fn told(viewer: &mut Viewer, now: Instant, tracks: &mut [Track], write: impl FnOnce(&mut Builder<'_>)) {
    let mut bytes = Vec::new();
    write(&mut Builder::new(&mut bytes));
    viewer.handle_rtcp(now, &NtpAnchor::new(now, Duration::ZERO), &bytes, tracks);
}

#[test]
fn a_key_frame_of_sound_is_never_wanted() {
    let now = Instant::now();
    for (kind, codec, wanted) in [(Kind::Audio, Codec::Opus, false), (Kind::Video, Codec::Vp8, true)] {
        let mut tracks = [Track::new(kind)];
        told(&mut viewer(codec), now, &mut tracks, |rtcp| {
            rtcp.pli(Ssrc(1), SSRC);
        });
        assert_eq!(tracks[0].key_frames.poll_timeout().is_some(), wanted, "{kind:?}");
    }
}
fn context() -> Context {
    Context::new(headwater_srtp::Profile::AeadAes128Gcm, &[1; 16], &[2; 12]).expect("the right lengths")
}

/// A track with one key frame of 200 packets, and a viewer who has got it.
fn watched(now: Instant) -> (Viewer, [Track; 1], Context) {
    let (mut viewer, mut srtp) = (viewer(Codec::Vp8), context());
    let mut track = Track::new(Kind::Video);
    let format = Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() };
    let format = track.begin(&[format])[0];
    for sequence in 0..200_u16 {
        let mut payload = vec![0x10, 0];
        payload.resize(1100, 0);
        let parts = Parts {
            sequence: SequenceNumber(sequence),
            timestamp: 1,
            marker: sequence == 199,
            format,
            carried: Carried::default(),
        };
        track.push_parts(now, NtpTime(0), &parts, &payload);
    }
    let mut tracks = [track];
    viewer.begin(now, &mut tracks);
    let mut out = Vec::new();
    let mut at = now;
    loop {
        match viewer.next_burst(at, Kind::Video, &mut tracks, &mut srtp, &mut out) {
            Next::Burst(_) => out.clear(),
            Next::Later => at = viewer.resume.expect("it says when"),
            Next::Nothing => break,
        }
    }
    assert_eq!(viewer.lines[0].forwarder.sent().packets, 200);
    (viewer, tracks, srtp)
}

#[test]
fn a_burst_keeps_to_its_budget_and_has_a_packet_at_least() {
    let now = Instant::now();
    let (_, tracks, _) = watched(now);
    let (mut viewer, mut srtp) = (viewer(Codec::Vp8), context());
    let forwarder = &mut viewer.lines[0].forwarder;
    forwarder.begin(now, &tracks[0]);
    for (budget, packets) in [(1, 1), (2500, 2), (usize::MAX, 16)] {
        let burst =
            write_burst(forwarder, &tracks[0], &mut srtp, budget, &mut Vec::new()).expect("there is more");
        assert_eq!(burst.total, packets * burst.segment, "{budget}");
    }
}

#[test]
fn who_asks_for_everything_again_and_again_gets_a_bounded_part() {
    let start = Instant::now();
    let (mut viewer, mut tracks, mut srtp) = watched(start);
    let (mut out, mut bytes) = (Vec::new(), 0);
    for round in 0..100 {
        let now = start + RESEND_INTERVAL * 2 * round;
        told(&mut viewer, now, &mut tracks, |rtcp| {
            rtcp.nack(Ssrc(1), SSRC, (1..=200).map(SequenceNumber));
        });
        while let Some(len) = viewer.next_resend(now, &tracks, &mut srtp, &mut out) {
            bytes += len as u64;
            out.clear();
        }
    }
    // Six seconds, and one second's burst.
    assert!(bytes * 8 < MAX_RESEND_BITRATE * 7, "{bytes}");
    assert!(bytes > 1_000_000, "{bytes}");
}

#[test]
fn one_report_asks_for_so_many_packets_and_no_more() {
    let now = Instant::now();
    let (mut viewer, mut tracks, _) = watched(now);
    told(&mut viewer, now, &mut tracks, |rtcp| {
        for _ in 0..40 {
            rtcp.nack(Ssrc(1), SSRC, (0..2000).map(SequenceNumber));
        }
    });
    assert_eq!(viewer.reported.nacks, MAX_ASKED as u64);
    assert_eq!(viewer.resends.len(), MAX_PENDING_RESENDS);
}

#[test]
fn transport_wide_feedback_is_counted_whatever_it_claims() {
    let now = Instant::now();
    let mut viewer = viewer(Codec::Vp8);
    told(&mut viewer, now, &mut [], |rtcp| {
        let arrived = [Some(4), None, Some(300), None, Some(-1)];
        let feedback = rtcp::transport_cc::Feedback::new(SequenceNumber(65_534), 0, 0, &arrived);
        rtcp.transport_cc(Ssrc(1), SSRC, &feedback).transport_cc(Ssrc(1), Ssrc(99), &feedback);
    });
    assert_eq!((viewer.reported.feedback, viewer.reported.feedback_lost), (10, 4));
}

#[test]
fn who_cannot_play_what_is_live_wants_no_key_frame() {
    let now = Instant::now();
    for (codec, wanted) in [(Codec::Vp8, true), (Codec::H264, false)] {
        let mut track = Track::new(Kind::Video);
        let format = Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() };
        let format = track.begin(&[format])[0];
        let mut viewer = viewer(codec);
        let mut tracks = [track];
        viewer.begin(now, &mut tracks);
        let parts = Parts {
            sequence: SequenceNumber(1),
            timestamp: 1,
            marker: true,
            format,
            carried: Carried::default(),
        };
        tracks[0].push_parts(now, NtpTime(0), &parts, &[0x10, 1, 2, 3]);
        let burst = viewer.next_burst(now, Kind::Video, &mut tracks, &mut context(), &mut Vec::new());
        assert_eq!(burst, Next::Nothing, "a delta frame");
        assert_eq!(tracks[0].key_frames.poll_timeout().is_some(), wanted, "{codec:?}");
    }
}

#[test]
fn a_viewer_waits_for_its_turn_to_resume_only_once() {
    let now = Instant::now();
    let mut viewer = Viewer::new(Vec::new(), String::new());
    let resumes = |viewer: &mut Viewer| {
        viewer.resume = Some(now);
        viewer.resumes(now)
    };
    assert!(resumes(&mut viewer));
    // Rounds come by before its turn, and find it blocked again and again.
    assert!(!resumes(&mut viewer) && !resumes(&mut viewer));
    viewer.leave_resumed();
    assert!(resumes(&mut viewer));
}
