//! Echoes application data over DTLS, or sends a line to somebody who does.
//!
//! ```text
//! dtls_echo --listen ADDR [OPTIONS]
//! dtls_echo --connect ADDR --send LINE [OPTIONS]
//!
//!   --fingerprint "sha-256 AB:.."   the peer's certificate; without it any is accepted
//!   --dtls 1.2|1.3                  this version alone
//!   --groups NAME,..                X25519MLKEM768, X25519, secp256r1, secp384r1: best first
//!   --profiles NUMBER,..            SRTP protection profiles by IANA's numbers, best first
//!   --cookie                        a listener keeps nothing of a peer before it has sent a cookie back
//! ```
//!
//! When a handshake is done one JSON object says, on a line of standard output, what was agreed on, with the keys: this is
//! a tool for tests. A client sends the line until it comes back, prints it and ends. A listener serves many peers at once, 1024 at
//! most, each until it says goodbye or was silent for a minute; "listening on ADDR" goes to standard error.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::cookie::{CookieExchange, Verdict};
use headwater_dtls::extension::supported_groups::NamedGroup;
use headwater_dtls::{Certificate, Config, Connected, Connection, Event, Fingerprint, Role, Version};
use serde_json::{Value, json};

/// Peers of a listener at once; a further one is not answered before one of them has gone.
const MAX_PEERS: usize = 1024;
/// A listener forgets a peer after this silence.
const MAX_SILENCE: Duration = Duration::from_secs(60);
/// Datagrams get lost: a client sends its line again after this.
const SEND_AGAIN: Duration = Duration::from_millis(500);
/// How long a client waits for its line.
const ECHO_WITHIN: Duration = Duration::from_secs(10);
/// The record type that every handshake begins with.
const HANDSHAKE: u8 = 22;
/// RFC 5764 §4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";

const GROUPS: [(&str, NamedGroup); 4] = [
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
    ("X25519", NamedGroup::X25519),
    ("secp256r1", NamedGroup::SECP256R1),
    ("secp384r1", NamedGroup::SECP384R1),
];

/// Number, name, and how many bytes of key material both directions need.
const PROFILES: [(u16, &str, usize); 4] = [
    (1, "SRTP_AES128_CM_SHA1_80", 60),
    (2, "SRTP_AES128_CM_SHA1_32", 60),
    (7, "SRTP_AEAD_AES_128_GCM", 56),
    (8, "SRTP_AEAD_AES_256_GCM", 88),
];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let Arguments { listen, connect, send, fingerprint, cookie, config } = parse_arguments()?;
    let (config, remote) = (Arc::new(config), fingerprint.into_iter().collect());
    match (listen, connect) {
        (Some(address), None) => {
            let socket = UdpSocket::bind(address)?;
            eprintln!("listening on {}", socket.local_addr()?);
            let cookies =
                if cookie { Some(CookieExchange::new(fresh_seed()?, Instant::now())) } else { None };
            Listener { socket, config, remote, cookies, peers: HashMap::new() }.run()
        }
        (None, Some(peer)) => {
            let any: SocketAddr = if peer.is_ipv4() { "0.0.0.0:0".parse()? } else { "[::]:0".parse()? };
            let socket = UdpSocket::bind(any)?;
            let connection = Connection::new(config, Role::Client, remote, fresh_seed()?, Instant::now())?;
            speak(&socket, peer, connection, &send.ok_or("--connect needs --send LINE")?)
        }
        _ => Err("give either --listen ADDR or --connect ADDR".into()),
    }
}

/// Connects, sends the line, and prints what comes back.
fn speak(socket: &UdpSocket, peer: SocketAddr, mut connection: Connection, line: &str) -> Outcome<()> {
    let mut received = [0; 65_536];
    let mut waits: Option<Waits> = None;
    loop {
        let mut is_over = false;
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Connected(connected) => {
                    print_line(&describe(&connection, &connected, peer)?)?;
                    let now = Instant::now();
                    waits = Some(Waits { next: now, give_up: now + ECHO_WITHIN });
                }
                Event::Data(data) => {
                    let mut out = std::io::stdout();
                    out.write_all(&data).and_then(|()| out.flush())?;
                    connection.close(Instant::now());
                }
                Event::Closed { reason } => {
                    eprintln!("closed: {reason:?}");
                    if !matches!(reason, headwater_dtls::CloseReason::Local) {
                        return Err("the peer ended it before the line came back".into());
                    }
                    is_over = true;
                }
                other => eprintln!("{other:?}"),
            }
        }
        if let Some(waits) = waits.as_mut().filter(|_| connection.is_connected()) {
            let now = Instant::now();
            if waits.give_up <= now {
                return Err("the line did not come back".into());
            }
            if waits.next <= now {
                waits.next = now + SEND_AGAIN;
                connection.send(format!("{line}\n").as_bytes())?;
            }
        }
        transmit(socket, peer, &mut connection);
        if is_over {
            return Ok(());
        }
        let next = [connection.poll_timeout(), waits.as_ref().map(|waits| waits.next)];
        let next = next.into_iter().flatten().min();
        socket.set_read_timeout(Some(wait_until(next)))?;
        match socket.recv_from(&mut received) {
            Ok((len, from)) if from == peer => {
                if let Err(error) = connection.handle_datagram(Instant::now(), &received[..len]) {
                    eprintln!("refused a datagram: {error}");
                }
            }
            Ok(_) => {} // somebody else
            Err(_) => {}
        }
        connection.handle_timeout(Instant::now());
    }
}

