//! What those may do who are not who they say.

use headwater_dtls::cookie::{MAX_PARTIAL, MAX_PARTIAL_LEN, PARTIAL_AGE};

use super::*;
use crate::wire::{fragment, plain};

fn both() -> [Hello; 2] {
    [Hello::new(), Hello::dtls13()]
}

#[test]
fn hellos_from_a_hundred_thousand_addresses_leave_nothing() {
    for first in both() {
        let mut door = Door::new();
        let datagram = first.datagram(0);
        let second = door.second(&first).datagram(1);
        for address in 0..100_000_u32 {
            // Half of them say somebody else's cookie.
            let (said, hello) = if address % 2 == 0 { (&datagram, &first) } else { (&second, &first) };
            match door.from(&address.to_be_bytes(), said) {
                Outcome::Answer(answer) => assert!(answer.len() < said.len()),
                Outcome::Refuse(Refusal::Cookie, alert) if is_13(hello) => assert!(alert.len() < said.len()),
                other => panic!("{other:?}"),
            }
            assert_eq!(door.exchange.waiting(), 0);
        }
        assert!(matches!(door.take(&second), Outcome::Admit(_)), "a client gets in as ever");
    }
}

/// Two datagrams of one hello.
fn halves(body: &[u8], seq: u16) -> [Vec<u8>; 2] {
    let piece = |from: usize, to: usize, number| {
        fragment(HandshakeType::CLIENT_HELLO, body.len(), seq, from, &body[from..to], number)
    };
    [piece(0, body.len() / 2, 0), piece(body.len() / 2, body.len(), 1)]
}

#[test]
fn of_hellos_in_pieces_a_few_are_kept_for_a_moment() {
    let mut door = Door::new();
    let first = Hello::dtls13();
    let [head, tail] = halves(&first.body(), 0);
    for address in 0..100_000_u32 {
        assert!(matches!(door.from(&address.to_be_bytes(), &head), Outcome::Wait));
        assert!(door.exchange.waiting() <= MAX_PARTIAL);
    }
    assert_eq!(door.exchange.waiting(), MAX_PARTIAL);
    let tail_of = |door: &mut Door, address: u32| door.from(&address.to_be_bytes(), &tail);
    let oldest = 100_000 - MAX_PARTIAL as u32;
    assert!(matches!(tail_of(&mut door, oldest), Outcome::Answer(_)));
    assert!(matches!(tail_of(&mut door, oldest - 1), Outcome::Wait), "it gave way");

    // Under the flood a client whose pieces come one behind the other gets in.
    assert!(matches!(door.take(&head), Outcome::Wait));
    (0..MAX_PARTIAL as u32 - 1).for_each(|address| drop(door.from(&address.to_be_bytes(), &head)));
    let Outcome::Answer(answer) = door.take(&tail) else { panic!("no answer") };
    let second = with_cookie(&first, &cookie_of(&answer)).body();
    let [head, tail] = halves(&second, 1);
    assert!(matches!(door.take(&tail), Outcome::Wait), "in any order");
    assert!(matches!(door.take(&head), Outcome::Admit(_)));

    door.now += PARTIAL_AGE;
    assert!(matches!(door.take(b"anything"), Outcome::Drop(_)));
    assert_eq!(door.exchange.waiting(), 0);
    assert!(matches!(door.take(&head), Outcome::Wait));
    assert_eq!(door.exchange.waiting(), 1);
}

#[test]
fn pieces_that_contradict_each_other_or_lie_about_their_size_cost_nothing() {
    let mut door = Door::new();
    let body = Hello::dtls13().body();
    let [head, tail] = halves(&body, 0);
    let hello = HandshakeType::CLIENT_HELLO;
    for _ in 0..3 {
        // Somebody else's, in the client's name.
        assert!(matches!(door.take(&fragment(hello, 4000, 0, 7, &[1; 9], 0)), Outcome::Wait));
        assert!(matches!(door.take(&fragment(hello, body.len(), 3, 7, &[1; 9], 0)), Outcome::Wait));
        assert_eq!(door.exchange.waiting(), 1);
        assert!(matches!(door.take(&head), Outcome::Wait));
        assert!(matches!(door.take(&head), Outcome::Wait), "twice");
        assert!(matches!(door.take(&[&tail[..], &[22]].concat()), Outcome::Answer(_)));
        assert_eq!(door.exchange.waiting(), 0);
    }
    let too_long = fragment(hello, MAX_PARTIAL_LEN + 1, 0, 0, &[1; 9], 0);
    assert!(matches!(door.take(&too_long), Outcome::Drop(Error::LimitReached)));
    assert!(matches!(door.take(&fragment(hello, 200, 0, 0, &[], 0)), Outcome::Wait));
    assert!(matches!(door.take(&fragment(hello, 200, 0, 199, &[1, 1], 0)), Outcome::Drop(_)));
    assert_eq!(door.exchange.waiting(), 0);
    let holes = (0..100).map(|at| door.take(&fragment(hello, 4000, 0, 3 * at, &[1], 0)));
    let refused = holes.filter(|it| matches!(it, Outcome::Drop(Error::LimitReached))).count();
    assert_eq!(refused, 100 - 64);
}

