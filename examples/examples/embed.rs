//! A media server inside a program of yours: `headwater-node`, and the offers however you like.
//!
//! ```text
//! embed [HTTP [MEDIA]]          default 127.0.0.1:8080 and port 8189 of the same address
//! ```
//!
//! The node has its own threads, sockets and clock. You give it offers (`publish`, `watch`), it calls back with answers, and
//! tells what happens (`events`); media never passes through your code. Here the offers come by 60 lines of HTTP on the
//! standard library: `POST /publish/NAME` and `/watch/NAME`, `DELETE` of the session, and a page for browsers at `/`.
//! `whip_publish` and `whep_watch` work with it.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use headwater_node::{Config, Event, Node, SignalError};

const PAGE: &str = include_str!("broadcast.html");
/// The stream of a path that names none.
const STREAM: &str = "stage";
/// The longest offer, and the longest line of a request's head.
const MAX_BODY: usize = 64 << 10;
const MAX_LINE: u64 = 8 << 10;
const MAX_HEADERS: usize = 64;
/// How long a client may take to send its request, and the node to answer it.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let mut addresses = std::env::args().skip(1);
    let http: SocketAddr = addresses.next().as_deref().unwrap_or("127.0.0.1:8080").parse()?;
    let mut config = Config::new(headwater_examples::fresh_seed()?);
    config.media = match addresses.next() {
        Some(address) => vec![address.parse()?],
        None => vec![SocketAddr::new(http.ip(), 8189)],
    };
    let node = Node::start(config)?;
    let events = node.events();

    let listener = TcpListener::bind(http)?;
    println!("open http://{}/ (media on {:?})", listener.local_addr()?, node.media_addresses());
    let serving = node.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // One after the other: nobody can hold the thread for longer than the timeout.
            let _ = serve(&stream, &serving);
        }
    });

    let interrupted = headwater_examples::interrupted()?;
    while !interrupted.load(Ordering::Relaxed) {
        match events.recv_timeout(Duration::from_millis(100)) {
            Ok(Event::Live { stream }) => println!("{stream}: live"),
            Ok(Event::Offline { stream }) => println!("{stream}: offline"),
            Ok(Event::Connected { session, stream, is_publisher }) => {
                println!("{stream}: {session:?} {}", if is_publisher { "publishes" } else { "watches" });
            }
            Ok(Event::Closed { session, reason }) => println!("{session:?} is gone: {}", reason.as_str()),
            Ok(other) => println!("{other:?}"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // Everybody is told goodbye.
    node.shutdown(Duration::from_secs(1));
    Ok(())
}

/// Answers one HTTP request.
fn serve(stream: &TcpStream, node: &Node) -> Result<(), Box<dyn Error>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let from = stream.peer_addr()?.ip();
    let mut reader = BufReader::new(stream);
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
        return respond(stream, "413 Content Too Large", "the offer is too long");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let offer = String::from_utf8(body)?;

    // The node answers on a thread of its own, which must not wait: the answer is sent on to this one.
    let (sender, answer) = channel();
    let reply = move |made| {
        let _ = sender.send(made);
    };
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match (method, &path.split('/').skip(1).collect::<Vec<_>>()[..]) {
        ("GET", [""]) => return respond(stream, "200 OK\r\nContent-Type: text/html; charset=utf-8", PAGE),
        ("POST", ["publish", name @ ..]) => node.publish(name.first().unwrap_or(&STREAM), offer, from, reply),
        ("POST", ["watch", name @ ..]) => node.watch(name.first().unwrap_or(&STREAM), offer, from, reply),
        ("DELETE", ["session", id]) => {
            node.close(id.parse()?, |_| ());
            return respond(stream, "200 OK", "");
        }
        _ => return respond(stream, "404 Not Found", "there is nothing here"),
    }
    match answer.recv_timeout(PATIENCE)? {
        Ok(made) => {
            let location = format!("Location: /session/{}", made.id);
            respond(
                stream,
                &format!("201 Created\r\nContent-Type: application/sdp\r\n{location}"),
                &made.answer,
            )
        }
        // What is in the way of a viewer or publisher now may be gone in a second.
        Err(error @ (SignalError::NotLive | SignalError::AlreadyPublished)) => {
            respond(stream, "409 Conflict\r\nRetry-After: 1", &error.to_string())
        }
        Err(error) => respond(stream, "400 Bad Request", &error.to_string()),
    }
}

fn respond(mut stream: &TcpStream, head: &str, body: &str) -> Result<(), Box<dyn Error>> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    Ok(stream.write_all(body.as_bytes())?)
}
