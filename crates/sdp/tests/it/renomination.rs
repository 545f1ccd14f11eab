//! `a=ice-options:renomination`: answered where it is offered, and agreed on if both say it.

use headwater_sdp::{
    Codec, Direction, Local, MediaKind, Offer, OfferedMedia, Session, answer, offer, read_answer,
};

use crate::{capabilities, fixture, local, parse};

const OFFER: &str = fixture!("chromium156-publish-av-default.offer.sdp");

fn renominating() -> Local {
    let mut local = local();
    local.renomination = true;
    local
}

/// The offer with these options in the session and in each section.
fn offered(in_session: &[&str], in_sections: &[&str]) -> Session {
    let words = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let mut session = parse(OFFER);
    session.transport.ice_options = words(in_session);
    session.media.iter_mut().for_each(|media| media.transport.ice_options = words(in_sections));
    parse(&session.to_string())
}

/// Whether it is agreed on, and the options of the answer.
fn answered(offer: &Session, local: &Local) -> (bool, Vec<String>) {
    let answer = answer(offer, &capabilities(Direction::RecvOnly), local).expect("an answer");
    let written = parse(&answer.session.to_string());
    (answer.remote.renomination, written.transport.ice_options)
}

#[test]
fn the_answer_says_it_where_the_offer_does() {
    let yes = (true, vec!["trickle".to_owned(), "renomination".to_owned()]);
    let no = (false, vec!["trickle".to_owned()]);
    for offer in [
        offered(&["trickle", "renomination"], &[]),
        offered(&[], &["renomination", "trickle"]),
        offered(&["trickle"], &["trickle", "renomination", "ice2"]),
    ] {
        assert_eq!(answered(&offer, &renominating()), yes);
        assert_eq!(answered(&offer, &local()), no, "we don't");
    }
    for offer in [offered(&["trickle"], &[]), offered(&[], &[]), offered(&[], &["renominations"])] {
        assert_eq!(answered(&offer, &renominating()), no, "the peer doesn't");
    }
    assert_eq!(answered(&parse(OFFER), &renominating()), no, "nor do browsers by themselves");
}

#[test]
fn an_offer_of_ours_says_it_and_it_counts_if_the_answer_does_too() {
    let codecs = vec![Codec::new(96, "VP8", 90_000)];
    let what = Offer::new(vec![OfferedMedia::new(MediaKind::Video, Direction::SendOnly, codecs)]);
    for (ours, theirs) in [(true, true), (true, false), (false, true), (false, false)] {
        let side = |says| if says { renominating() } else { local() };
        let mut ours_full = side(ours);
        ours_full.ice_lite = false;
        let offer = parse(&offer(&what, &ours_full).to_string());
        assert_eq!(offer.transport.has_option("renomination"), ours);
        let answer = answer(&offer, &capabilities(Direction::RecvOnly), &side(theirs)).expect("an answer");
        let mut answer = parse(&answer.session.to_string());
        let read = |answer: &Session| read_answer(&offer, answer).expect("read").remote.renomination;
        assert_eq!(read(&answer), ours && theirs);
        answer.transport.ice_options = vec!["renomination".into()];
        assert_eq!(read(&answer), ours, "what we didn't say doesn't count");
    }
}
