use std::time::Duration;

use super::*;
use crate::config::Config;

fn unit(seed: u8, now: Instant) -> Sfu {
    let certificate = crate::Certificate::generate().expect("a certificate");
    let config = Config::new(certificate, vec!["192.0.2.1:8189".parse().expect("an address")]);
    Sfu::new(config, [seed; 32], now, Duration::ZERO).expect("the settings can work")
}

#[test]
fn a_session_is_known_by_two_user_fragments_however_often_it_restarts() {
    let now = Instant::now();
    let (mut server, mut client) = (unit(1, now), unit(2, now));
    let format = Format { codec: headwater_rtp::Codec::Vp8, clock_rate: 90_000, parameters: String::new() };
    let offered = client.offer(now, "s", &Offering::sending(vec![format])).expect("can be offered");
    let accepted =
        server.publish(now, "s", &offered.offer, IpAddr::from([192, 0, 2, 9])).expect("a good offer");
    for round in 0..1000 {
        let fragment = format!(
            "a=ice-ufrag:new{round:05}\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\n"
        );
        let answer = server.trickle(now, accepted.peer, &fragment).expect("a good fragment");
        assert!(answer.is_some(), "it restarts");
    }
    assert_eq!(server.ufrags.len(), 2);
    server.close(now, accepted.peer);
    assert!(server.poll_transmit(now, &mut Vec::new()).is_none(), "there is nowhere to say goodbye to");
    assert_eq!((server.ufrags.len(), server.is_empty()), (0, true));
}

#[test]
fn nothing_stays_behind_of_those_who_leave() {
    let now = Instant::now();
    let mut unit = unit(1, now);
    let format = Format { codec: headwater_rtp::Codec::Vp8, clock_rate: 90_000, parameters: String::new() };
    let path = |index: u16| {
        let local = SocketAddr::from(([192, 0, 2, 1], 8189));
        headwater_ice::Path::new(headwater_stun::Transport::Udp, local, ([198, 51, 100, 1], index + 1).into())
    };
    let mut peers = Vec::new();
    for index in 0..200 {
        let peer =
            unit.offer(now, "s", &Offering::sending(vec![format.clone()])).expect("can be offered").peer;
        unit.claim(now, path(index), peer);
        // Somebody else had this one before.
        unit.claim(now, path(index / 2), peer);
        peers.push(peer);
    }
    assert_eq!((unit.pending, unit.routes.len()), (200, 200));
    for (place, peer) in peers.iter().enumerate() {
        unit.close(now, *peer);
        while unit.poll_transmit(now, &mut Vec::new()).is_some() {}
        assert_eq!(unit.pending, 199 - place);
        assert!(unit.routes.values().all(|peer| unit.contains(*peer)), "after {place}");
    }
    assert_eq!((unit.routes.len(), unit.checked.len(), unit.broadcasts.len()), (0, 0, 0));
    assert!(unit.is_empty() && unit.offers.is_empty() && unit.names.is_empty() && unit.addresses.is_empty());
}

#[test]
fn nominations_are_numbered_where_the_offer_says_so_and_stay_so_after_a_restart() {
    let now = Instant::now();
    let (mut server, mut client) = (unit(1, now), unit(2, now));
    let format = Format { codec: headwater_rtp::Codec::Vp8, clock_rate: 90_000, parameters: String::new() };
    let offer = client.offer(now, "s", &Offering::sending(vec![format])).expect("can be offered").offer;
    assert!(offer.contains("a=ice-options:trickle renomination\r\n"), "{offer}");
    for (offer, renominates) in [(offer.clone(), true), (offer.replace(" renomination", ""), false)] {
        let stream = if renominates { "with" } else { "without" };
        let from = IpAddr::from([192, 0, 2, 9]);
        let accepted = server.publish(now, stream, &offer, from).expect("a good offer");
        let options = |text: &str| text.contains("a=ice-options:trickle renomination\r\n");
        assert_eq!(options(&accepted.answer), renominates);
        let fragment =
            "a=ice-ufrag:other\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\n";
        let answer =
            server.trickle(now, accepted.peer, fragment).expect("a good fragment").expect("a restart");
        assert_eq!(options(&answer), renominates, "{answer}");
        let Ice::Lite(agent) = server.peer_mut(accepted.peer).expect("it is there").ice() else {
            panic!("the server is lite");
        };
        assert_eq!(agent.renominates(), renominates);
    }
}
