//! What is DTLS 1.3's own.

use std::time::Duration;

use headwater_dtls::extension::supported_groups::NamedGroup;
use headwater_dtls::{CloseReason, Config, Role, Version};

use crate::pair::{Fate, LATENCY, Pair};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_client_is_connected_after_one_round_trip_and_the_server_half_of_one_later() {
    for (mut pair, group) in [(Pair::dtls13(), 29), (Pair::post_quantum(), 0x11EC)] {
        pair.run(LATENCY * 2);
        assert!(pair.client.connected.is_some() && pair.server.connected.is_none());
        pair.run(LIMIT);
        let (client, server) = (pair.client.connected.take().unwrap(), pair.server.connected.take().unwrap());
        assert_eq!((client.version, server.version), (Version::Dtls13, Version::Dtls13));
        assert_eq!((client.group, server.group, client.cipher_suite), (group, group, 0x1301));
        assert_eq!(client.srtp, server.srtp);
        assert_eq!(client.srtp.unwrap().profile, 7);
        assert_eq!(pair.client.connection.poll_timeout(), None, "its last flight is acknowledged");
        assert_eq!(pair.server.connection.poll_timeout(), None);
        let export = |end: &mut crate::pair::End| {
            let mut out = [0; 100];
            end.connection.export_keying_material("EXPERIMENTAL x", Some(b"y"), &mut out).unwrap();
            out
        };
        assert_eq!(export(&mut pair.client), export(&mut pair.server));
    }
}

#[test]
fn every_pair_of_groups_that_have_one_in_common_meets_there() {
    let groups = NamedGroup::ALL;
    for client in 0..4 {
        for server in 0..4 {
            let change = |from: usize| {
                move |config: &mut Config| {
                    config.max_version = Version::Dtls13;
                    config.min_version = Version::Dtls13;
                    config.groups = groups[from..].to_vec();
                }
            };
            let mut pair = Pair::with(change(client), change(server));
            pair.run(LIMIT);
            assert!(pair.both_connected(), "{client} {server}: {:?}", pair.client.errors);
            let group = pair.client.connected.take().unwrap().group;
            assert!(groups[client.max(server)..].iter().any(|common| common.0 == group));
        }
    }
}

#[test]
fn a_retry_request_costs_a_round_trip_and_a_cookie_with_it_no_more() {
    for require_cookie in [false, true] {
        let mut pair = Pair::with(
            |config| config.max_version = Version::Dtls13,
            |config| {
                config.max_version = Version::Dtls13;
                config.groups = vec![NamedGroup::SECP384R1];
                config.min_version = Version::Dtls13;
                config.require_cookie = require_cookie;
            },
        );
        pair.run(LIMIT);
        assert!(pair.both_connected(), "{:?} {:?}", pair.client.errors, pair.server.errors);
        assert_eq!(pair.client.connected.take().unwrap().group, NamedGroup::SECP384R1.0);
    }
}

#[test]
fn keys_change_on_demand_and_data_goes_on() {
    let mut pair = Pair::dtls13();
    pair.run(LIMIT);
    for round in 0..5_u8 {
        let now = pair.now;
        let end = pair.end(if round % 2 == 0 { Role::Client } else { Role::Server });
        end.connection.update_keys(now).unwrap();
        pair.client.connection.send(&[round]).unwrap();
        pair.run(LIMIT);
        pair.server.connection.send(&[round]).unwrap();
        pair.run(LIMIT);
    }
    assert_eq!(pair.server.data.concat(), [0, 1, 2, 3, 4]);
    assert_eq!(pair.client.data.concat(), [0, 1, 2, 3, 4]);
    assert!(pair.client.closed.is_none() && pair.server.closed.is_none());
    assert_eq!(pair.client.connection.poll_timeout(), None);
    assert_eq!(pair.server.connection.poll_timeout(), None);
}

#[test]
fn a_key_update_survives_loss() {
    let mut pair = Pair::dtls13();
    pair.run(LIMIT);
    pair.client.connection.update_keys(pair.now).unwrap();
    let mut count = 0;
    pair.run_with(LIMIT, &mut |_, _, _| {
        count += 1;
        if count <= 3 { Fate::Drop } else { Fate::Deliver }
    });
    pair.client.connection.send(b"new").unwrap();
    pair.server.connection.send(b"new").unwrap();
    pair.run(LIMIT);
    assert_eq!((pair.server.data.len(), pair.client.data.len()), (1, 1));
}

#[test]
fn close_notify_ends_both() {
    let mut pair = Pair::dtls13();
    pair.run(LIMIT);
    pair.server.connection.close(pair.now);
    pair.run(LIMIT);
    assert_eq!(pair.server.closed, Some(CloseReason::Local));
    assert_eq!(pair.client.closed, Some(CloseReason::CloseNotify));
}

#[test]
fn versions_meet_where_both_can() {
    let only = |min, max| {
        move |config: &mut Config| {
            config.min_version = min;
            config.max_version = max;
        }
    };
    use Version::{Dtls12 as Old, Dtls13 as New};
    for (client, server, met) in [
        ((Old, New), (Old, New), Some(New)),
        ((Old, Old), (Old, New), Some(Old)),
        ((Old, New), (Old, Old), Some(Old)),
        ((New, New), (Old, New), Some(New)),
        ((New, New), (Old, Old), None),
        ((Old, Old), (New, New), None),
    ] {
        let mut pair = Pair::with(only(client.0, client.1), only(server.0, server.1));
        pair.run(LIMIT);
        assert_eq!(pair.client.connected.as_ref().map(|c| c.version), met, "{client:?} {server:?}");
        assert_eq!(pair.server.connected.as_ref().map(|c| c.version), met, "{client:?} {server:?}");
    }
}

/// What was sent of a flight that arrives whole is acknowledged by the flight that answers it, and nothing more is said.
#[test]
fn a_loss_free_handshake_sends_one_ack() {
    let mut pair = Pair::dtls13();
    pair.run(LIMIT);
    assert_eq!((pair.client.sent.len(), pair.server.sent.len()), (2, 2), "hello, flight, flight, ACK");
}

#[test]
fn any_single_datagram_may_be_lost_and_only_what_is_missing_is_sent_again() {
    for role in [Role::Client, Role::Server] {
        for victim in 0..4 {
            let mut pair = Pair::post_quantum();
            pair.run_with(LIMIT, &mut |from, index, _| {
                if from == role && index == victim { Fate::Drop } else { Fate::Deliver }
            });
            assert!(pair.both_connected(), "{role:?} {victim}");
            assert!(pair.elapsed() < Duration::from_millis(250), "{role:?} {victim}: {:?}", pair.elapsed());
            let sent: usize =
                [&pair.client, &pair.server].map(|end| end.sent.iter().map(Vec::len).sum()).iter().sum();
            assert!(sent < 2 * 4200, "{role:?} {victim}: {sent} bytes");
        }
    }
}
