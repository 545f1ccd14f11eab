//! Whatever arrives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::alert::AlertMessage;
use headwater_dtls::extension::Extensions;
use headwater_dtls::extension::ec_point_formats;
use headwater_dtls::extension::key_share::KeyShares;
use headwater_dtls::extension::renegotiation_info;
use headwater_dtls::extension::signature_algorithms::SignatureAlgorithms;
use headwater_dtls::extension::supported_groups::{NamedGroup, SupportedGroups};
use headwater_dtls::extension::supported_versions::SupportedVersions;
use headwater_dtls::extension::use_srtp::UseSrtp;
use headwater_dtls::handshake::Fragment;
use headwater_dtls::message::certificate::CertificateList;
use headwater_dtls::message::certificate_request::CertificateRequest;
use headwater_dtls::message::certificate_verify::DigitallySigned;
use headwater_dtls::message::client_hello::ClientHello;
use headwater_dtls::message::client_key_exchange::ClientKeyExchange;
use headwater_dtls::message::finished;
use headwater_dtls::message::hello_verify_request::HelloVerifyRequest;
use headwater_dtls::message::server_hello::ServerHello;
use headwater_dtls::message::server_key_exchange::ServerKeyExchange;
use headwater_dtls::record::Record;
use headwater_dtls::{Config, Connection, Event, Fingerprint, Role, Version};
use proptest::prelude::*;

use crate::pair::{Fate, Pair, certificates};

fn parse_everything(bytes: &[u8]) {
    let _ = Record::parse(&mut &bytes[..]);
    let _ = Fragment::parse(&mut &bytes[..]);
    let _ = AlertMessage::parse(bytes);
    if let Ok(hello) = ClientHello::parse(bytes) {
        let _ = (hello.cipher_suites().count(), hello.extensions.iter().count());
    }
    if let Ok(hello) = ServerHello::parse(bytes) {
        let _ = hello.extensions.iter().count();
    }
    let _ = HelloVerifyRequest::parse(bytes);
    if let Ok(list) = CertificateList::parse(bytes) {
        let _ = list.leaf();
    }
    if let Ok(request) = CertificateRequest::parse(bytes) {
        let _ = request.takes_ecdsa_p256();
    }
    let _ = DigitallySigned::parse(bytes);
    let _ = ClientKeyExchange::parse(bytes);
    if let Ok(exchange) = ServerKeyExchange::parse(bytes) {
        let _ = exchange.signed_content(&[0; 32], &[0; 32]);
    }
    let _ = finished::parse(bytes, 12);
    let _ = Extensions::parse(bytes).map(|extensions| extensions.iter().count());
    let _ = ec_point_formats::has_uncompressed(bytes);
    let _ = renegotiation_info::is_initial(bytes);
    let _ = KeyShares::parse(bytes).map(|shares| shares.iter().count());
    let _ = SignatureAlgorithms::parse(bytes).map(|list| list.iter().count());
    let _ = SupportedGroups::parse(bytes).map(|list| list.iter().count());
    let _ = SupportedVersions::parse(bytes).map(|list| list.iter().count());
    let _ = UseSrtp::parse(bytes).map(|list| list.profiles().count());
}

