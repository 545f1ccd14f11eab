//! What viewers get.

use std::time::Duration;

use headwater_netsim::Link;

use crate::rig::{Rig, SERVER_ADDRESS};

#[test]
fn a_viewer_sees_and_hears_the_stream_from_a_key_frame_on() {
    let (mut rig, _, viewer) = Rig::one_viewer(Link::lan());
    rig.advance(3000);
    let seen = rig.net[viewer].seen();
    assert!(seen.video[0].key_frame, "the first packet begins a key frame");
    assert_eq!(seen.gaps(), 0);
    // 3 s of 30 frames of 3 packets, and 50 packets of sound a second.
    assert!((260..400).contains(&seen.video.len()), "{}", seen.video.len());
    assert!((145..160).contains(&seen.audio.len()), "{}", seen.audio.len());
    let counters = rig.net[rig.server].sfu.counters();
    assert_eq!(counters.unauthentic, 0);
}

#[test]
fn a_late_joiner_starts_at_the_cached_key_frame_and_is_live_at_once() {
    let (mut rig, publisher, _) = Rig::one_viewer(Link::lan());
    rig.advance(1000);
    let requests_before = rig.net[publisher].events.len();
    let late = rig.viewer().expect("the offer is good");
    let posted = rig.net.elapsed();
    rig.net.run_until(|net| net[late].seen().video.len() > 60);
    let joined = rig.net.elapsed() - posted;
    assert!(joined < Duration::from_millis(300), "{joined:?}");
    let seen = rig.net[late].seen();
    assert!(seen.video[0].key_frame);
    assert_eq!(seen.gaps(), 0);
    // The second of video between the key frame and the present is squeezed into a sixteenth.
    let (first, last) = (seen.video[0].timestamp, seen.video[60].timestamp);
    let span = Duration::from_secs_f64(f64::from(last.wrapping_sub(first)) / 90_000.0);
    assert!(span < Duration::from_millis(400), "{span:?}");
    assert_eq!(
        rig.net[publisher].events.len(),
        requests_before,
        "nobody asked the publisher for a key frame"
    );
}

#[test]
fn without_a_fresh_key_frame_one_is_asked_for_once_however_many_join() {
    let (mut rig, publisher, _) = Rig::one_viewer(Link::lan());
    rig.advance(5000);
    let wanted = |rig: &Rig| {
        let is_request =
            |event: &&headwater_sfu::Event| matches!(event, headwater_sfu::Event::KeyFrameWanted { .. });
        rig.net[publisher].events.iter().filter(is_request).count()
    };
    let before = wanted(&rig);
    let viewers: Vec<_> = (0..20).map(|_| rig.viewer().expect("the offer is good")).collect();
    rig.advance(900);
    assert_eq!(wanted(&rig) - before, 1);
    for viewer in viewers {
        let seen = rig.net[viewer].seen();
        assert!(seen.video.first().is_some_and(|first| first.key_frame));
        assert_eq!(seen.gaps(), 0);
    }
}

#[test]
fn packets_of_one_frame_leave_as_one_message() {
    let (mut rig, ..) = Rig::one_viewer(Link::lan());
    rig.advance(100);
    // The publisher's own end: 3 packets a frame, made at one moment.
    let server = SERVER_ADDRESS.parse().expect("an address");
    let now = rig.now() + Duration::from_millis(40);
    let node = rig.net.get_mut(rig.net.ids().nth(1).expect("the publisher"));
    headwater_netsim::Endpoint::handle_timeout(node, now);
    let mut buf = Vec::new();
    let mut bursts = Vec::new();
    while let Some(transmit) = {
        buf.clear();
        node.sfu.poll_transmit(now, &mut buf)
    } {
        assert_eq!(transmit.remote, server);
        if let Some(segment) = transmit.segment_size {
            bursts.push(transmit.len.div_ceil(usize::from(segment)));
        }
    }
    assert!(bursts.contains(&3), "{bursts:?}");
}

#[test]
fn audio_only_and_video_only_streams_play() {
    for (video, audio) in [(false, true), (true, false)] {
        let mut rig = Rig::new(Link::lan());
        rig.publisher_of(video, audio).expect("the offer is good");
        rig.until_live();
        let viewer = rig.viewer().expect("the offer is good");
        rig.advance(2000);
        let lines = rig.answer.lines().filter(|line| *line == "a=sendonly").count();
        assert_eq!(lines, 1, "no promise of what the stream lacks: {}", rig.answer);
        let seen = rig.net[viewer].seen();
        assert_eq!((!seen.video.is_empty(), !seen.audio.is_empty()), (video, audio));
    }
}

#[test]
fn muted_video_comes_back_without_a_seam() {
    let (mut rig, publisher, viewer) = Rig::one_viewer(Link::lan());
    rig.advance(500);
    rig.net.get_mut(publisher).mute_video(true);
    rig.advance(3000);
    let before = rig.net[viewer].seen().video.len();
    rig.net.get_mut(publisher).mute_video(false);
    rig.advance(500);
    let seen = rig.net[viewer].seen();
    assert!(seen.video.len() > before + 30);
    assert_eq!(seen.gaps(), 0);
}

#[test]
fn a_hundred_viewers_get_the_same_stream() {
    let mut rig = Rig::new(Link::lan());
    rig.publisher().expect("the offer is good");
    rig.until_live();
    let viewers: Vec<_> = (0..100).map(|_| rig.viewer().expect("the offer is good")).collect();
    rig.advance(3000);
    for viewer in viewers {
        let seen = rig.net[viewer].seen();
        assert_eq!(seen.gaps(), 0);
        assert!(seen.video.len() > 200, "{}", seen.video.len());
        let markers = seen.video.iter().filter(|packet| packet.marker).count();
        assert!(markers > 70, "{markers}");
        assert!(seen.video.windows(2).all(|pair| pair[0].at <= pair[1].at));
    }
}
