//! SRTP as it is negotiated, and as outsiders try it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls as dtls;
use headwater_netsim::{EndpointId, Link, Verdict};
use headwater_sfu::Config;

use crate::rig::{Rig, SERVER_ADDRESS};

const PUBLISHER_ADDRESS: &str = "198.51.100.1:5000";
const VIEWER_ADDRESS: &str = "198.51.100.2:5000";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// How many RTP packets with an extension of each kind went over the network: RFC 8285's in the clear, Cryptex's.
#[derive(Default)]
struct Extensions {
    clear: Cell<u32>,
    encrypted: Cell<u32>,
}

fn count_extensions(rig: &mut Rig) -> Rc<Extensions> {
    let seen = Rc::new(Extensions::default());
    let counting = Rc::clone(&seen);
    rig.net.add_filter(move |datagram| {
        // 64 to 95 in the second byte is RTCP (RFC 5761 §4).
        if let [first, second, ..] = datagram.contents[..]
            && first & 0xf0 == 0x90
            && !(64..96).contains(&(second & 0x7f))
        {
            let count = match datagram.contents.get(12..14) {
                Some([0xbe, 0xde] | [0x10, 0x00]) => &counting.clear,
                Some([0xc0 | 0xc2, 0xde]) => &counting.encrypted,
                other => panic!("another extension: {other:?}"),
            };
            count.set(count.get() + 1);
        }
        Verdict::Pass
    });
    seen
}

/// A publisher and a viewer, with what went over the network in two seconds.
fn stream(offers_cryptex: bool, configure: impl FnOnce(&mut Config)) -> (Rig, EndpointId, Rc<Extensions>) {
    let mut rig = Rig::with(Link::lan(), configure);
    rig.offers_cryptex = offers_cryptex;
    let seen = count_extensions(&mut rig);
    rig.publisher().expect("the offer is good");
    rig.until_live();
    let viewer = rig.viewer().expect("the offer is good");
    rig.net.run_until(|net| !net[viewer].seen().video.is_empty());
    rig.advance(2000);
    assert_eq!(rig.net[viewer].seen().gaps(), 0);
    assert!(rig.net[viewer].seen().video.len() > 150 && rig.net[viewer].seen().audio.len() > 90);
    assert_eq!(rig.net[rig.server].sfu.counters().unauthentic, 0);
    (rig, viewer, seen)
}

/// RFC 9335: from the publisher, and to the viewer.
#[test]
fn with_cryptex_no_header_extension_is_readable_on_the_way() {
    let (rig, _, seen) = stream(true, |_| {});
    assert!(seen.encrypted.get() > 500 && seen.clear.get() == 0);
    assert!(rig.answer.contains("a=cryptex\r\n"));
}

#[test]
fn who_does_not_offer_cryptex_gets_none() {
    let (rig, _, seen) = stream(false, |_| {});
    assert!(seen.clear.get() > 500 && seen.encrypted.get() == 0);
    assert!(!rig.answer.contains("cryptex"));
}

#[test]
fn a_server_that_wants_no_cryptex_does_without() {
    let (rig, _, seen) = stream(true, |config| config.cryptex = false);
    assert!(seen.clear.get() > 500 && seen.encrypted.get() == 0);
    assert!(!rig.answer.contains("cryptex"));
}

/// A viewer with Cryptex and one without, of the same stream.
#[test]
fn each_viewer_has_cryptex_or_not_on_its_own() {
    let (mut rig, _, seen) = stream(true, |_| {});
    let before = seen.clear.get();
    rig.offers_cryptex = false;
    let plain = rig.viewer().expect("the offer is good");
    rig.advance(1000);
    assert!(rig.net[plain].seen().video.len() > 60);
    assert_eq!(rig.net[plain].seen().gaps(), 0);
    assert!(seen.clear.get() > before);
}

