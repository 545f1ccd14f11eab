//! Many who join at once, turn by turn as an owner's loop drives a unit.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_rtp::SequenceNumber;
use headwater_sfu::{Certificate, Config, Datagram, LocalStream, MediaPacket, Offering, PeerId, Sfu};

use crate::rig::{SERVER_ADDRESS, here, vp8};

const TURN: Duration = Duration::from_millis(1);

struct Client {
    sfu: Sfu,
    peer: PeerId,
    address: SocketAddr,
}

struct Loop {
    server: Sfu,
    stream: LocalStream,
    clients: Vec<Client>,
    certificate: Certificate,
    now: Instant,
    packets: u16,
    /// How often clients repeat a message of their handshakes before it can have been answered.
    repeats: u8,
    buf: Vec<u8>,
}

/// What the server sent, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Dtls(SocketAddr),
    Media(SocketAddr),
    Other,
}

impl Loop {
    fn new() -> Self {
        let certificate = Certificate::generate().expect("a certificate");
        let now = Instant::now();
        let mut server = unit(&certificate, SERVER_ADDRESS.parse().expect("an address"), now);
        let stream = server.open_stream(now, "stream", &[vp8()]).expect("a new stream");
        let (clients, buf) = (Vec::new(), Vec::with_capacity(64 << 10));
        let mut this = Self { server, stream, clients, certificate, now, packets: 0, repeats: 0, buf };
        this.publish(1);
        this
    }

    fn join(&mut self) {
        let address = SocketAddr::from(([198, 51, 100, 1], 5000 + self.clients.len() as u16));
        let mut sfu = unit(&self.certificate, address, self.now);
        let offered = sfu.offer(self.now, "stream", &Offering::receiving(vec![vp8()])).expect("a good offer");
        let accepted = self.server.watch(self.now, "stream", &offered.offer, here()).expect("a good offer");
        sfu.accept_answer(self.now, offered.peer, &accepted.answer).expect("a good answer");
        self.clients.push(Client { sfu, peer: offered.peer, address });
    }

    fn connected(&self) -> usize {
        let is_connected = |client: &&Client| {
            client.sfu.peer_info(self.now, client.peer).is_some_and(|info| info.is_connected)
        };
        self.clients.iter().filter(is_connected).count()
    }

    fn publish(&mut self, packets: u16) {
        let mut payload = [0x5a; 1000];
        payload[..5].copy_from_slice(&[0x90, 0x80, 0x80, 1, 0]);
        for _ in 0..packets {
            self.packets = self.packets.wrapping_add(1);
            let packet = MediaPacket {
                sequence: SequenceNumber(self.packets),
                timestamp: u32::from(self.packets) * 90,
                marker: true,
                payload: &payload,
            };
            self.server.handle_media(self.now, self.stream, 0, &packet);
        }
    }

    /// One turn: what the clients have to say comes in, and at most so many messages go out. Says what went out, and
    /// whether that was all.
    fn turn(&mut self, messages: usize) -> (Vec<Sent>, bool) {
        self.now += TURN;
        let Self { server, clients, now, buf, repeats, .. } = self;
        for client in clients.iter_mut() {
            client.sfu.handle_timeout(*now);
            buf.clear();
            while client.sfu.poll_transmit(*now, buf).is_some() {
                let to = SERVER_ADDRESS.parse().expect("an address");
                // In the clear: content type handshake, epoch 0. Repeated, the record has a new number.
                let times = if buf[0] == 22 && buf[3..5] == [0, 0] { *repeats } else { 0 };
                for _ in 0..times {
                    let _ = server.handle_datagram(*now, Datagram::new(to, client.address, *now, buf));
                    buf[8] += 1;
                }
                let _ = server.handle_datagram(*now, Datagram::new(to, client.address, *now, buf));
                buf.clear();
            }
        }
        server.handle_timeout(*now);
        let mut sent = Vec::new();
        while sent.len() < messages {
            buf.clear();
            let Some(transmit) = server.poll_transmit(*now, buf) else { return (sent, true) };
            sent.push(match buf[0] {
                20..=63 => Sent::Dtls(transmit.remote),
                128..=191 => Sent::Media(transmit.remote),
                _ => Sent::Other,
            });
            let client = &mut clients[usize::from(transmit.remote.port() - 5000)];
            for datagram in buf.chunks_mut(transmit.segment_size.map_or(transmit.len, usize::from)) {
                let _ = client
                    .sfu
                    .handle_datagram(*now, Datagram::new(transmit.remote, transmit.local, *now, datagram));
            }
        }
        (sent, false)
    }

