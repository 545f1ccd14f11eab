//! The TURN server: what a relayed packet and a request cost, without sockets.
//!
//! "of 50,000" goes round among the allocations: each packet finds another one, as cold as it would be on a busy relay.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headwater_stun::{
    Attempt, Datagram, LongTerm, Message, MessageBuilder, Method, TransactionId, Transport,
};
use headwater_turn::attribute::{
    ALLOCATE, CHANNEL_BIND, ChannelNumber, Data, REFRESH, RequestedTransport, SEND, UDP, XorPeerAddress,
};
use headwater_turn::{Event, Quota, RelayId, Server, ServerConfig, channel_data};

const LOCAL: ([u8; 4], u16) = ([198, 51, 100, 1], 3478);
const PEER: ([u8; 4], u16) = ([8, 8, 8, 8], 4000);

struct Rig {
    server: Server,
    now: Instant,
    user: LongTerm,
    clients: Vec<(SocketAddr, RelayId)>,
}

impl Rig {
    /// A server with this many allocations, each with a channel.
    fn new(allocations: u32) -> Self {
        let mut config = ServerConfig::new("example.org", [1; 32]);
        config.users.insert("matrix".to_owned(), "secret".to_owned());
        (config.per_user, config.per_address) = (Quota::unlimited(), Quota::unlimited());
        config.unproven_bytes_per_second = u32::MAX / 8;
        let now = Instant::now();
        let server =
            Server::new(config, [2; 32], now, Duration::from_secs(1_800_000_000)).expect("a valid config");
        let mut rig = Self { server, now, user: LongTerm::new("matrix", "secret"), clients: Vec::new() };
        for number in 0..allocations {
            let [_, a, b, c] = number.to_be_bytes();
            let client = SocketAddr::from(([10, a, b, c], 5000));
            rig.request(client, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)));
            let relay = std::iter::from_fn(|| rig.server.poll_event()).find_map(|it| match it {
                Event::OpenRelay { relay, .. } => Some(relay),
                _ => None,
            });
            let relay = relay.expect("a relay is asked for");
            rig.server.relay_opened(now, relay, Ok(SocketAddr::from(([198, 51, 100, 1], 50_000))));
            rig.drain();
            rig.request(client, CHANNEL_BIND, |it| {
                it.attribute(&ChannelNumber(0x4000)).attribute(&XorPeerAddress(PEER.into()))
            });
            rig.clients.push((client, relay));
        }
        rig
    }

    fn request(
        &mut self,
        client: SocketAddr,
        method: Method,
        attributes: impl for<'b> Fn(MessageBuilder<'b>) -> MessageBuilder<'b>,
    ) {
        let mut attempt = Attempt::default();
        for _ in 0..3 {
            let mut request = Vec::new();
            let message = MessageBuilder::request(method, TransactionId::new([7; 12]), &mut request);
            self.user.sign(&mut attempt, attributes(message)).finish();
            self.take(client, &request);
            let mut answer = Vec::new();
            if self.server.poll_transmit(self.now, &mut answer).is_none() {
                return;
            }
            let answer = Message::parse(&answer).expect("a message");
            if self.user.handle_response(&mut attempt, &answer) != headwater_stun::Verdict::Retry {
                return;
            }
        }
    }

    fn take(&mut self, client: SocketAddr, bytes: &[u8]) -> usize {
        let datagram = Datagram::new(Transport::Udp, LOCAL.into(), client, bytes);
        self.server.handle_datagram(self.now, datagram).expect("well-formed").map_or(0, |it| it.data.len())
    }

    fn drain(&mut self) {
        while self.server.poll_transmit(self.now, &mut Vec::new()).is_some() {}
        while self.server.poll_event().is_some() {}
    }
}

fn data(c: &mut Criterion) {
    for allocations in [1, 50_000] {
        let mut rig = Rig::new(allocations);
        let mut group = c.benchmark_group(format!("turn of {allocations}"));
        for len in [160, 1200] {
            group.throughput(Throughput::Elements(1));
            let payload = vec![7; len];
            let (mut through, mut send) = (Vec::new(), Vec::new());
            channel_data::emit(Transport::Udp, 0x4000, &payload, &mut through).expect("short");
            MessageBuilder::indication(SEND, TransactionId::new([1; 12]), &mut send)
                .attribute(&XorPeerAddress(PEER.into()))
                .attribute(&Data(&payload))
                .finish();
            let mut turn = 0;
            let mut next = |rig: &Rig| {
                // A prime, so that neighbours in memory don't follow each other.
                turn = (turn + 7919) % rig.clients.len();
                rig.clients[turn]
            };
            group.bench_function(format!("ChannelData in, {len} bytes"), |b| {
                b.iter(|| {
                    let (client, _) = next(&rig);
                    black_box(rig.take(client, &through))
                });
            });
            group.bench_function(format!("Send in, {len} bytes"), |b| {
                b.iter(|| {
                    let (client, _) = next(&rig);
                    black_box(rig.take(client, &send))
                });
            });
            let mut buf = Vec::with_capacity(2048);
            for (name, peer) in [("ChannelData", PEER), ("Data", ([8, 8, 8, 8], 4001))] {
                group.bench_function(format!("{name} out, {len} bytes"), |b| {
                    b.iter(|| {
                        let (_, relay) = next(&rig);
                        buf.clear();
                        let sent =
                            rig.server.handle_peer_data(rig.now, relay, peer.into(), &payload, &mut buf);
                        black_box(sent.expect("permitted"))
                    });
                });
            }
        }
        group.finish();
    }
}

fn requests(c: &mut Criterion) {
    let mut rig = Rig::new(1);
    let (client, _) = rig.clients[0];
    let mut unproven = Vec::new();
    MessageBuilder::request(ALLOCATE, TransactionId::new([1; 12]), &mut unproven)
        .attribute(&RequestedTransport(UDP))
        .finish();
    let mut refresh = Vec::new();
    let message = MessageBuilder::request(REFRESH, TransactionId::new([7; 12]), &mut refresh);
    rig.user.sign(&mut Attempt::default(), message).finish();
    for (name, request) in [("unproven Allocate and its 401", unproven), ("Refresh and its answer", refresh)]
    {
        let mut buf = Vec::with_capacity(2048);
        c.bench_function(&format!("turn {name}"), |b| {
            b.iter(|| {
                rig.take(client, &request);
                buf.clear();
                black_box(rig.server.poll_transmit(rig.now, &mut buf)).expect("an answer");
            });
        });
    }
}

criterion_group!(benches, data, requests);
criterion_main!(benches);