/// When a client that is connected sends its line the next time, and for the last.
struct Waits {
    next: Instant,
    give_up: Instant,
}

/// The other side: everybody's data goes back to where it came from.
struct Listener {
    socket: UdpSocket,
    config: Arc<Config>,
    remote: Vec<Fingerprint>,
    /// Who has no connection yet is asked for a cookie.
    cookies: Option<CookieExchange>,
    peers: HashMap<SocketAddr, Peer>,
}

struct Peer {
    connection: Connection,
    heard: Instant,
}

impl Listener {
    fn run(mut self) -> Outcome<()> {
        let mut received = [0; 65_536];
        loop {
            let timeouts = self.peers.values().map(|peer| {
                let silent = peer.heard + MAX_SILENCE;
                peer.connection.poll_timeout().map_or(silent, |at| at.min(silent))
            });
            let wait = wait_until(timeouts.min());
            self.socket.set_read_timeout(Some(wait))?;
            // An error is a time-out, or news that a former peer's port is closed.
            if let Ok((len, from)) = self.socket.recv_from(&mut received) {
                self.take(from, &received[..len])?;
            }
            let now = Instant::now();
            self.peers.retain(|_, peer| now < peer.heard + MAX_SILENCE);
            let due = |peer: &Peer| peer.connection.poll_timeout().is_some_and(|at| at <= now);
            let due: Vec<SocketAddr> =
                self.peers.iter().filter(|(_, peer)| due(peer)).map(|(address, _)| *address).collect();
            for address in due {
                if let Some(peer) = self.peers.get_mut(&address) {
                    peer.connection.handle_timeout(now);
                }
                self.drain(address)?;
            }
        }
    }

    fn take(&mut self, from: SocketAddr, datagram: &[u8]) -> Outcome<()> {
        let now = Instant::now();
        if !self.peers.contains_key(&from) {
            if datagram.first() != Some(&HANDSHAKE) || self.peers.len() >= MAX_PEERS {
                return Ok(());
            }
            if self.cookies.is_some() {
                return self.greet(from, datagram, now);
            }
            let (config, remote) = (Arc::clone(&self.config), self.remote.clone());
            let connection = Connection::new(config, Role::Server, remote, fresh_seed()?, now)?;
            self.peers.insert(from, Peer { connection, heard: now });
        }
        let Some(peer) = self.peers.get_mut(&from) else { return Ok(()) };
        match peer.connection.handle_datagram(now, datagram) {
            Ok(()) => peer.heard = now,
            Err(error) => eprintln!("{from}: refused a datagram: {error}"),
        }
        self.drain(from)
    }

    /// Asks for a cookie, or begins a connection with who has one.
    fn greet(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Outcome<()> {
        let Some(cookies) = &mut self.cookies else { return Ok(()) };
        let mut answer = Vec::new();
        match cookies.handle_datagram(now, &self.config, from.to_string().as_bytes(), datagram, &mut answer) {
            Ok(Verdict::Admit(hello)) => {
                let (config, remote) = (Arc::clone(&self.config), self.remote.clone());
                let connection = Connection::accept(config, remote, fresh_seed()?, now, *hello)?;
                self.peers.insert(from, Peer { connection, heard: now });
                return self.drain(from);
            }
            Ok(Verdict::Refuse(refusal, _)) => eprintln!("{from}: refused: {refusal}"),
            Ok(_) => {}
            Err(error) => eprintln!("{from}: refused a datagram: {error}"),
        }
        if !answer.is_empty() {
            let _ = self.socket.send_to(&answer, from);
        }
        Ok(())
    }

    /// What a peer has for us and for the wire. What goes wrong with one peer is no matter of the others.
    fn drain(&mut self, from: SocketAddr) -> Outcome<()> {
        let Some(Peer { connection, .. }) = self.peers.get_mut(&from) else { return Ok(()) };
        let mut is_over = false;
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Connected(connected) => print_line(&describe(connection, &connected, from)?)?,
                Event::Data(data) => {
                    if let Err(error) = connection.send(&data) {
                        eprintln!("{from}: cannot send: {error}");
                    }
                }
                Event::Closed { reason } => {
                    eprintln!("{from}: closed: {reason:?}");
                    is_over = true;
                }
                other => eprintln!("{from}: {other:?}"),
            }
        }
        transmit(&self.socket, from, connection);
        if is_over {
            self.peers.remove(&from);
        }
        Ok(())
    }
}

