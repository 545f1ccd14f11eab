//! Echoes application data over DTLS, or sends a line to somebody who does.
//!
//! ```text
//! dtls_echo --listen ADDR [--fingerprint "sha-256 AB:.."] [--cookie]
//! dtls_echo --connect ADDR --send LINE [--fingerprint "sha-256 AB:.."]
//! ```
//!
//! Any certificate of the peer is accepted unless a fingerprint is given. When the handshake is done one line of JSON says
//! what was agreed on, with the keys: this is a tool for tests.

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::{Certificate, Config, Connected, Connection, Event, Fingerprint, Role, Version};

struct Arguments {
    listen: Option<SocketAddr>,
    connect: Option<SocketAddr>,
    send: Option<String>,
    fingerprint: Option<Fingerprint>,
    cookie: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse_arguments()?;
    let mut config = Config::new(Certificate::generate()?);
    config.danger_accept_any_certificate = arguments.fingerprint.is_none();
    config.require_cookie = arguments.cookie;
    let config = Arc::new(config);
    match (arguments.listen, arguments.connect) {
        (Some(address), None) => {
            let socket = UdpSocket::bind(address)?;
            eprintln!("listening on {}", socket.local_addr()?);
            loop {
                // One peer at a time: whoever speaks first, until it says goodbye.
                socket.set_read_timeout(None)?;
                let (_, peer) = socket.peek_from(&mut [0; 1])?;
                run(&socket, peer, &config, Role::Server, &arguments)?;
            }
        }
        (None, Some(peer)) => {
            let any: SocketAddr = if peer.is_ipv4() { "0.0.0.0:0".parse()? } else { "[::]:0".parse()? };
            run(&UdpSocket::bind(any)?, peer, &config, Role::Client, &arguments)
        }
        _ => Err("give either --listen ADDR or --connect ADDR".into()),
    }
}

fn run(
    socket: &UdpSocket,
    peer: SocketAddr,
    config: &Arc<Config>,
    role: Role,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let remote = arguments.fingerprint.iter().cloned().collect();
    let mut connection = Connection::new(config.clone(), role, remote, fresh_seed()?, Instant::now())?;
    let mut received = [0; 65_536];
    let mut buf = Vec::new();
    loop {
        let mut is_over = false;
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Connected(connected) => {
                    println!("{}", describe(&connection, &connected)?);
                    if let Some(line) = &arguments.send {
                        connection.send(format!("{line}\n").as_bytes())?;
                    }
                }
                Event::Data(data) if role == Role::Server => connection.send(&data)?,
                Event::Data(data) => {
                    print!("{}", String::from_utf8_lossy(&data));
                    connection.close(Instant::now());
                }
                Event::Closed { reason } => {
                    eprintln!("closed: {reason:?}");
                    is_over = true;
                }
                other => eprintln!("{other:?}"),
            }
        }
        while connection.poll_transmit(Instant::now(), &mut buf).is_some() {
            socket.send_to(&buf, peer)?;
            buf.clear();
        }
        if is_over {
            return Ok(());
        }
        let wait = connection
            .poll_timeout()
            .map_or(Duration::from_secs(60), |at| at.saturating_duration_since(Instant::now()));
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut received) {
            Ok((len, from)) if from == peer => {
                if let Err(error) = connection.handle_datagram(Instant::now(), &received[..len]) {
                    eprintln!("refused a datagram: {error}");
                }
            }
            Ok(_) => {} // somebody else
            Err(_) => connection.handle_timeout(Instant::now()),
        }
    }
}

fn describe(connection: &Connection, connected: &Connected) -> Result<String, Box<dyn Error>> {
    let version = match connected.version {
        Version::Dtls12 => "DTLS1.2",
        _ => "unknown",
    };
    let mut exported = [0; 60];
    connection.export_keying_material("EXTRACTOR-dtls_srtp", None, &mut exported)?;
    let quoted = |text: Option<String>| text.map_or_else(|| "null".to_owned(), |text| format!("\"{text}\""));
    Ok(format!(
        "{{\"version\":\"{version}\",\"cipher_suite\":{},\"group\":{},\"profile\":{},\"exported\":\"{}\",\
         \"peer_fingerprint\":{}}}",
        connected.cipher_suite,
        connected.group,
        connected.srtp.as_ref().map_or_else(|| "null".to_owned(), |srtp| srtp.profile.to_string()),
        hex(&exported),
        quoted(connected.peer_fingerprint.as_ref().map(ToString::to_string)),
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fresh_seed() -> Result<[u8; 32], Box<dyn Error>> {
    let mut seed = [0; 32];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
    Ok(seed)
}

fn parse_arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut parsed = Arguments { listen: None, connect: None, send: None, fingerprint: None, cookie: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--listen" => parsed.listen = Some(value()?.parse()?),
            "--connect" => parsed.connect = Some(value()?.parse()?),
            "--send" => parsed.send = Some(value()?),
            "--fingerprint" => parsed.fingerprint = Some(value()?.parse()?),
            "--cookie" => parsed.cookie = true,
            _ => return Err(format!("what is {word}?").into()),
        }
    }
    Ok(parsed)
}
