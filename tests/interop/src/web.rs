//! Serves the measuring page and its modules, from an origin of its own: clients of other origins must work.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::Result;

const LIMIT: Duration = Duration::from_secs(5);

const FILES: &[(&str, &str, &str)] = &[
    ("/", "text/html", include_str!("../js/rig.html")),
    ("/rig.js", "text/javascript", include_str!("../js/rig.js")),
    ("/stamp.js", "text/javascript", include_str!("../js/stamp.js")),
    ("/source.js", "text/javascript", include_str!("../js/source.js")),
    ("/viewer.js", "text/javascript", include_str!("../js/viewer.js")),
    ("/wire.js", "text/javascript", include_str!("../js/wire.js")),
    ("/onset.js", "text/javascript", include_str!("../js/onset.js")),
];

/// Starts the server on a free loopback port; it runs until the process ends.
///
/// # Errors
/// [`crate::Error::Io`] if no port can be bound.
pub fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(&stream));
        }
    });
    Ok(address)
}

fn answer(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let (status, kind, body) = FILES
        .iter()
        .find(|(name, ..)| *name == path)
        .map_or(("404 Not Found", "text/plain", ""), |(_, kind, body)| ("200 OK", *kind, *body));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}
