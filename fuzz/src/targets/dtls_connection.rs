//! DTLS connections: a client and a server on a network that loses, repeats, changes and forges datagrams.
//!
//! The key shares come from the crypto backend's own randomness, so a finding that hangs on them may need several runs.

use crate::Input;
use crate::machine::{Machine, advance, drain};
use headwater_dtls::cookie::{CookieExchange, Verdict};
use headwater_dtls::extension::supported_groups::NamedGroup;
use headwater_dtls::{Certificate, Config, Connection, Event, Fingerprint, Role, Version};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Datagrams under way in one direction; the oldest is lost when there are more.
const MAX_UNDER_WAY: usize = 64;
/// Operations of one input, so that none takes long.
const MAX_OPERATIONS: usize = 100;

/// Rounds of a quarter of a second: the time-out of a client, and then that of its server.
const MAX_ROUNDS: usize = 250;

struct End {
    connection: Connection,
    /// A server that has no connection yet.
    front: Option<Front>,
    under_way: Vec<Vec<u8>>,
    /// Data that arrived, and what was exported when the handshake was done.
    heard: Vec<Vec<u8>>,
    srtp: Option<[Vec<u8>; 4]>,
    is_closed: bool,
    bytes_in: usize,
    bytes_out: usize,
}

/// What is needed to make one.
struct Front {
    exchange: CookieExchange,
    config: Arc<Config>,
    remote: Vec<Fingerprint>,
}

/// The first byte chooses the configuration, the rest is operations.
pub fn dtls_connection(data: &[u8]) {
    static CERTIFICATES: OnceLock<[Certificate; 2]> = OnceLock::new();
    let certificates = CERTIFICATES
        .get_or_init(|| [(); 2].map(|()| Certificate::generate().expect("the backend makes keys")));
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut now = Instant::now();
    let mut ends = [0, 1].map(|index| {
        let mut config = Config::new(certificates[index].clone());
        config.mtu = if flags & 1 != 0 { 200 } else { 1200 };
        config.require_cookie = flags & 2 != 0;
        configure(&mut config, index, flags);
        let role = if index == 0 { Role::Client } else { Role::Server };
        let remote = vec![certificates[1 - index].fingerprint()];
        let config = Arc::new(config);
        let connection = Connection::new(Arc::clone(&config), role, remote.clone(), [index as u8; 32], now);
        let mut end = End::new(connection.expect("a valid config"));
        // A server that wants a cookie does so in its connection where datagrams are small, and before it has one elsewhere.
        if role == Role::Server && flags & 3 == 2 {
            end.front = Some(Front { exchange: CookieExchange::new([2; 32], now), config, remote });
        }
        end
    });
    let mut said = [Vec::new(), Vec::new()];
    // Until the client has heard anything it can prove nothing, and the server owes nobody more than it got.
    let mut client_has_heard = false;
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let operation = input.byte();
        let who = usize::from(operation & 1);
        client_has_heard |= operate(operation >> 1, who, &mut ends, &mut said, &mut now, &mut input);
        ends.iter_mut().for_each(|end| end.take_all(now));
        if !client_has_heard {
            let server = &ends[1];
            assert!(server.bytes_out <= 3 * server.bytes_in, "{} for {}", server.bytes_out, server.bytes_in);
        }
    }
    finish(&mut ends, &mut now);
    for (end, said) in [(&ends[0], &said[1]), (&ends[1], &said[0])] {
        assert!(end.heard.iter().all(|data| said.contains(data)), "data arrived that nobody sent");
    }
    if let [Some(client), Some(server)] = [&ends[0].srtp, &ends[1].srtp] {
        assert_eq!(client, server, "both are connected, with different keys");
    }
}

/// Versions and groups; two ends that have nothing in common are worth an input, too.
fn configure(config: &mut Config, index: usize, flags: u8) {
    let is_old = flags & 4 << index != 0;
    if is_old {
        config.max_version = Version::Dtls12;
    } else if flags & 0x10 != 0 {
        config.min_version = Version::Dtls13;
    }
    if flags & 0x20 != 0 && index == 1 {
        config.groups = vec![NamedGroup::SECP384R1]; // the client has to be asked for a share of it
    }
    if flags & 0x40 != 0 {
        config.groups.retain(|group| *group != NamedGroup::X25519MLKEM768);
    }
    if flags & 0x80 != 0 {
        config.srtp_profiles = vec![[7, 8], [1, 8]][index].to_vec();
    }
}

