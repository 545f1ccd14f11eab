//! A thread of viewers. A few share a socket, each with an address of its own: enough buffer for some frames each,
//! whatever the kernel's limit, and thousands of viewers within the usual limit of open files.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headwater_sfu::Certificate;
use headwater_udp::{Batch, Options, Socket};

use super::meter::Meter;
use super::run::Shared;
use super::signal::Signaller;
use super::viewer::Viewer;

/// Viewers on one socket, unless there would be too many sockets.
const PER_SOCKET: usize = 4;
/// The usual limit of open files is 1,024.
const MAX_SOCKETS: usize = 800;
/// Viewers of a thread that may be joining at once.
const JOINING: usize = 1024;
/// Offers made in one turn, so that those who watch are served meanwhile.
const OFFERS_PER_TURN: usize = 8;
/// How often sockets are read whose viewers only count. The kernel's stamp says when a datagram came.
const VISITS_EVERY: Duration = Duration::from_millis(8);
const NAP: Duration = Duration::from_micros(500);
/// Receive calls of one visit.
const CALLS_PER_VISIT: usize = 64;

/// Who joins.
pub(super) struct Plan {
    /// Where the server speaks HTTP.
    pub(super) http: SocketAddr,
    /// Everybody's certificate.
    pub(super) certificate: Certificate,
    /// SRTP profile offered.
    pub(super) profile: u16,
    /// Viewers on one socket.
    pub(super) per_socket: usize,
    /// Numbers of the viewers of this thread.
    pub(super) viewers: std::ops::Range<usize>,
    /// The first so many of the thread open every packet.
    pub(super) full: usize,
}

/// Viewers on one thread.
pub(super) struct Audience {
    plan: Plan,
    shared: Arc<Shared>,
    signaller: Signaller,
    seats: Vec<Seats>,
    next: usize,
    joining: usize,
    meter: Meter,
    batch: Batch,
    buf: Vec<u8>,
}

/// A socket and its viewers.
struct Seats {
    socket: Socket,
    viewers: Vec<Viewer>,
    visit: Instant,
}

impl Audience {
    /// Opens the sockets and connects the signalling; returns the ports as well.
    pub(super) fn new(plan: Plan, shared: Arc<Shared>) -> io::Result<(Self, Vec<u16>)> {
        let signaller = Signaller::start(plan.http)?;
        let mut seats = Vec::new();
        let visit = Instant::now();
        for _ in 0..plan.viewers.len().div_ceil(plan.per_socket) {
            seats.push(Seats { socket: open_socket()?, viewers: Vec::new(), visit });
        }
        let ports = seats.iter().map(|seats| seats.socket.local_addr().port()).collect();
        let first = seats.first().ok_or(io::ErrorKind::InvalidInput)?;
        let (batch, meter) = (Batch::new(&first.socket), Meter::new(Arc::clone(&shared)));
        let buf = Vec::with_capacity(64 << 10);
        Ok((Self { plan, shared, signaller, seats, next: 0, joining: 0, meter, batch, buf }, ports))
    }

    /// Joins, and watches until the run is over.
    pub(super) fn start(mut self) -> io::Result<JoinHandle<io::Result<Meter>>> {
        thread::Builder::new().name("viewers".to_owned()).spawn(move || {
            while !self.shared.is_over.load(Ordering::Relaxed) {
                self.join()?;
                self.visit();
                thread::sleep(NAP);
            }
            Ok(self.meter)
        })
    }

    /// Makes offers and takes answers.
    fn join(&mut self) -> io::Result<()> {
        for _ in 0..OFFERS_PER_TURN {
            if self.next == self.plan.viewers.len() || self.joining == JOINING {
                break;
            }
            let (nth, number) = (self.next, self.plan.viewers.start + self.next);
            let Plan { certificate, profile, per_socket, .. } = &self.plan;
            let seats = &mut self.seats[nth / per_socket];
            let address = SocketAddr::new(address_of(nth % per_socket), seats.socket.local_addr().port());
            let is_full = nth < self.plan.full;
            let (viewer, offer) = Viewer::offer(address, certificate, *profile, number, is_full)?;
            seats.viewers.push(viewer);
            self.signaller.request(nth, offer);
            self.next += 1;
            self.joining += 1;
        }
        while let Some((nth, answer)) = self.signaller.poll() {
            let per_socket = self.plan.per_socket;
            self.seats[nth / per_socket].viewers[nth % per_socket].accept(&answer?)?;
        }
        Ok(())
    }

    fn visit(&mut self) {
        let now = Instant::now();
        let Self { seats, batch, buf, meter, .. } = self;
        let mut joined = 0;
        for Seats { socket, viewers, visit } in seats {
            let is_attentive = viewers.iter().any(Viewer::is_attentive);
            if viewers.is_empty() || (!is_attentive && *visit > now) {
                continue;
            }
            *visit = now + VISITS_EVERY;
            let waiting = || viewers.iter().filter(|viewer| !viewer.is_watching()).count();
            let before = waiting();
            for _ in 0..CALLS_PER_VISIT {
                if socket.receive(batch).is_err() {
                    break;
                }
                batch.for_each(|received, datagram| {
                    let viewer = received.local.and_then(seat_of).and_then(|seat| viewers.get_mut(seat));
                    if let Some(viewer) = viewer {
                        viewer.handle(now, received, datagram, meter);
                    }
                });
            }
            joined += before - viewers.iter().filter(|viewer| !viewer.is_watching()).count();
            for viewer in viewers {
                viewer.turn(now, socket, buf);
            }
        }
        if joined > 0 {
            self.joining -= joined;
            self.shared.joined(joined);
        }
    }
}

/// A socket for viewers, on all of their addresses.
pub(super) fn open_socket() -> io::Result<Socket> {
    Socket::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), &Options::default())
}

/// How many of so many viewers share a socket.
pub(super) fn per_socket(viewers: usize) -> usize {
    viewers.div_ceil(MAX_SOCKETS).max(PER_SOCKET)
}

/// The address of the n-th viewer of a socket: viewers differ in address within a socket, and in port between sockets.
pub(super) fn address_of(seat: usize) -> IpAddr {
    IpAddr::from([127, 64, 0, seat as u8 + 1])
}

/// Which viewer of its socket an address is.
fn seat_of(address: IpAddr) -> Option<usize> {
    let IpAddr::V4(address) = address else { return None };
    usize::from(address.octets()[3]).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options::MAX_VIEWERS;

    #[test]
    fn the_most_viewers_have_an_address_each_and_few_sockets() {
        for viewers in [1, 10, 3200, 3201, MAX_VIEWERS] {
            let per_socket = per_socket(viewers);
            assert!(viewers.div_ceil(per_socket) <= MAX_SOCKETS && per_socket < 255, "{viewers}");
            assert_eq!(seat_of(address_of(per_socket - 1)), Some(per_socket - 1));
        }
    }
}
