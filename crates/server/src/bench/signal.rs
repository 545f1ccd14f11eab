//! WHIP and WHEP as a client: offers are posted over a few connections, answers come back by themselves.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The stream of all runs.
pub(super) const STREAM: &str = "bench";
/// How long the server may take with an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections, each with one request on its way.
const CONNECTIONS: usize = 4;
/// More than any answer has.
const MAX_ANSWER: u64 = 64 << 10;

/// A connection to the server.
pub(super) struct Http {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

impl Http {
    pub(super) fn connect(host: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), host })
    }

    /// Posts an offer to `/whip` or `/whep` and returns the answer.
    ///
    /// # Errors
    /// The connection failed, or the server refuses; its reason is in the error.
    pub(super) fn post(&mut self, way: &str, offer: &str) -> io::Result<String> {
        let Self { stream, host } = self;
        let request = format!(
            "POST /{way}/{STREAM} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        stream.get_mut().write_all(request.as_bytes())?;
        let mut head = stream.take(MAX_ANSWER);
        let (mut line, mut status, mut length) = (String::new(), String::new(), 0);
        loop {
            line.clear();
            head.read_line(&mut line)?;
            let text = line.trim_end();
            if status.is_empty() {
                status = text.split_once(' ').map_or("", |(_, status)| status).to_owned();
                if status.is_empty() {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection"));
                }
            } else if text.is_empty() {
                break;
            } else if let Some((name, value)) = text.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = String::new();
        stream.take(MAX_ANSWER.min(length)).read_to_string(&mut body)?;
        match status.starts_with("201") {
            true => Ok(body),
            false => Err(io::Error::other(format!("the server refuses with {status}: {body}"))),
        }
    }
}

/// Posts viewers' offers, several at once.
pub(super) struct Signaller {
    requests: Sender<(usize, String)>,
    replies: Receiver<(usize, io::Result<String>)>,
}

impl Signaller {
    /// Connects; the threads end with the value.
    pub(super) fn start(host: SocketAddr) -> io::Result<Self> {
        let (requests, waiting) = channel::<(usize, String)>();
        let (replier, replies) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..CONNECTIONS {
            let (waiting, replier) = (Arc::clone(&waiting), replier.clone());
            let mut http = Http::connect(host)?;
            thread::Builder::new().name("signal".to_owned()).spawn(move || {
                loop {
                    let request = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((viewer, offer)) = request else { return };
                    if replier.send((viewer, http.post("whep", &offer))).is_err() {
                        return;
                    }
                }
            })?;
        }
        Ok(Self { requests, replies })
    }

    pub(super) fn request(&self, viewer: usize, offer: String) {
        // A thread that ended has replied with its error.
        let _ = self.requests.send((viewer, offer));
    }

    pub(super) fn poll(&self) -> Option<(usize, io::Result<String>)> {
        self.replies.try_recv().ok()
    }
}
