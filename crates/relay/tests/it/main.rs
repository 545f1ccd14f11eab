//! The server on loopback.

mod client;
mod limits;
mod load;
mod renewal;
mod secure;
mod splice;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use headwater_relay::{Config, Identity, PeerPolicy, Relay, RelayAddress, ServerConfig, StartError};
use headwater_stun::attribute::XorMappedAddress;
use headwater_stun::{Class, Message, MessageBuilder, Method, TransactionId};

const LIMIT: Duration = Duration::from_secs(5);

fn config() -> Config {
    let mut turn = ServerConfig::new("example.org", [1; 32]);
    turn.users.extend(["alice", "bob"].map(|name| (name.into(), "secret".into())));
    // The tests' peers are where no peers may be without being allowed.
    turn.peers = PeerPolicy::public().allow("127.0.0.0/8".parse().expect("a block"));
    let mut config = Config::new(turn, [2; 32]);
    config.listen.push(SocketAddr::from(([127, 0, 0, 1], 0)));
    config
}

/// All four kinds of clients at the one address.
fn secure_config(identity: &Identity) -> Config {
    let mut config = config();
    config.tls_listen = config.listen.clone();
    config.identity = Some(identity.clone());
    config
}

/// A fresh certificate: what the server is given, and its SHA-256.
fn identity() -> (Identity, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["turn.example".to_owned()]).expect("a certificate");
    let identity = Identity::from_pem(&made.cert.pem(), &made.signing_key.serialize_pem()).expect("proper");
    let print = headwater_dtls::Fingerprint::of(headwater_dtls::HashAlgorithm::Sha256, made.cert.der());
    (identity, print.value().to_vec())
}

/// A peer on loopback.
fn peer() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

fn refused(change: impl FnOnce(&mut Config)) -> StartError {
    let mut config = config();
    change(&mut config);
    Relay::start(config).err().expect("it cannot start")
}

#[test]
fn what_cannot_be_had_is_named() {
    assert!(matches!(refused(|config| config.listen.clear()), StartError::NoListener));
    assert!(matches!(refused(|config| config.workers = 0), StartError::WorkerCount));
    assert!(matches!(refused(|config| config.tls_listen = config.listen.clone()), StartError::NoIdentity));
    assert!(matches!(refused(|config| config.relay_ports = 0..=9), StartError::RelayPorts));
    let elsewhere = refused(|config| config.relay_addresses = vec!["192.0.2.1".parse().expect("an address")]);
    assert!(elsewhere.to_string().contains("192.0.2.1"), "{elsewhere}");

    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let error = refused(|config| config.listen = vec![address]).to_string();
    assert!(error.contains("UDP") && error.contains(&address.to_string()), "{error}");
}

#[test]
fn an_address_that_is_named_twice_is_listened_on_once() {
    let mut config = config();
    config.listen.push(config.listen[0]);
    let relay = Relay::start(config).expect("it starts");
    assert_eq!(relay.local_addrs().len(), 1);
}

#[test]
fn addresses_behind_a_nat_have_two_sides() {
    assert!("203.0.113.7/10.0.0.5".parse::<RelayAddress>().is_ok());
    for wrong in ["", "203.0.113.7/::1", "0.0.0.0", "203.0.113.7/0.0.0.0", "host"] {
        assert!(wrong.parse::<RelayAddress>().is_err(), "{wrong}");
    }
}

#[test]
fn binding_requests_are_answered_whichever_worker_they_come_to() {
    for workers in [1, 3] {
        let mut config = config();
        config.workers = workers;
        let relay = Relay::start(config).expect("it starts");
        let server = relay.local_addrs()[0];
        for last in 1..=8 {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 3, last), 0)).expect("a socket");
            socket.set_read_timeout(Some(LIMIT)).expect("a limit");
            let mut request = Vec::new();
            let id = TransactionId::new([last; 12]);
            MessageBuilder::request(Method::BINDING, id, &mut request).fingerprint();
            socket.send_to(&request, server).expect("sent");
            let mut buffer = [0; 512];
            let (len, from) = socket.recv_from(&mut buffer).expect("an answer");
            assert_eq!(from, server);
            let answer = Message::parse(&buffer[..len]).expect("STUN");
            assert_eq!((answer.class(), answer.transaction_id()), (Class::Success, id));
            let mapped = answer.attribute::<XorMappedAddress>().expect("proper").expect("there");
            assert_eq!(mapped.0, socket.local_addr().expect("bound"));
        }
        assert_eq!(relay.counters().allocations, 0);
        relay.shutdown(LIMIT);
    }
}

#[test]
fn a_connection_that_speaks_something_else_is_closed() {
    let relay = Relay::start(config()).expect("it starts");
    let mut stream = TcpStream::connect(relay.local_addrs()[0]).expect("connected");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").expect("sent");
    let ended = stream.read(&mut [0; 16]);
    let is_reset = |error: std::io::Error| error.kind() == ErrorKind::ConnectionReset;
    assert!(matches!(ended, Ok(0)) || ended.is_err_and(is_reset));
}

#[test]
fn a_connection_without_an_allocation_that_promises_a_long_message_is_closed() {
    let relay = Relay::start(config()).expect("it starts");
    // An Allocate request, a Send indication, and ChannelData behind a proper request.
    let mut binding = Vec::new();
    MessageBuilder::request(Method::BINDING, TransactionId::new([1; 12]), &mut binding).finish();
    let long = |kind: u8, low: u8| [&[kind, low, 0xFF, 0xFC, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat();
    for first in [long(0, 3), long(0, 0x16), [&binding[..], &[0x40, 0, 0xFF, 0xFC]].concat()] {
        let mut stream = TcpStream::connect(relay.local_addrs()[0]).expect("connected");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        stream.write_all(&first).expect("sent");
        // The server may have closed before the last of it is written.
        let _ = stream.write_all(&[0; 8192]);
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
}

#[test]
fn a_client_that_asks_and_leaves_at_once_is_forgotten_at_once() {
    let relay = Relay::start(config()).expect("it starts");
    let mut request = Vec::new();
    MessageBuilder::request(Method::BINDING, TransactionId::new([1; 12]), &mut request).fingerprint();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(relay.local_addrs()[0]).expect("connected");
        stream.write_all(&request).expect("sent");
        stream.shutdown(Shutdown::Write).expect("open");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        // The answer, if it was quick enough, and the end: long before the sweep.
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificates, key) in [("", ""), (wrong, ""), (wrong, wrong)] {
        assert!(Identity::from_pem(certificates, key).is_err());
    }
}
