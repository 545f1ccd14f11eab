//! The stateless cookie exchange, between a server and those who may be anybody.

use std::time::Duration;

use headwater_dtls::Version;

use crate::pair::{LATENCY, Pair};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_cookie_costs_one_round_trip_in_every_version() {
    for (name, make) in Pair::ALL {
        let mut pair = make();
        pair.run(LIMIT);
        let without = pair.elapsed();
        let mut pair = make().guarded();
        pair.run(LIMIT);
        assert!(pair.both_connected(), "{name}: {:?} {:?}", pair.client.errors, pair.server.errors);
        assert_eq!(pair.elapsed(), without + 2 * LATENCY, "{name}");
        let (client, server) = (pair.client.connected.take().unwrap(), pair.server.connected.take().unwrap());
        assert_eq!(client.srtp, server.srtp);
        assert_eq!((client.version, client.group), (server.version, server.group));
        assert_eq!(client.version == Version::Dtls12, name == "1.2");
        pair.client.connection.send(b"data").unwrap();
        pair.server.connection.send(b"too").unwrap();
        pair.run(LIMIT);
        assert_eq!((&pair.server.data[0][..], &pair.client.data[0][..]), (&b"data"[..], &b"too"[..]));
    }
}
