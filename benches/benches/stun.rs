//! A consent check and its answer, as each viewer causes them every few seconds.

use std::net::SocketAddr;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater_ice::attribute::{IceControlling, Priority, UseCandidate};
use headwater_ice::{Credentials, LiteAgent, LiteConfig, ufrag_of_request};
use headwater_stun::attribute::Username;
use headwater_stun::{Datagram, Key, Message, MessageBuilder, Method, TransactionId, Transport};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

const UFRAG: &str = "server00";
const PASSWORD: &str = "passwordpasswordpassword";
const PEER_UFRAG: &str = "peer";

/// A Binding request as Chrome makes it.
fn check(id: u64, key: &Key, buf: &mut Vec<u8>) {
    let mut random = [0; 12];
    random[..8].copy_from_slice(&id.to_be_bytes());
    buf.clear();
    MessageBuilder::request(Method::BINDING, TransactionId::new(random), buf)
        .attribute(&Username(&format!("{UFRAG}:{PEER_UFRAG}")))
        .attribute(&IceControlling(7))
        .attribute(&UseCandidate)
        .attribute(&Priority(0x6eff_ffff))
        .integrity(key)
        .fingerprint();
}

fn answer(c: &mut Criterion) {
    let now = Instant::now();
    let local = SocketAddr::from(([192, 0, 2, 1], 8189));
    let remote = SocketAddr::from(([198, 51, 100, 7], 50_000));
    let key = Key::short_term(PASSWORD);
    let mut group = c.benchmark_group("stun check");

    group.bench_function("verify and answer (ice lite)", |b| {
        let ours = Credentials::new(UFRAG, PASSWORD).expect("long enough");
        let mut agent = LiteAgent::new(LiteConfig::new(ours, None), [0; 32], now).expect("it can work");
        let mut requests = vec![Vec::new(); 1024];
        for (id, request) in requests.iter_mut().enumerate() {
            check(id as u64, &key, request);
        }
        let (mut next, mut out) = (0, Vec::with_capacity(1500));
        b.iter(|| {
            next = (next + 1) % requests.len();
            let datagram = Datagram::new(Transport::Udp, local, remote, &requests[next]);
            agent.handle_datagram(now, datagram).expect("an authentic check");
            out.clear();
            let answered = agent.poll_transmit(now, &mut out).expect("an answer");
            while agent.poll_event().is_some() {}
            answered.len
        });
    });
    let mut request = Vec::new();
    check(1, &key, &mut request);
    group.bench_function("parse", |b| b.iter(|| Message::parse(&request).expect("well formed").class()));
    group.bench_function("find the agent", |b| b.iter(|| ufrag_of_request(&request).is_some()));
    group.bench_function("floor: two HMAC-SHA1, two CRC-32", |b| {
        let key = Hmac::<Sha1>::new_from_slice(PASSWORD.as_bytes()).expect("any length");
        b.iter(|| {
            let of = |length: usize| key.clone().chain_update(&request[..length]).finalize().into_bytes();
            (of(72), of(32), crc32fast::hash(&request[..96]), crc32fast::hash(&request[..56]))
        });
    });
    group.finish();
}

criterion_group!(benches, answer);
criterion_main!(benches);