#[test]
fn every_profile_carries_media_with_cryptex_and_without_and_the_best_of_both_sides_is_taken() {
    for (offered, agreed) in [
        (vec![2], 2),
        (vec![1], 1),
        (vec![8], 8),
        (vec![2, 1], 1), // whatever the client likes best: short tags are the last resort
        (vec![2, 1, 8, 7], 7),
    ] {
        for offers_cryptex in [false, true] {
            let mut rig = Rig::new(Link::lan());
            rig.srtp_profiles.clone_from(&offered);
            rig.offers_cryptex = offers_cryptex;
            rig.publisher().expect("the offer is good");
            rig.until_live();
            let viewer = rig.viewer().expect("the offer is good");
            rig.advance(1000);
            let seen = rig.net[viewer].seen();
            assert!(seen.video.len() > 60 && seen.gaps() == 0, "{offered:?}");
            for peer in rig.net[rig.server].sfu.peers(rig.now()) {
                assert_eq!(peer.security.expect("connected").srtp_profile, agreed);
            }
        }
    }
}

/// What the viewer got, and when, counted from the beginning.
fn received(rig: &Rig, viewer: EndpointId, start: Instant) -> Vec<(u64, u32, Duration)> {
    let video = rig.net[viewer].seen().video.iter();
    video.map(|seen| (seen.sequence, seen.frame, seen.at - start)).collect()
}

/// S11: forged SRTP in the names of both peers and of a stranger, as much as there are milliseconds.
#[test]
fn a_flood_of_unauthenticated_srtp_neither_ends_nor_slows_a_session() {
    let run = |is_flooded: bool| {
        let (mut rig, publisher, viewer) = Rig::one_viewer(Link::lan());
        let start = rig.now() - rig.net.elapsed();
        let stranger = rig.stranger("203.0.113.200:9");
        let ssrcs = ssrcs_from(&mut rig, PUBLISHER_ADDRESS);
        let before = rig.net[rig.server].sfu.counters();
        let events = rig.net[rig.server].events.len();
        let mut sent = 0_u64;
        for ms in 0..2000_u32 {
            for number in 0..if is_flooded { 8 } else { 0 } {
                // The publisher's own streams with any sequence number, others, and RTCP.
                let ssrc = ssrcs.get(number as usize).copied().unwrap_or(ms * 8 + number);
                let second = if number == 5 { 200 } else { 96 };
                let sequence = (ms * 977 + number) as u16;
                let mut packet = vec![0x80 | (number as u8 & 1) << 4, second];
                packet.extend(sequence.to_be_bytes());
                packet.extend((ms * 90).to_be_bytes());
                packet.extend(ssrc.to_be_bytes());
                packet.extend([0xbe, 0xde, 0, 1]);
                packet.resize(60 + 10 * number as usize, ms as u8);
                let (from, name) = match number {
                    0..=3 | 5 => (publisher, PUBLISHER_ADDRESS),
                    4 | 6 => (viewer, VIEWER_ADDRESS),
                    _ => (stranger, "203.0.113.200:9"),
                };
                rig.net.inject(from, address(name), address(SERVER_ADDRESS), &packet);
                sent += 1;
            }
            rig.advance(1);
        }
        rig.advance(100);
        let node = &rig.net[rig.server];
        let after = node.sfu.counters();
        let refused = after.unauthentic - before.unauthentic + after.unrouted - before.unrouted;
        assert_eq!(refused, sent, "every one is refused, and counted");
        assert!(node.closed().is_empty(), "nobody's session has ended");
        assert_eq!(node.events.len(), events, "and nothing is told of it");
        assert_eq!(rig.net[viewer].seen().gaps(), 0);
        (received(&rig, viewer, start), after.received_packets - before.received_packets)
    };
    assert_eq!(run(true), run(false), "the same packets at the same moments");
}

/// The SSRCs of RTP from there, as they go by in half a second.
fn ssrcs_from(rig: &mut Rig, from: &str) -> Vec<u32> {
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let (collecting, from) = (Rc::clone(&seen), address(from));
    rig.net.add_filter(move |datagram| {
        let mut seen = collecting.borrow_mut();
        if datagram.source == from
            && datagram.contents.first().is_some_and(|first| (128..192).contains(first))
            && datagram.contents.get(1).is_some_and(|second| !(64..96).contains(&(second & 0x7f)))
            && let Some(ssrc) = datagram.contents.get(8..12).and_then(|bytes| bytes.first_chunk::<4>())
            && !seen.contains(&u32::from_be_bytes(*ssrc))
        {
            seen.push(u32::from_be_bytes(*ssrc));
        }
        Verdict::Pass
    });
    rig.advance(500);
    rig.net.clear_filters();
    let ssrcs = seen.take();
    assert!(ssrcs.len() >= 2, "sound and pictures");
    ssrcs
}

