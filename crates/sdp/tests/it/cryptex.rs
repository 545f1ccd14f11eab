//! `a=cryptex` (RFC 9335 §4): answered where it is offered, for the whole bundle or not at all.

use headwater_sdp::{
    Codec, Direction, Local, MediaKind, Offer, OfferedMedia, Session, answer, offer, read_answer,
};

use crate::{capabilities, fixture, local, parse};

const OFFER: &str = fixture!("chromium156-publish-av-default.offer.sdp");

fn with_cryptex() -> Local {
    let mut local = local();
    local.cryptex = true;
    local
}

/// The offer with the attribute at the session's level and in the first so many sections.
fn offered(in_session: bool, sections: usize) -> Session {
    let mut session = parse(OFFER);
    session.transport.cryptex = in_session;
    session.media.iter_mut().take(sections).for_each(|media| media.transport.cryptex = true);
    parse(&session.to_string())
}

/// Whether it is agreed on, and where the answer says it: in the session, in each section.
fn answered(offer: &Session, local: &Local) -> (bool, bool, Vec<bool>) {
    let answer = answer(offer, &capabilities(Direction::RecvOnly), local).expect("an answer");
    let written = parse(&answer.session.to_string());
    let sections = written.media.iter().map(|media| media.transport.cryptex).collect();
    (answer.remote.cryptex, written.transport.cryptex, sections)
}

#[test]
fn the_answer_says_it_where_the_offer_does() {
    let both = vec![true, true];
    let none = vec![false, false];
    assert_eq!(answered(&offered(false, 2), &with_cryptex()), (true, false, both.clone()));
    assert_eq!(answered(&offered(true, 0), &with_cryptex()), (true, true, none.clone()));
    assert_eq!(answered(&offered(true, 2), &with_cryptex()), (true, true, both));
    let no = (false, false, none);
    assert_eq!(answered(&offered(false, 0), &with_cryptex()), no, "not offered");
    assert_eq!(answered(&offered(false, 1), &with_cryptex()), no, "a part of a bundle is none of it");
    assert_eq!(answered(&offered(true, 2), &local()), no, "not wanted");
}

#[test]
fn a_value_makes_it_another_attribute() {
    let text = OFFER.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=cryptex:1\r\n");
    let session = parse(&text);
    assert!(!answered(&session, &with_cryptex()).0);
    assert!(session.to_string().contains("a=cryptex:1\r\n"), "kept as it is");
}

#[test]
fn an_offer_of_ours_has_it_agreed_only_if_the_answer_says_it() {
    let codec = || vec![Codec::new(96, "VP8", 90_000)];
    let what = Offer::new(vec![OfferedMedia::new(MediaKind::Video, Direction::SendOnly, codec())]);
    let agreed = |ours: &Local, theirs: &Local| {
        let offer = offer(&what, ours);
        let answer = answer(&offer, &capabilities(Direction::RecvOnly), theirs).expect("an answer");
        assert_eq!(offer.to_string().matches("a=cryptex\r\n").count(), usize::from(ours.cryptex));
        let negotiated = read_answer(&offer, &parse(&answer.session.to_string())).expect("it fits");
        assert_eq!(negotiated.remote.cryptex, answer.remote.cryptex);
        negotiated.remote.cryptex
    };
    let full = |cryptex| {
        let mut local = Local::new("abcdefgh", "abcdefghijklmnopqrstuv", "sha-256 11:22:33");
        local.cryptex = cryptex;
        local
    };
    assert!(agreed(&full(true), &with_cryptex()));
    assert!(!agreed(&full(true), &local()));
    assert!(!agreed(&full(false), &with_cryptex()));
}
