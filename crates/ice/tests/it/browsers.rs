//! Checks that browsers sent, byte for byte, against the agents that they were meant for.
//!
//! The files are copies from our own captures: see fixtures/README.md.

use std::time::{Duration, Instant};

use headwater_ice::{Credentials, Error, Event, LiteAgent, LiteConfig, ufrag_of_request};
use headwater_stun::attribute::XorMappedAddress;
use headwater_stun::{Class, Datagram, Key, Message, Transport};

use crate::peer::address;

struct Case {
    /// Hex of the request.
    request: &'static str,
    /// The receiver's ufrag and password, the sender's ufrag.
    local: (&'static str, &'static str),
    remote: &'static str,
    nominates: bool,
}

fn cases() -> [Case; 4] {
    [
        Case {
            request: include_str!("../fixtures/chromium156-binding-request-controlling-with-chromium156.hex"),
            local: ("I1Ug", "KPx0atmh7LQuk3QXrgEtcgCT"),
            remote: "VgSe",
            nominates: false,
        },
        Case {
            request: include_str!(
                "../fixtures/chromium156-binding-request-controlling-use-candidate-with-chromium156.hex"
            ),
            local: ("I1Ug", "KPx0atmh7LQuk3QXrgEtcgCT"),
            remote: "VgSe",
            nominates: true,
        },
        Case {
            request: include_str!("../fixtures/firefox153-binding-request-controlling-with-chromium156.hex"),
            local: ("X8e1", "OGktYBgvgjRfPtOIj67hDnCD"),
            remote: "afe7550c",
            nominates: false,
        },
        Case {
            request: include_str!(
                "../fixtures/firefox153-binding-request-controlling-use-candidate-with-chromium156.hex"
            ),
            local: ("X8e1", "OGktYBgvgjRfPtOIj67hDnCD"),
            remote: "afe7550c",
            nominates: true,
        },
    ]
}

#[test]
fn requests_of_browsers_are_authentic_answered_and_select_the_path() {
    let (ours, theirs) = (address("198.51.100.2:8189"), address("192.0.2.1:50000"));
    for case in cases() {
        let now = Instant::now();
        let request = hex::decode(case.request.trim()).expect("hex");
        assert_eq!(ufrag_of_request(&request), Some(case.local.0));
        let local = Credentials::new(case.local.0, case.local.1).expect("valid");
        let remote = Credentials::new(case.remote, "x".repeat(24)).expect("valid");
        let config = LiteConfig::new(local, Some(remote));
        let mut agent = LiteAgent::new(config, [1; 32], now).expect("a valid config");
        let datagram = Datagram::new(Transport::Udp, ours, theirs, &request);
        assert_eq!(agent.handle_datagram(now, datagram), Ok(()));
        let mut answer = Vec::new();
        assert!(agent.poll_transmit(now, &mut answer).is_some());
        let answer = Message::parse(&answer).expect("a message");
        assert_eq!(answer.class(), Class::Success);
        assert_eq!(answer.attribute(), Ok(Some(XorMappedAddress(theirs))));
        assert_eq!(answer.verify_integrity(&Key::short_term(case.local.1)), Ok(()));
        assert_eq!(agent.selected_path().map(|it| it.remote), Some(theirs));

        // Whether it nominates shows when a second address asks.
        let elsewhere = address("192.0.2.1:50001");
        let datagram = Datagram::new(Transport::Udp, ours, elsewhere, &request);
        assert_eq!(agent.handle_datagram(now, datagram), Err(Error::Replayed));
        let Event::Validated(_) = agent.poll_event().expect("validated") else { panic!("validated first") };
        agent.handle_timeout(now + Duration::from_secs(29));
        assert!(agent.selected_path().is_some());
        assert_eq!(
            Message::parse(&request).expect("a message").attributes().any(|it| it.kind.0 == 0x0025),
            case.nominates
        );
    }
}