#[test]
fn what_is_no_hello_is_not_answered() {
    let mut door = Door::new();
    let hello = Hello::new();
    let body = hello.body();
    let mut protected = hello.datagram(0);
    protected[4] = 1; // epoch
    for bytes in [
        vec![],
        vec![22],
        protected,
        plain(ContentType::HANDSHAKE, 0, &[]),
        plain(ContentType::ALERT, 0, &[2, 40]),
        plain(ContentType::CHANGE_CIPHER_SPEC, 0, &[1]),
        plain(ContentType::APPLICATION_DATA, 0, b"data"),
        plain(ContentType::ACK, 0, &[0, 0]),
        vec![0x2F; 40],
        fragment(HandshakeType::SERVER_HELLO, body.len(), 0, 0, &body, 0),
        fragment(HandshakeType::HELLO_REQUEST, 0, 0, 0, &[], 0),
        fragment(HandshakeType::CLIENT_HELLO, 0, 0, 0, &[], 0),
        [plain(ContentType::ALERT, 0, &[2, 40]), hello.datagram(0)].concat(),
    ] {
        assert!(matches!(door.take(&bytes), Outcome::Drop(_)), "{bytes:02x?}");
    }
    // What stands behind a hello does not matter.
    assert!(matches!(door.take(&[&hello.datagram(0)[..], &[0xFF; 30]].concat()), Outcome::Answer(_)));
}

/// 1.2 asks again, 1.3 ends it.
fn is_refused(outcome: &Outcome, hello: &Hello) -> bool {
    match outcome {
        Outcome::Refuse(Refusal::Cookie, _) => is_13(hello),
        Outcome::Answer(_) => !is_13(hello),
        _ => false,
    }
}

#[test]
fn a_cookie_is_good_for_one_address() {
    for first in both() {
        let mut door = Door::new();
        let second = door.second(&first).datagram(1);
        for address in [&b"192.0.2.1:5001"[..], b"192.0.2.1:500", b"192.0.2.1:50000", b""] {
            assert!(is_refused(&door.from(address, &second), &first), "{address:?}");
        }
        assert!(matches!(door.take(&second), Outcome::Admit(_)));
        assert!(matches!(door.take(&second), Outcome::Admit(_)), "as often as it comes: nothing is kept");
        let elsewhere = CookieExchange::new([4; 32], door.now);
        let door = &mut Door { exchange: elsewhere, ..door };
        assert!(is_refused(&door.take(&second), &first), "another server's");
    }
}

#[test]
fn a_cookie_is_good_for_a_while() {
    for first in both() {
        for begun in [0, 1, 59, 60, 61] {
            let mut door = Door::new();
            door.now += Duration::from_secs(begun);
            let second = door.second(&first).datagram(1);
            let said = door.now;
            door.now = said + SECRET_LIFETIME;
            assert!(matches!(door.take(&second), Outcome::Admit(_)), "{begun}");
            door.now = said + 2 * SECRET_LIFETIME;
            assert!(is_refused(&door.take(&second), &first), "{begun}");
            door.now = said + 1000 * SECRET_LIFETIME;
            assert!(is_refused(&door.take(&second), &first), "{begun}");
            let anew = door.second(&first).datagram(1);
            assert!(matches!(door.take(&anew), Outcome::Admit(_)), "{begun}");
        }
    }
}

