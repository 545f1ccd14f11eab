//! The loss-free handshake and what it yields.

use std::time::Duration;

use headwater_dtls::{CloseReason, Version};

use crate::pair::{LATENCY, Pair, certificates};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn two_round_trips_connect_both_ends_with_the_same_keys() {
    let mut pair = Pair::new();
    pair.run(LIMIT);
    assert!(pair.both_connected(), "{:?} {:?}", pair.client.errors, pair.server.errors);
    assert_eq!(pair.elapsed(), 4 * LATENCY);
    assert_eq!((pair.client.sent.len(), pair.server.sent.len()), (2, 2), "each flight is one datagram");

    let client = pair.client.connected.take().unwrap();
    let server = pair.server.connected.take().unwrap();
    assert_eq!(client.version, Version::Dtls12);
    assert_eq!((client.cipher_suite, server.cipher_suite), (0xC02B, 0xC02B));
    assert_eq!((client.group, server.group), (29, 29));
    assert_eq!(client.srtp, server.srtp);
    let srtp = client.srtp.unwrap();
    assert_eq!((srtp.profile, srtp.client_key.len(), srtp.client_salt.len()), (7, 16, 12));
    assert_ne!(srtp.client_key, srtp.server_key);
    assert_eq!(client.peer_fingerprint.unwrap(), certificates().1.fingerprint());
    assert_eq!(server.peer_fingerprint.unwrap(), certificates().0.fingerprint());
}

#[test]
fn exporters_agree_and_tell_no_context_from_an_empty_one() {
    let mut pair = Pair::new();
    pair.run(LIMIT);
    let export = |pair: &mut Pair, label: &str, context: Option<&[u8]>| {
        let (mut a, mut b) = ([0; 40], [0; 40]);
        pair.client.connection.export_keying_material(label, context, &mut a).unwrap();
        pair.server.connection.export_keying_material(label, context, &mut b).unwrap();
        assert_eq!(a, b);
        a
    };
    let outputs = [
        export(&mut pair, "EXPERIMENTAL a", None),
        export(&mut pair, "EXPERIMENTAL a", Some(b"")),
        export(&mut pair, "EXPERIMENTAL a", Some(b"context")),
        export(&mut pair, "EXPERIMENTAL b", None),
    ];
    for (i, output) in outputs.iter().enumerate() {
        assert!(!outputs[..i].contains(output));
    }
    assert!(pair.client.connection.export_keying_material("key expansion", None, &mut [0; 4]).is_err());
}

#[test]
fn data_flows_both_ways_and_close_notify_ends_both() {
    let mut pair = Pair::new();
    assert!(pair.client.connection.send(b"too early").is_err());
    pair.run(LIMIT);
    pair.client.connection.send(b"to the server").unwrap();
    pair.server.connection.send(b"to the client").unwrap();
    pair.run(LIMIT);
    assert_eq!(pair.server.data, [b"to the server"]);
    assert_eq!(pair.client.data, [b"to the client"]);

    pair.client.connection.close(pair.now);
    pair.run(LIMIT);
    assert_eq!(pair.client.closed, Some(CloseReason::Local));
    assert_eq!(pair.server.closed, Some(CloseReason::CloseNotify));
    assert!(pair.server.connection.send(b"too late").is_err());
}