/// Returns whether the client got a datagram of the server's.
fn operate(
    operation: u8,
    who: usize,
    ends: &mut [End; 2],
    said: &mut [Vec<Vec<u8>>; 2],
    now: &mut Instant,
    input: &mut Input<'_>,
) -> bool {
    match operation % 12 {
        // The network carries what it has, both ways, and time goes on.
        0 => {
            let mut heard = false;
            for _ in 0..=input.byte() % 16 {
                for from in [0, 1] {
                    for datagram in std::mem::take(&mut ends[from].under_way) {
                        heard |= from == 1;
                        ends[1 - from].receive(*now, &datagram);
                    }
                }
                wait(ends, now, Duration::from_millis(20));
            }
            return heard;
        }
        // One datagram arrives out of order, changed perhaps, or twice.
        1 => {
            let (choice, at) = (input.byte(), input.u16());
            let index = usize::from(choice >> 2) % ends[who].under_way.len().max(1);
            let Some(mut datagram) = ends[who].under_way.get(index).cloned() else { return false };
            if choice & 1 == 0 {
                ends[who].under_way.remove(index);
            }
            if choice & 2 != 0 && !datagram.is_empty() {
                let at = usize::from(at) % datagram.len();
                datagram[at] ^= input.byte().max(1);
            }
            ends[1 - who].receive(*now, &datagram);
            return who == 1;
        }
        // One is lost, or all.
        2 => {
            let lost = if input.byte() == 0 { ends[who].under_way.len() } else { 1 };
            let lost = lost.min(ends[who].under_way.len());
            ends[who].under_way.drain(..lost);
        }
        3 => wait(ends, now, Duration::from_millis(u64::from(input.u16()))),
        // Anything, from anywhere.
        4 => ends[who].receive(*now, input.chunk()),
        5 => {
            let data = input.chunk();
            if ends[who].connection.send(data).is_ok() {
                said[who].push(data.to_vec());
            }
        }
        // Two datagrams in one.
        6 if ends[who].under_way.len() >= 2 => {
            let second = ends[who].under_way.remove(1);
            ends[who].under_way[0].extend(second);
        }
        // Who has no connection yet has none to close.
        7 if input.byte() > 250 && ends[who].front.is_none() => ends[who].connection.close(*now),
        8 => {
            let _ = ends[who].connection.update_keys(*now);
        }
        9 => ends[who].connection.set_round_trip(Duration::from_millis(u64::from(input.u16()))),
        // An ICE check on the same path.
        10 => {
            let bytes = usize::from(input.byte());
            ends[who].bytes_in += bytes;
            ends[who].connection.credit(bytes);
        }
        // A flood of one datagram.
        11 => {
            let Some(datagram) = ends[who].under_way.first().cloned() else { return false };
            for _ in 0..input.byte() {
                ends[1 - who].receive(*now, &datagram);
            }
            return who == 1;
        }
        _ => {}
    }
    false
}

/// However it went so far: on a network that works from now on both get to an end.
fn finish(ends: &mut [End; 2], now: &mut Instant) {
    for _ in 0..MAX_ROUNDS {
        for from in [0, 1] {
            for datagram in std::mem::take(&mut ends[from].under_way) {
                ends[1 - from].receive(*now, &datagram);
            }
        }
        if ends.iter().all(|end| end.is_over() && end.under_way.is_empty()) {
            return;
        }
        wait(ends, now, Duration::from_millis(250));
    }
    panic!("neither connected nor closed");
}

fn wait(ends: &mut [End; 2], now: &mut Instant, by: Duration) {
    let before = *now;
    for end in ends {
        *now = before;
        end.take_all(before);
        let sent = advance(end, now, by);
        end.send(sent);
    }
}

impl End {
    const fn new(connection: Connection) -> Self {
        Self {
            connection,
            front: None,
            under_way: Vec::new(),
            heard: Vec::new(),
            srtp: None,
            is_closed: false,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Connected, closed, or a server that nobody has spoken to.
    fn is_over(&self) -> bool {
        self.connection.is_connected() || self.is_closed || self.connection.poll_timeout().is_none()
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        self.take_all(now);
        self.bytes_in += datagram.len();
        if let Some(front) = self.front.take() {
            return self.knock(front, now, datagram);
        }
        let was_connected = self.connection.is_connected();
        if self.connection.handle_datagram(now, datagram).is_err() {
            assert_eq!(self.connection.is_connected(), was_connected, "refused, yet changed");
        }
        self.take_all(now);
    }

    /// A datagram for a server without a connection.
    fn knock(&mut self, mut front: Front, now: Instant, datagram: &[u8]) {
        let mut answer = Vec::new();
        let config = Arc::clone(&front.config);
        match front.exchange.handle_datagram(now, &config, b"client", datagram, &mut answer) {
            Ok(Verdict::Answer(transmit) | Verdict::Refuse(_, transmit)) => {
                assert_eq!(transmit.len, answer.len());
                self.send(vec![answer]);
            }
            Ok(Verdict::Admit(hello)) => {
                assert!(self.bytes_out > 0, "a cookie that nobody was given");
                let connection = Connection::accept(config, front.remote, [3; 32], now, *hello);
                self.connection = connection.expect("a valid config");
                return self.take_all(now);
            }
            Ok(_) | Err(_) => assert!(answer.is_empty()),
        }
        assert!(front.exchange.waiting() <= 1, "one client, and more hellos");
        self.front = Some(front);
    }

    fn take_all(&mut self, now: Instant) {
        let sent = drain(self, now);
        self.send(sent);
    }

    fn send(&mut self, sent: Vec<Vec<u8>>) {
        self.bytes_out += sent.iter().map(Vec::len).sum::<usize>();
        self.under_way.extend(sent);
        let surplus = self.under_way.len().saturating_sub(MAX_UNDER_WAY);
        self.under_way.drain(..surplus);
    }
}

impl Machine for End {
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        self.connection.poll_transmit(now, buf).map(|transmit| transmit.len)
    }

    fn poll_event(&mut self) -> bool {
        let Some(event) = self.connection.poll_event() else { return false };
        match event {
            Event::Connected(connected) => {
                assert!(connected.peer_fingerprint.is_some(), "connected with nobody");
                let keys = connected.srtp.expect("both offer the same profiles");
                let parts = [&keys.client_key, &keys.client_salt, &keys.server_key, &keys.server_salt];
                assert!(self.srtp.replace(parts.map(|part| part.to_vec())).is_none(), "connected twice");
            }
            Event::Data(data) => self.heard.push(data),
            Event::Closed { .. } => assert!(!std::mem::replace(&mut self.is_closed, true), "closed twice"),
            _ => {}
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
    }
}
