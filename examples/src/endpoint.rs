//! One `Sfu` on one UDP socket with a plain loop: no tokio, no threads.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use headwater_sfu::{Certificate, Config, Datagram, Sfu, Transmit};

use crate::{Outcome, fresh_seed};

/// Datagrams sent, and received, before the other direction gets its turn.
const DATAGRAMS_PER_TURN: usize = 64;
/// The longest that a turn waits for a datagram.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Bytes of the kernel's receive buffer.
const RECEIVE_BUFFER: usize = 4 << 20;
/// A socket option of 0 would mean "for ever".
const SHORTEST_WAIT: Duration = Duration::from_micros(1);

/// One `Sfu` on one UDP socket.
#[derive(Debug)]
pub struct Endpoint {
    /// The machine.
    pub sfu: Sfu,
    socket: UdpSocket,
    local: SocketAddr,
    received: Vec<u8>,
    out: Vec<u8>,
}

impl Endpoint {
    /// Binds a port of the system's choice. Peers are told `ip`, an address of this machine.
    ///
    /// # Errors
    /// There is no socket, randomness or certificate to be had.
    pub fn new(ip: IpAddr) -> Outcome<Self> {
        // Bound to all addresses: a server on this machine may be reached by another address than its HTTP is.
        let any =
            if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
        let socket = UdpSocket::bind((any, 0))?;
        // A key frame and what follows it may come at once; the usual 208 KiB hold about 90 packets. The system may
        // give less than asked for.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
        let local = SocketAddr::new(ip, socket.local_addr()?.port());
        let config = Config::new(Certificate::generate()?, vec![local]);
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let sfu = Sfu::new(config, fresh_seed()?, Instant::now(), unix)?;
        Ok(Self { sfu, socket, local, received: vec![0; 65_536], out: Vec::new() })
    }

    /// One turn: sends what is due, waits for datagrams until `due` at the latest, takes those that are there.
    ///
    /// Waiting has the grain of the kernel's timer, a few milliseconds.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn turn(&mut self, due: Instant) -> io::Result<()> {
        let now = Instant::now();
        if self.sfu.poll_timeout().is_some_and(|due| due <= now) {
            self.sfu.handle_timeout(now);
        }
        let mut wait = due.saturating_duration_since(now).min(LONGEST_WAIT);
        if !self.send(now) {
            wait = Duration::ZERO;
        }
        if let Some(due) = self.sfu.poll_timeout() {
            wait = wait.min(due.saturating_duration_since(now));
        }
        self.receive(wait)
    }

    /// Returns `false` if there is more to send.
    fn send(&mut self, now: Instant) -> bool {
        for _ in 0..DATAGRAMS_PER_TURN {
            self.out.clear();
            let Some(transmit) = self.sfu.poll_transmit(now, &mut self.out) else { return true };
            let Transmit { remote, len, segment_size, .. } = transmit;
            // A message may be several datagrams of one size.
            for datagram in self.out[..len].chunks(segment_size.map_or(len, usize::from).max(1)) {
                // A destination that the network refuses is the same as a lost datagram.
                let _ = self.socket.send_to(datagram, remote);
            }
        }
        false
    }

    fn receive(&mut self, wait: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(wait.max(SHORTEST_WAIT)))?;
        for count in 0..DATAGRAMS_PER_TURN {
            if count == 1 {
                self.socket.set_nonblocking(true)?;
            }
            match self.socket.recv_from(&mut self.received) {
                Ok((len, remote)) => {
                    let now = Instant::now();
                    let datagram = Datagram::new(self.local, remote, now, &mut self.received[..len]);
                    // Refused datagrams have changed nothing; the machine counts them.
                    let _ = self.sfu.handle_datagram(now, datagram);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                // An old ICMP answer, or a signal.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        self.socket.set_nonblocking(false)
    }
}
