use std::time::Duration;

use headwater_dtls::Certificate;
use headwater_rtp::payload::{Codec, Descriptor, Places};

use super::*;
use crate::config::Config;
use crate::history::{Carried, Meta};
use crate::peer_id::PeerId;
use crate::share::Wanted;
use crate::track::Format;

const VIEWER: PeerId = PeerId { index: 1000, serial: 1 };

/// A unit that mirrors these streams, all of unit 1, and has a viewer of each.
fn watching(now: Instant, generations: &[u32]) -> Sfu {
    let certificate = Certificate::generate().expect("a certificate");
    let mut config = Config::new(certificate, vec!["192.0.2.1:8189".parse().expect("an address")]);
    config.shares_streams = true;
    let mut sfu = Sfu::new(config, [1; 32], now, Duration::ZERO).expect("the settings can work");
    for generation in generations {
        let mut track = Track::new(Kind::Video);
        track.begin_as(
            *generation,
            &[Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() }],
        );
        let name = format!("stream-{generation}");
        let state =
            StreamState { name, generation: *generation, is_live: true, tracks: vec![track.state(0)] };
        sfu.handle_notice(now, 1, &Notice(News::Stream(state)));
        let index = sfu.sharing.by_generation[generation];
        sfu.broadcasts[index].add_viewer(VIEWER);
        sfu.note_wishful(index);
    }
    assert_eq!(wishes(&mut sfu, now).len(), generations.len());
    sfu
}

fn wishes(sfu: &mut Sfu, now: Instant) -> Vec<(u32, Wanted)> {
    let mut all: Vec<_> = std::iter::from_fn(|| sfu.poll_wish(now))
        .map(|(unit, Wish { generation, what })| {
            assert_eq!(unit, 1);
            (generation, what)
        })
        .collect();
    all.sort_by_key(|(generation, _)| *generation);
    all
}

fn batch(now: Instant, generation: u32, key_frame: bool) -> Batch {
    let mut descriptor = Descriptor::default();
    descriptor.key_frame = key_frame;
    let meta = Meta {
        sequence: 7,
        timestamp: 3000,
        marker: true,
        format: 0,
        generation,
        received: now,
        descriptor,
        places: Places::default(),
        extensions: Carried::default(),
    };
    let mut batch = Batch::new();
    batch.push(0, &meta, &[0; 100]);
    batch
}

#[test]
fn a_dropped_batch_is_a_loss_of_all_streams_of_its_unit() {
    let start = Instant::now();
    let mut sfu = watching(start, &[1, 2]);
    let now = start + 2 * SETTLING;
    // What was dropped was of the first stream; what gets through is of the second.
    let mut batch = batch(now, 2, false);
    batch.note_loss();
    sfu.handle_batch(now, &batch);
    let wishes = wishes(&mut sfu, now);
    assert!(matches!(wishes[..], [(1, Wanted::KeyFrame { .. }), (2, Wanted::KeyFrame { .. })]), "{wishes:?}");
}

#[test]
fn what_arrives_after_the_last_viewer_has_left_is_not_kept() {
    let now = Instant::now();
    let mut sfu = watching(now, &[1]);
    let index = sfu.sharing.by_generation[&1];
    sfu.broadcasts[index].remove_viewer(VIEWER);
    sfu.note_wishful(index);
    assert!(matches!(wishes(&mut sfu, now)[..], [(1, Wanted::Nothing)]));
    sfu.handle_batch(now, &batch(now, 1, true));
    let track = &sfu.broadcasts[index].tracks[0];
    assert_eq!(track.history.bytes(), 0);
    assert_eq!(track.start(now), None, "the next viewer would begin there, and miss what lies between");
}