/// S12: in the name of a publisher and of a viewer, every length, CSRC count and extension length.
#[test]
fn short_packets_of_any_header_change_nothing() {
    let (mut rig, publisher, viewer) = Rig::one_viewer(Link::lan());
    for length in 0..=40_usize {
        for first in 0x80..=0xbf_u8 {
            for words in [0_u16, 1, 2, 7, 0xffff] {
                let mut packet = vec![0x60; length];
                packet.iter_mut().take(1).for_each(|byte| *byte = first);
                let at = 12 + 4 * usize::from(first & 0x0f) + 2;
                packet.iter_mut().skip(at).zip(words.to_be_bytes()).for_each(|(byte, word)| *byte = word);
                for (from, name) in [(publisher, PUBLISHER_ADDRESS), (viewer, VIEWER_ADDRESS)] {
                    rig.net.inject(from, address(name), address(SERVER_ADDRESS), &packet);
                    if let Some(second) = packet.get_mut(1) {
                        *second = 201; // and then as RTCP
                    }
                }
            }
        }
        rig.advance(1);
    }
    rig.advance(1000);
    assert_eq!(rig.net[viewer].seen().gaps(), 0);
    assert!(rig.net[rig.server].closed().is_empty());
}

/// RFC 5764 §4.1.3: a client may name a key identifier; our answer has none, and the handshake goes on.
#[test]
fn a_key_identifier_in_use_srtp_is_answered_with_an_empty_one() {
    let certificate = dtls::Certificate::generate().expect("a certificate");
    let expected = vec![certificate.fingerprint()];
    let mut config = dtls::Config::new(certificate);
    config.srtp_profiles = vec![7, 8, 1, 2];
    let now = Instant::now();
    for mki in [&[][..], &[0xa1], &[0xa1; 255]] {
        let mut server = dtls::Connection::new(
            Arc::new(config.clone()),
            dtls::Role::Server,
            expected.clone(),
            [3; 32],
            now,
        )
        .expect("it can work");
        server.credit(10_000);
        server.handle_datagram(now, &client_hello(mki)).expect("it is taken");
        let mut flight = Vec::new();
        while server.poll_transmit(now, &mut flight).is_some() {}
        assert_eq!(flight.first(), Some(&22), "a handshake record, no alert");
        // use_srtp, 5 bytes: a list of 2 bytes with the best of both sides, and an empty MKI.
        let answered = [0, 14, 0, 5, 0, 2, 0, 7, 0];
        assert!(flight.windows(answered.len()).any(|bytes| bytes == answered), "{} bytes", mki.len());
    }
}

/// A ClientHello of DTLS 1.2 in one record (RFC 6347 §4.2.2), as an old client may send it.
fn client_hello(mki: &[u8]) -> Vec<u8> {
    fn prefixed(width: usize, content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32).to_be_bytes()[4 - width..], content].concat()
    }
    let use_srtp = [prefixed(2, &[0, 2, 0, 1, 0, 7]), prefixed(1, mki)].concat();
    let extensions = [
        (10_u16, prefixed(2, &[0, 29, 0, 23])), // supported_groups: x25519, secp256r1
        (11, prefixed(1, &[0])),                // ec_point_formats: uncompressed
        (13, prefixed(2, &[4, 3])),             // signature_algorithms: ecdsa_secp256r1_sha256
        (14, use_srtp),
        (23, Vec::new()),           // extended_master_secret
        (0xff01, prefixed(1, &[])), // renegotiation_info
    ];
    let extensions =
        extensions.map(|(kind, content)| [&kind.to_be_bytes()[..], &prefixed(2, &content)].concat());
    let body = [
        vec![0xfe, 0xfd],                  // DTLS 1.2
        vec![0x5c; 32],                    // random
        prefixed(1, &[]),                  // session
        prefixed(1, &[]),                  // cookie
        prefixed(2, &[0xc0, 0x2b]),        // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        prefixed(1, &[0]),                 // no compression
        prefixed(2, &extensions.concat()), // extensions
    ]
    .concat();
    let length = (body.len() as u32).to_be_bytes();
    // client_hello, length, message 0, fragment from 0, its length.
    let message = [&[1], &length[1..], &[0, 0, 0, 0, 0], &length[1..], &body[..]].concat();
    // handshake, version, epoch and number 0.
    [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0][..], &prefixed(2, &message)].concat()
}
