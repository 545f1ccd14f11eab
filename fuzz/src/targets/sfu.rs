//! The forwarding unit: one that serves and one that publishes or watches, signalling that nobody would send, and a
//! network that loses, repeats, changes and forges datagrams.

use crate::Input;
use headwater_rtp::Codec;
use headwater_sfu::track::Format;
use headwater_sfu::{Certificate, Config, Datagram, Offering, PeerId, Sfu};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Datagrams under way in one direction; the oldest is lost when there are more.
const MAX_UNDER_WAY: usize = 128;
/// Operations of one input, so that none takes long.
const MAX_OPERATIONS: usize = 80;
/// What one unit may have to say at one moment, with the few sessions of one input.
const MAX_TURNS: usize = 5_000;
/// Sessions that one input may open at each end.
const MAX_SESSIONS: usize = 8;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 8189);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)), 4000);

struct End {
    sfu: Sfu,
    address: SocketAddr,
    sessions: Vec<PeerId>,
    under_way: Vec<Vec<u8>>,
}

/// A list of operations.
pub fn sfu(data: &[u8]) {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| Certificate::generate().expect("the backend makes keys"));
    let mut input = Input::new(data);
    let mut now = Instant::now();
    let mut ends = [CLIENT, SERVER].map(|address| {
        let config = Config::new(certificate.clone(), vec![address]);
        let sfu = Sfu::new(config, [address.port() as u8; 32], now, Duration::from_secs(1_700_000_000));
        End { sfu: sfu.expect("a valid config"), address, sessions: Vec::new(), under_way: Vec::new() }
    });
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let operation = input.byte();
        operate(operation >> 1, usize::from(operation & 1), &mut ends, &mut now, &mut input);
        ends.iter_mut().for_each(|end| end.drain(now));
    }
    // Whatever happened: everything ends when it is told to.
    for end in &mut ends {
        for session in std::mem::take(&mut end.sessions) {
            end.sfu.close(now, session);
        }
        let mut later = now;
        end.advance(&mut later, Duration::from_secs(120));
        assert!(end.sfu.is_empty(), "a closed session stays");
    }
}

fn operate(operation: u8, who: usize, ends: &mut [End; 2], now: &mut Instant, input: &mut Input<'_>) {
    match operation % 9 {
        // The network carries what it has, both ways, and time goes on.
        0 => {
            for _ in 0..=input.byte() % 16 {
                for from in [0, 1] {
                    for datagram in std::mem::take(&mut ends[from].under_way) {
                        let remote = ends[from].address;
                        ends[1 - from].receive(*now, remote, &datagram);
                    }
                }
                wait(ends, now, Duration::from_millis(20));
            }
        }
        // One datagram arrives out of order, changed perhaps, or twice, or from elsewhere.
        1 => {
            let (choice, at) = (input.byte(), input.u16());
            let index = usize::from(choice >> 3) % ends[who].under_way.len().max(1);
            let Some(mut datagram) = ends[who].under_way.get(index).cloned() else { return };
            if choice & 1 == 0 {
                ends[who].under_way.remove(index);
            }
            if choice & 2 != 0 && !datagram.is_empty() {
                let at = usize::from(at) % datagram.len();
                datagram[at] ^= input.byte().max(1);
            }
            let mut remote = ends[who].address;
            if choice & 4 != 0 {
                remote.set_port(remote.port() + 1);
            }
            ends[1 - who].receive(*now, remote, &datagram);
        }
        2 => {
            let lost = usize::from(input.byte()).min(ends[who].under_way.len());
            ends[who].under_way.drain(..lost);
        }
        3 => wait(ends, now, Duration::from_millis(u64::from(input.u16()))),
        // Anything, from the peer's address or anywhere.
        4 => {
            let remote =
                if input.byte() == 0 { ends[1 - who].address } else { SocketAddr::from(([9, 9, 9, 9], 9)) };
            let contents = input.chunk();
            ends[who].receive(*now, remote, contents);
        }
        // The client offers, the server answers, the client takes the answer.
        5 => connect(ends, *now, input.byte() & 1 == 0),
        // Signalling from strangers: any text as an offer, or as a fragment.
        6 => {
            let text = String::from_utf8_lossy(input.chunk());
            let from = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
            if ends[1].sessions.len() < MAX_SESSIONS
                && let Ok(accepted) = ends[1].sfu.publish(*now, "stranger", &text, from)
            {
                ends[1].sessions.push(accepted.peer);
            }
            let _ = ends[1].sfu.watch(*now, "live", &text, from).map(|it| ends[1].sessions.push(it.peer));
            for session in ends[who].sessions.clone() {
                let _ = ends[who].sfu.trickle(*now, session, &text);
            }
        }
        7 => {
            let choice = usize::from(input.byte());
            if choice < ends[who].sessions.len() {
                let session = ends[who].sessions.remove(choice);
                ends[who].sfu.close(*now, session);
            }
        }
        // What the API of the server asks for.
        _ => {
            for session in ends[who].sessions.clone() {
                let _ = ends[who].sfu.start_dump(*now, session, Duration::from_secs(1));
                let _ = ends[who].sfu.take_dump(session);
                assert!(!ends[who].sfu.contains(session) || !ends[who].sfu.is_empty());
            }
        }
    }
}

