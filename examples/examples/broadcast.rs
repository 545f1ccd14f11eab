//! A whole broadcast server in one file: `headwater-sfu` on one UDP socket, and 60 lines of HTTP.
//!
//! ```text
//! broadcast [HTTP [MEDIA]]          default 127.0.0.1:8080 and port 8189 of the same address
//! ```
//!
//! Open `http://127.0.0.1:8080/` in a browser, press "Go live", and open it again somewhere else to watch. A browser posts
//! its offer to `/publish` or `/watch`, and the answer comes back in the same request: ICE candidates are in the SDP. That
//! makes it WHIP and WHEP without tokens, trickle and DELETE, and `whip_publish` and `whep_watch` work with it.
//!
//! To embed the forwarding unit in a program of yours, this is what it takes: hand in what arrives
//! (`handle_datagram`), send what it gives (`poll_transmit`), wake it when it asks (`poll_timeout`), and give it offers
//! (`publish`, `watch`). It has no threads, no sockets and no clock. A server for many should take `headwater-node`
//! instead, which has batched system calls and a thread for each core.

use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use headwater_sfu::{Certificate, Config, Datagram, Event, Sfu, SignalError, Takeover};

/// There is one stream.
const STREAM: &str = "broadcast";
const PAGE: &str = include_str!("broadcast.html");
/// The longest offer, and the longest line of a request's head.
const MAX_BODY: usize = 64 << 10;
const MAX_LINE: u64 = 8 << 10;
const MAX_HEADERS: usize = 64;
/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an offer waits for the media loop at most.
const LONGEST_WAIT: Duration = Duration::from_millis(10);
/// Datagrams sent before the socket is read again.
const SENDS_PER_TURN: usize = 64;

/// An offer on its way from the HTTP thread to the media loop.
struct Request {
    is_publisher: bool,
    offer: String,
    from: IpAddr,
    reply: Sender<Result<String, SignalError>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut addresses = std::env::args().skip(1);
    let http: SocketAddr = addresses.next().as_deref().unwrap_or("127.0.0.1:8080").parse()?;
    let media = match addresses.next() {
        Some(address) => address.parse()?,
        None => SocketAddr::new(http.ip(), 8189),
    };
    let socket = UdpSocket::bind(media)?;
    let local = socket.local_addr()?;

    // Browsers send to the addresses that the answer names; 0.0.0.0 would be none.
    let mut config = Config::new(Certificate::generate()?, vec![local]);
    // Who goes live last is on air: a page that is loaded again need not wait.
    config.takeover = Takeover::Always;
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let sfu = Sfu::new(config, headwater_examples::fresh_seed()?, Instant::now(), unix)?;

    let listener = TcpListener::bind(http)?;
    println!("open http://{}/ (media on {local})", listener.local_addr()?);
    let (requests, inbox) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // One after the other: nobody can hold the thread for longer than the timeout.
            let _ = serve(stream, &requests);
        }
    });
    run(sfu, &socket, local, &inbox)
}

/// The media loop: offers, time, sending, receiving.
fn run(
    mut sfu: Sfu,
    socket: &UdpSocket,
    local: SocketAddr,
    inbox: &Receiver<Request>,
) -> Result<(), Box<dyn Error>> {
    let (mut received, mut out) = (vec![0; 65_536], Vec::new());
    loop {
        let now = Instant::now();
        while let Ok(request) = inbox.try_recv() {
            let answer = match request.is_publisher {
                true => sfu.publish(now, STREAM, &request.offer, request.from),
                false => sfu.watch(now, STREAM, &request.offer, request.from),
            };
            // Whoever asked may be gone.
            let _ = request.reply.send(answer.map(|accepted| accepted.answer));
        }
        if sfu.poll_timeout().is_some_and(|due| due <= now) {
            sfu.handle_timeout(now);
        }
        let mut may_wait = false;
        for _ in 0..SENDS_PER_TURN {
            out.clear();
            let Some(transmit) = sfu.poll_transmit(now, &mut out) else {
                may_wait = true;
                break;
            };
            // A burst for one viewer is several datagrams of one size: what GSO would take as it is.
            let size = transmit.segment_size.map_or(transmit.len, usize::from).max(1);
            for datagram in out[..transmit.len].chunks(size) {
                let _ = socket.send_to(datagram, transmit.remote);
            }
        }
        while let Some(event) = sfu.poll_event() {
            match event {
                Event::Live { .. } => println!("on air"),
                Event::Offline { .. } => println!("off air"),
                Event::Connected(peer) => println!("{peer:?} connected"),
                Event::Closed { peer, reason } => println!("{peer:?} is gone: {}", reason.as_str()),
                _ => {}
            }
        }
        let due = sfu.poll_timeout().map_or(LONGEST_WAIT, |due| due.saturating_duration_since(now));
        let wait = if may_wait { due.min(LONGEST_WAIT) } else { Duration::ZERO };
        // 0 would mean "for ever".
        socket.set_read_timeout(Some(wait.max(Duration::from_micros(1))))?;
        match socket.recv_from(&mut received) {
            Ok((len, remote)) => {
                let now = Instant::now();
                // What is refused has changed nothing.
                let _ = sfu.handle_datagram(now, Datagram::new(local, remote, now, &mut received[..len]));
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // An old ICMP answer, or a signal.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Answers one HTTP request.
fn serve(stream: TcpStream, requests: &Sender<Request>) -> Result<(), Box<dyn Error>> {
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    stream.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    let from = stream.peer_addr()?.ip();
    let mut reader = BufReader::new(&stream);
    let mut line = || {
        let mut line = String::new();
        reader.by_ref().take(MAX_LINE).read_line(&mut line).map(|_| line)
    };
    let first = line()?;
    let mut length = 0;
    for _ in 0..MAX_HEADERS {
        let header = line()?;
        match header.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    if length > MAX_BODY {
        return respond(&stream, "413 Content Too Large", "text/plain", "the offer is too long");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;

    let mut words = first.split_whitespace();
    let is_publisher = match (words.next(), words.next()) {
        (Some("GET"), Some("/")) => return respond(&stream, "200 OK", "text/html; charset=utf-8", PAGE),
        (Some("POST"), Some("/publish")) => true,
        (Some("POST"), Some("/watch")) => false,
        (Some("DELETE"), Some(_)) => return respond(&stream, "200 OK", "text/plain", ""),
        _ => return respond(&stream, "404 Not Found", "text/plain", "there is nothing here"),
    };
    let (reply, answer) = channel();
    requests.send(Request { is_publisher, offer: String::from_utf8(body)?, from, reply })?;
    match answer.recv_timeout(REQUEST_TIMEOUT)? {
        Ok(answer) => respond(&stream, "201 Created", "application/sdp", &answer),
        Err(error @ (SignalError::NotLive | SignalError::AlreadyPublished)) => {
            respond(&stream, "409 Conflict", "text/plain", &error.to_string())
        }
        Err(error) => respond(&stream, "400 Bad Request", "text/plain", &error.to_string()),
    }
}

fn respond(mut stream: &TcpStream, status: &str, kind: &str, body: &str) -> Result<(), Box<dyn Error>> {
    let length = body.len();
    // What is in the way of a viewer or publisher now may be gone in a second.
    let more = if status.starts_with("409") { "Retry-After: 1\r\n" } else { "Location: /session\r\n" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream.write_all(body.as_bytes())?)
}
