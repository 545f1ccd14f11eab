//! Who may take a place.

use super::*;
use headwater_dtls::{Role, Version};
use rand_chacha::rand_core::SeedableRng;

fn associations(now: Instant) -> Associations {
    let certificate = Certificate::generate().expect("a certificate");
    Associations::new(Some(certificate), ChaCha20Rng::from_seed([1; 32]), 20_000, now)
}

fn client(certificate: &Certificate, now: Instant) -> Connection {
    let mut config = Config::new(certificate.clone());
    config.danger_accept_any_certificate = true;
    config.srtp_profiles = Vec::new();
    config.max_version = Version::Dtls12;
    Connection::new(Arc::new(config), Role::Client, Vec::new(), [2; 32], now).expect("proper")
}

fn flight(client: &mut Connection, now: Instant) -> Vec<u8> {
    let mut datagram = Vec::new();
    client.poll_transmit(now, &mut datagram).expect("a hello");
    datagram
}

fn path(number: u32) -> Path {
    let remote = SocketAddr::from((number.to_be_bytes(), 5000));
    (SocketAddr::from(([192, 0, 2, 1], 3478)), remote)
}

#[test]
fn hellos_of_a_hundred_thousand_addresses_take_no_place() {
    let now = Instant::now();
    let mut associations = associations(now);
    let hello = flight(&mut client(&Certificate::generate().expect("a certificate"), now), now);
    for number in 0..100_000 {
        let mut answer = Vec::new();
        let received = associations.receive(now, path(number), &hello, &mut answer, |_| ());
        assert_eq!(received, Received::Answered(answer.len()));
        assert!(!answer.is_empty() && answer.len() < hello.len());
        assert_eq!(associations.len(), 0);
        assert!(!associations.has(path(number)));
    }
}

#[test]
fn of_handshakes_behind_the_cookie_the_oldest_gives_way() {
    let now = Instant::now();
    let mut associations = associations(now);
    let certificate = Certificate::generate().expect("a certificate");
    let most = MOST_HANDSHAKES as u32;
    for number in 0..most + 10 {
        let mut client = client(&certificate, now);
        let mut answer = Vec::new();
        associations.receive(now, path(number), &flight(&mut client, now), &mut answer, |_| ());
        client.handle_datagram(now, &answer).expect("a request");
        let second = flight(&mut client, now);
        assert_eq!(associations.receive(now, path(number), &second, &mut Vec::new(), |_| ()), Received::Open);
        assert!(associations.len() <= MOST_HANDSHAKES);
        assert_eq!(associations.handshakes, associations.len());
    }
    assert!(!associations.has(path(9)) && associations.has(path(10)) && associations.has(path(most + 9)));
    associations.handle_timeout(now + 2 * HANDSHAKE_TIMEOUT, false).1.into_iter().for_each(|path| {
        associations.remove(path);
    });
    assert!(associations.len() == 0 && !associations.has_handshakes());
}