    fn until_connected(&mut self, viewers: usize) {
        for _ in 0..1000 {
            self.turn(usize::MAX);
            if self.connected() == viewers {
                return;
            }
        }
        panic!("{} of {viewers} connected", self.connected());
    }
}

fn unit(certificate: &Certificate, address: SocketAddr, now: Instant) -> Sfu {
    let mut seed = [9; 32];
    seed[..2].copy_from_slice(&address.port().to_be_bytes());
    let mut config = Config::new(certificate.clone(), vec![address]);
    config.limits.sessions_per_address = 1000;
    Sfu::new(config, seed, now, Duration::from_secs(1_800_000_000)).expect("it can work")
}

#[test]
fn in_a_storm_media_waits_for_no_more_than_one_step_a_turn() {
    let mut this = Loop::new();
    this.join();
    this.until_connected(1);
    let watching = this.clients[0].address;
    (0..40).for_each(|_| this.join());
    for turn in 0.. {
        assert!(turn < 400, "{} connected", this.connected());
        this.publish(1);
        let (sent, _) = this.turn(usize::MAX);
        let handshakes: Vec<_> = sent.iter().filter(|sent| matches!(sent, Sent::Dtls(_))).copied().collect();
        assert!(handshakes.iter().all(|sent| *sent == handshakes[0]), "turn {turn}: {handshakes:?}");
        let media = sent.iter().position(|sent| *sent == Sent::Media(watching));
        let handshake = sent.iter().position(|sent| matches!(sent, Sent::Dtls(_)));
        assert!(media.is_some(), "turn {turn}: {sent:?}");
        // Once a handshake has been put off for two milliseconds it goes first, once.
        if handshake.is_some() && media > handshake {
            assert!(handshakes.len() <= 2, "one flight: {handshakes:?}");
        }
        if this.connected() == 41 {
            break;
        }
    }
}

#[test]
fn a_unit_with_more_media_than_it_can_send_still_lets_others_join() {
    let mut this = Loop::new();
    (0..30).for_each(|_| this.join());
    this.until_connected(30);
    this.join();
    let mut steps = 0;
    for turn in 0.. {
        assert!(turn < 100, "it cannot join");
        // Two messages to each of thirty are due each turn, and six go out.
        this.publish(2);
        let (sent, is_all) = this.turn(6);
        assert!(!is_all, "turn {turn}: there is always media");
        steps += sent.iter().filter(|sent| matches!(sent, Sent::Dtls(_))).count();
        if this.connected() == 31 {
            assert!(turn >= steps, "media goes on");
            break;
        }
    }
}

#[test]
fn what_clients_repeat_while_it_waits_costs_no_step() {
    let steps = |repeats| {
        let mut this = Loop::new();
        this.repeats = repeats;
        (0..20).for_each(|_| this.join());
        let mut flights = 0;
        for turn in 1..1000 {
            let (sent, _) = this.turn(usize::MAX);
            flights += sent.iter().filter(|sent| matches!(sent, Sent::Dtls(_))).count();
            if this.connected() == 20 {
                assert_eq!(this.server.counters().handshakes_dropped, 0);
                return (turn, flights);
            }
        }
        panic!("{} connected", this.connected());
    };
    assert_eq!(steps(5), steps(0));
}
