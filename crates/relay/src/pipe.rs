//! One TCP connection, with TLS or without: bytes in, bytes out, and what waits to leave.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::Event;
use mio::net::TcpStream;
use rustls::ServerConnection;

/// Room kept while nothing waits.
const IDLE_CAPACITY: usize = 4096;

/// A connection and what waits to leave by it.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) io: TcpStream,
    tls: Option<Box<ServerConnection>>,
    out: Vec<u8>,
    /// Bytes of `out` that have left.
    sent: usize,
    /// There may be something to read.
    pub(crate) is_readable: bool,
    /// The system has told, once, that the other end will send no more or that the connection is broken. A read that gives
    /// the last bytes does not say so.
    is_closed: bool,
    /// The other end will send no more.
    pub(crate) has_ended: bool,
    /// We shall send no more, once all that waits has left.
    is_finishing: bool,
    is_shut: bool,
}

impl Pipe {
    pub(crate) fn new(io: TcpStream) -> Self {
        // Small messages must not wait for acknowledgements of earlier ones.
        let _ = io.set_nodelay(true);
        Self {
            io,
            tls: None,
            out: Vec::new(),
            sent: 0,
            is_readable: true,
            is_closed: false,
            has_ended: false,
            is_finishing: false,
            is_shut: false,
        }
    }

    /// Speaks TLS from here on.
    pub(crate) fn secure(&mut self, tls: ServerConnection) {
        self.tls = Some(Box::new(tls));
    }

    /// Notes what an event of the poll says. Returns whether there may be something to read.
    pub(crate) fn note(&mut self, event: &Event) -> bool {
        self.is_closed |= event.is_read_closed() || event.is_error();
        let is_readable = event.is_readable() || self.is_closed;
        self.is_readable |= is_readable;
        is_readable
    }

    /// Reads what the socket has, at most a `scratch` full, as it is on the wire. 0 bytes: nothing now.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn read_wire(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        if !self.is_readable || self.has_ended {
            return Ok(0);
        }
        loop {
            match self.io.read(scratch) {
                Ok(0) => {
                    self.is_readable = false;
                    self.has_ended = true;
                    return Ok(0);
                }
                Ok(read) => {
                    // What comes after a call that was not filled announces itself again; the end does not.
                    self.is_readable = read == scratch.len() || self.is_closed;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_readable = false;
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Appends to `plain` what the bytes of the wire say.
    ///
    /// # Errors
    /// TLS is broken; what it has to say of that waits to leave.
    pub(crate) fn open(&mut self, mut wire: &[u8], plain: &mut Vec<u8>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            plain.extend_from_slice(wire);
            return Ok(());
        };
        let mut broken = None;
        while !wire.is_empty() && broken.is_none() {
            tls.read_tls(&mut wire)?;
            match tls.process_new_packets() {
                Ok(state) => {
                    let start = plain.len();
                    plain.resize(start + state.plaintext_bytes_to_read(), 0);
                    tls.reader().read_exact(&mut plain[start..])?;
                    if state.peer_has_closed() {
                        self.has_ended = true;
                        break;
                    }
                }
                Err(error) => broken = Some(error),
            }
        }
        write_tls(tls, &mut self.out);
        broken.map_or(Ok(()), |error| Err(io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    /// Has it leave with the next [`flush`](Self::flush).
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if self.is_finishing {
            return;
        }
        match &mut self.tls {
            None => self.out.extend_from_slice(bytes),
            Some(tls) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    // TLS takes what its own buffer has room for.
                    let Ok(taken @ 1..) = tls.writer().write(rest) else { break };
                    rest = &rest[taken..];
                    write_tls(tls, &mut self.out);
                }
            }
        }
    }

    /// Bytes that wait to leave.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Says that nothing follows, once all that waits has left.
    pub(crate) fn finish(&mut self) {
        if self.is_finishing {
            return;
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            write_tls(tls, &mut self.out);
        }
        self.is_finishing = true;
    }

    /// All has left and both ends have said that nothing follows.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended && self.is_shut
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.io.write(&self.out[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.sent == self.out.len() {
            self.sent = 0;
            if self.out.capacity() > IDLE_CAPACITY {
                self.out = Vec::new();
            }
            self.out.clear();
            if self.is_finishing && !self.is_shut {
                self.is_shut = true;
                let _ = self.io.shutdown(Shutdown::Write);
            }
        } else if self.sent > self.out.len() / 2 {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }
}

fn write_tls(tls: &mut ServerConnection, out: &mut Vec<u8>) {
    while tls.wants_write() {
        // Writing to memory does not fail.
        if !matches!(tls.write_tls(out), Ok(1..)) {
            break;
        }
    }
}
