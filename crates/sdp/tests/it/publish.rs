//! Answers to browsers that publish.

use headwater_sdp::{Direction, Setup, answer};

use crate::{capabilities, fixture, local, parse};

#[test]
fn chromium_publishes() {
    let offer = parse(fixture!("chromium156-publish-av-default.offer.sdp"));
    let answer = answer(&offer, &capabilities(Direction::RecvOnly), &local()).expect("an answer");
    println!("{}", answer.session);
    assert_eq!(answer.remote.ufrag, "PLqv");
    assert_eq!(answer.remote.setup, Setup::Passive);
    assert_eq!(answer.media.len(), 2);
    assert!(answer.media.iter().all(|media| media.direction == Direction::RecvOnly && !media.rejected));
    assert_eq!(parse(&answer.session.to_string()), answer.session);
}