fn connect(ends: &mut [End; 2], now: Instant, publishes: bool) {
    if ends.iter().any(|end| end.sessions.len() >= MAX_SESSIONS) {
        return;
    }
    let format = |codec: Codec| Format { codec, clock_rate: codec.clock_rate(), parameters: String::new() };
    let formats = vec![format(Codec::Vp8), format(Codec::Opus)];
    let [client, server] = ends;
    let offering = if publishes { Offering::sending(formats) } else { Offering::receiving(formats) };
    let Ok(offered) = client.sfu.offer(now, "live", &offering) else { return };
    client.sessions.push(offered.peer);
    let from = client.address.ip();
    let answered = if publishes {
        server.sfu.publish(now, "live", &offered.offer, from)
    } else {
        server.sfu.watch(now, "live", &offered.offer, from)
    };
    if let Ok(accepted) = answered {
        server.sessions.push(accepted.peer);
        client.sfu.accept_answer(now, offered.peer, &accepted.answer).expect("we understand our own answers");
    }
}

fn wait(ends: &mut [End; 2], now: &mut Instant, by: Duration) {
    let before = *now;
    for end in ends {
        *now = before;
        end.advance(now, by);
    }
}

impl End {
    fn receive(&mut self, now: Instant, remote: SocketAddr, contents: &[u8]) {
        let mut contents = contents.to_vec();
        let _ = self.sfu.handle_datagram(now, Datagram::new(self.address, remote, now, &mut contents));
        self.drain(now);
    }

    fn advance(&mut self, now: &mut Instant, by: Duration) {
        let end = *now + by;
        self.drain(*now);
        let mut turns = 0;
        while let Some(due) = self.sfu.poll_timeout().filter(|due| *due <= end) {
            turns += 1;
            assert!(turns < MAX_TURNS, "due again and again");
            *now = due.max(*now);
            self.sfu.handle_timeout(*now);
            self.drain(*now);
        }
        *now = end;
    }

    fn drain(&mut self, now: Instant) {
        let mut turns = 0;
        let mut buf = vec![0x55; 2];
        while let Some(transmit) = self.sfu.poll_transmit(now, &mut buf) {
            turns += 1;
            assert!(turns < MAX_TURNS, "it doesn't stop sending");
            assert_eq!(
                (buf.len(), &buf[..2]),
                (2 + transmit.len, &[0x55; 2][..]),
                "what is said is appended"
            );
            let segment = transmit.segment_size.map_or(transmit.len, usize::from).max(1);
            let sent = buf.split_off(2);
            if transmit.remote == CLIENT || transmit.remote == SERVER {
                self.under_way.extend(sent.chunks(segment).map(<[u8]>::to_vec));
            }
        }
        let surplus = self.under_way.len().saturating_sub(MAX_UNDER_WAY);
        self.under_way.drain(..surplus);
        while self.sfu.poll_event().is_some() {
            turns += 1;
            assert!(turns < MAX_TURNS, "it doesn't stop telling");
        }
    }
}