#[test]
fn a_cookie_is_good_for_one_hello() {
    let kinds = ExtensionType::SUPPORTED_GROUPS;
    for first in both() {
        let mut door = Door::new();
        let second = door.second(&first);
        let mut changed = vec![
            ("random", Hello { random: [8; 32], ..second.clone() }),
            ("more suites", Hello { suites: [&second.suites[..], &[0x1303]].concat(), ..second.clone() }),
            ("fewer", Hello { suites: second.suites[..1].to_vec(), ..second.clone() }),
        ];
        if is_13(&first) {
            let mut share = vec![0, 36, 0, 29, 0, 32];
            share.resize(6 + 32, 8);
            changed.push(("share", second.clone().with(ExtensionType::KEY_SHARE, Some(&share))));
            changed.push(("groups", second.clone().with(kinds, Some(&[0, 2, 0, 29]))));
            changed.push(("profiles", second.clone().with(ExtensionType::USE_SRTP, Some(&[0, 2, 0, 7, 0]))));
        } else {
            changed.remove(2); // it has but one
        }
        for (name, hello) in changed {
            assert!(is_refused(&door.take(&hello.datagram(1)), &first), "{name}");
        }
        let cookie = door.cookie(&first);
        for wrong in [&cookie[1..], &cookie[..cookie.len() - 1], &[&cookie[..], &[0]].concat(), &[1]] {
            assert!(is_refused(&door.take(&with_cookie(&first, wrong).datagram(1)), &first), "{wrong:?}");
        }
        // One of 1.2 says nothing in 1.3, and the other way round.
        let [old, new] = both();
        let (other, hello) = if is_13(&first) { (old, &new) } else { (new, &old) };
        let cookie = door.cookie(&other);
        assert!(is_refused(&door.take(&with_cookie(hello, &cookie).datagram(1)), hello));
    }
}

/// Where the padding of a hello stands.
fn padding(datagram: &[u8]) -> std::ops::Range<usize> {
    let at = datagram.windows(150).position(|window| window == [0; 150]).expect("Hello has it");
    at..at + 150
}

#[test]
fn every_truncation_and_every_flipped_bit_of_a_hello_is_survived_and_admits_nobody() {
    for first in both() {
        let mut door = Door::new();
        let second = door.second(&first).datagram(1);
        for (name, datagram) in [("first", first.datagram(0)), ("second", second)] {
            for len in 0..datagram.len() {
                let outcome = door.take(&datagram[..len]);
                assert!(matches!(outcome, Outcome::Drop(_)), "{name}, {len} bytes: {outcome:?}");
            }
            // RFC 6347 §4.2.1: what a cookie of 1.2 stands for ends before the extensions.
            let end = if is_13(&first) || name == "first" { datagram.len() } else { 25 + 39 + 16 + 2 };
            // Version and number of the record, number of the message: nothing that a cookie says anything about.
            let is_free = |at: usize| {
                matches!(at, 2 | 5..=10 | 17..=18) || is_13(&first) && padding(&datagram).contains(&at)
            };
            for at in (0..end).filter(|at| name == "first" || !is_free(*at)) {
                for bit in 0..8 {
                    let mut changed = datagram.clone();
                    changed[at] ^= 1 << bit;
                    let outcome = door.take(&changed);
                    assert!(!matches!(outcome, Outcome::Admit(_)), "{name}, bit {bit} of {at}");
                }
            }
        }
    }
}

/// RFC 9147 §5.1 allows three bytes for one.
#[test]
fn an_answer_has_at_most_151_bytes_and_is_at_most_as_long_as_one_and_six_tenths_of_any_hello() {
    let mut door = Door::new();
    let short =
        |hello: Hello| hello.with(ExtensionType(21), None).with(ExtensionType::RENEGOTIATION_INFO, None);
    let old = short(Hello::new()).with(ExtensionType::SUPPORTED_GROUPS, None);
    let new = short(Hello { suites: vec![0x1301], ..Hello::dtls13() })
        .with(ExtensionType::EXTENDED_MASTER_SECRET, None)
        .with(ExtensionType::SUPPORTED_GROUPS, Some(&[0, 2, 0, 29]));
    let bare = new.clone().with(ExtensionType::KEY_SHARE, Some(&[0, 0]));
    let long_hash = Hello { suites: vec![0x1302], ..bare.clone() };
    for (name, hello, percent) in
        [("1.2", old, 99), ("a share", new, 99), ("none", bare, 140), ("SHA-384", long_hash, 160)]
    {
        let datagram = hello.datagram(0);
        let Outcome::Answer(answer) = door.take(&datagram) else { panic!("{name}: no answer") };
        assert!(answer.len() <= 151, "{name}: {}", answer.len());
        let said = 100 * answer.len() / datagram.len();
        assert!(said <= percent, "{name}: {} for {}", answer.len(), datagram.len());
    }
}