/// Bytes that look like handshake records more often than chance would have it.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let fragment =
        (0_u8..21, 0_usize..400, 0_u16..10, 0_usize..400, prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(kind, length, seq, offset, data)| {
                crate::wire::fragment(
                    headwater_dtls::message::HandshakeType(kind),
                    length,
                    seq,
                    offset,
                    &data,
                    u64::from(seq),
                )
            });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        fragment,
        (20_u8..27, 0_u16..3, prop::collection::vec(any::<u8>(), 0..100)).prop_map(
            |(kind, epoch, content)| {
                let mut bytes = crate::wire::plain(headwater_dtls::record::ContentType(kind), 3, &content);
                bytes[3..5].copy_from_slice(&epoch.to_be_bytes());
                bytes
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        parse_everything(&bytes);
    }

    #[test]
    fn fingerprints_never_panic_and_print_what_they_read(text in "\\PC{0,40}", value in prop::collection::vec(any::<u8>(), 32)) {
        let _ = text.parse::<Fingerprint>();
        let hex: Vec<_> = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let fingerprint: Fingerprint = format!("SHA-256 {}", hex.join(":")).parse().unwrap();
        prop_assert_eq!(fingerprint.value(), &value[..]);
        prop_assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
    }

    /// Random datagrams and time: no panic, no answer beyond the bound, `poll_timeout` moves on.
    #[test]
    fn any_datagrams_leave_a_connection_sane(
        is_client in any::<bool>(),
        steps in prop::collection::vec((datagram(), 0_u64..300), 1..60),
    ) {
        let (client, server) = certificates();
        let role = if is_client { Role::Client } else { Role::Server };
        let remote = vec![if is_client { server } else { client }.fingerprint()];
        let mut now = Instant::now();
        let config = Arc::new(Config::new(client.clone()));
        let mut connection = Connection::new(config, role, remote, [3; 32], now).unwrap();
        let (mut received, mut sent) = (0, 0);
        for (bytes, wait) in steps {
            let _ = connection.handle_datagram(now, &bytes);
            received += bytes.len();
            now += Duration::from_millis(wait);
            connection.handle_timeout(now);
            prop_assert!(connection.poll_timeout().is_none_or(|at| at > now));
            let mut buf = Vec::new();
            while connection.poll_transmit(now, &mut buf).is_some() {}
            sent += buf.len();
            while let Some(event) = connection.poll_event() {
                prop_assert!(!matches!(event, Event::Connected(_)));
            }
        }
        if role == Role::Server {
            prop_assert!(sent <= 3 * received);
        }
    }

    /// Any fate of each datagram: both ends finish, connected or closed, and never with different keys.
    #[test]
    fn any_schedule_ends(
        fates in prop::collection::vec(0_u8..8, 200),
        mtu in 128_usize..1300,
        kind in 0_usize..5,
    ) {
        let change = |config: &mut Config| {
            config.mtu = mtu;
            if kind > 0 {
                config.max_version = Version::Dtls13;
            }
            if kind == 1 {
                config.groups.remove(0);
            }
        };
        let mut pair = Pair::with(change, |config| {
            change(config);
            if kind > 2 {
                config.groups = vec![NamedGroup::SECP384R1]; // by a retry request
            }
            config.require_cookie = kind == 4;
        });
        let mut fates = fates.into_iter();
        pair.run_with(Duration::from_secs(90), &mut |_, _, bytes| match fates.next() {
            Some(0 | 1) => Fate::Drop,
            Some(2) => Fate::Duplicate,
            Some(3) => Fate::Delay(Duration::from_millis(35)),
            Some(4) => Fate::Delay(Duration::from_millis(250)),
            Some(5) => {
                let mut cut = bytes.to_vec();
                cut.truncate(bytes.len() / 2);
                Fate::Replace(cut)
            }
            _ => Fate::Deliver,
        });
        for end in [&pair.client, &pair.server] {
            // A server whose client was never heard of waits for it; the owner has a deadline for that.
            prop_assert!(end.connected.is_some() || end.closed.is_some() || end.connection.poll_timeout().is_none());
            let bytes: usize = end.sent.iter().map(Vec::len).sum();
            prop_assert!(bytes < 200_000, "{} bytes", bytes);
        }
        prop_assert!(pair.client.connected.is_some() || pair.client.closed.is_some());
        if let (Some(client), Some(server)) = (&pair.client.connected, &pair.server.connected) {
            prop_assert_eq!(&client.srtp, &server.srtp);
        }
    }
}

#[test]
fn every_truncation_and_every_flipped_byte_of_a_real_flight_is_survived() {
    for (_, make) in Pair::ALL {
        survive_truncations_and_flips(make);
    }
}

fn survive_truncations_and_flips(make: fn() -> Pair) {
    let mut pair = make();
    pair.run(Duration::from_secs(60));
    let sent: Vec<_> = pair.client.sent.iter().chain(&pair.server.sent).cloned().collect();
    for datagram in &sent {
        for len in 0..datagram.len() {
            let _ = pair.server.connection.handle_datagram(pair.now, &datagram[..len]);
            parse_everything(&datagram[len..]);
        }
    }
    let hello = &pair.client.sent[0];
    for at in 0..hello.len() {
        let mut changed = hello.clone();
        changed[at] ^= 0xFF;
        let mut pair = make();
        let _ = pair.server.connection.handle_datagram(pair.now, &changed);
        let _ = pair.client.connection.handle_datagram(pair.now, &changed);
    }
    // The server's flight, flipped anywhere: what is in the clear may end the handshake, what is protected is ignored.
    let flight = pair.server.sent[0].clone();
    for at in (0..flight.len()).step_by(7) {
        let mut pair = make();
        pair.run_with(Duration::from_secs(60), &mut |from, index, datagram| {
            if from == Role::Server && index == 0 && datagram.len() > at {
                let mut changed = datagram.to_vec();
                changed[at] ^= 0xFF;
                Fate::Replace(changed)
            } else {
                Fate::Deliver
            }
        });
        for end in [&pair.client, &pair.server] {
            assert!(end.connected.is_some() || end.closed.is_some(), "{at}");
        }
    }
    pair.server.drain_events();
    assert_eq!(pair.server.closed, None);
}