fn transmit(socket: &UdpSocket, peer: SocketAddr, connection: &mut Connection) {
    let mut buf = Vec::new();
    while connection.poll_transmit(Instant::now(), &mut buf).is_some() {
        // What the system does not take is lost, as on any network.
        let _ = socket.send_to(&buf, peer);
        buf.clear();
    }
}

/// A socket waits for at least a moment: zero would mean for ever.
fn wait_until(next: Option<Instant>) -> Duration {
    let wait = next.map_or(MAX_SILENCE, |at| at.saturating_duration_since(Instant::now()));
    wait.max(Duration::from_millis(1))
}

fn describe(connection: &Connection, connected: &Connected, peer: SocketAddr) -> Outcome<Value> {
    let version = match connected.version {
        Version::Dtls12 => "1.2",
        Version::Dtls13 => "1.3",
        _ => "unknown",
    };
    let group = GROUPS.iter().find(|(_, group)| group.0 == connected.group);
    let number = connected.srtp.as_ref().map(|keys| keys.profile);
    let profile = PROFILES.iter().find(|(known, ..)| Some(*known) == number);
    // In DTLS 1.3 the length goes into the keys: what SRTP would export, or 60 bytes without it.
    let mut exported = vec![0; profile.map_or(60, |(.., len)| *len)];
    connection.export_keying_material(LABEL, None, &mut exported)?;
    Ok(json!({
        "version": version,
        "cipher_suite": connected.cipher_suite,
        "group": group.map_or_else(|| connected.group.to_string(), |(name, _)| (*name).to_owned()),
        "group_number": connected.group,
        "profile": profile.map(|(_, name, _)| *name),
        "profile_number": number,
        "exported": hex::encode(exported),
        "client_key": connected.srtp.as_ref().map(|keys| hex::encode(&keys.client_key)),
        "client_salt": connected.srtp.as_ref().map(|keys| hex::encode(&keys.client_salt)),
        "server_key": connected.srtp.as_ref().map(|keys| hex::encode(&keys.server_key)),
        "server_salt": connected.srtp.as_ref().map(|keys| hex::encode(&keys.server_salt)),
        "peer_fingerprint": connected.peer_fingerprint.as_ref().map(ToString::to_string),
        "peer": peer.to_string(),
    }))
}

fn print_line(value: &Value) -> Outcome<()> {
    let mut out = std::io::stdout();
    Ok(writeln!(out, "{value}").and_then(|()| out.flush())?)
}

fn fresh_seed() -> Outcome<[u8; 32]> {
    let mut seed = [0; 32];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
    Ok(seed)
}

struct Arguments {
    listen: Option<SocketAddr>,
    connect: Option<SocketAddr>,
    send: Option<String>,
    fingerprint: Option<Fingerprint>,
    cookie: bool,
    config: Config,
}

fn parse_arguments() -> Outcome<Arguments> {
    let mut config = Config::new(Certificate::generate()?);
    let (mut listen, mut connect, mut send, mut fingerprint) = (None, None, None, None);
    let mut cookie = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--listen" => listen = Some(value()?.parse()?),
            "--connect" => connect = Some(value()?.parse()?),
            "--send" => send = Some(value()?),
            "--fingerprint" => fingerprint = Some(value()?.parse()?),
            "--cookie" => cookie = true,
            "--dtls" => {
                let version = match value()?.as_str() {
                    "1.2" => Version::Dtls12,
                    "1.3" => Version::Dtls13,
                    other => return Err(format!("{other} is neither 1.2 nor 1.3").into()),
                };
                (config.min_version, config.max_version) = (version, version);
            }
            "--groups" => {
                let find = |name: &str| {
                    let group = GROUPS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                    group.map(|(_, group)| *group).ok_or_else(|| format!("no group {name}"))
                };
                config.groups = value()?.split(',').map(find).collect::<Result<_, _>>()?;
            }
            "--profiles" => {
                config.srtp_profiles = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            _ => return Err(format!("what is {word}?").into()),
        }
    }
    config.danger_accept_any_certificate = fingerprint.is_none();
    Ok(Arguments { listen, connect, send, fingerprint, cookie, config })
}
