//! A media server with a public address: ICE-lite, over UDP and TCP at one port.

use headwater_ice::{Candidate, Credentials, Event, LiteAgent, LiteConfig, Path, TcpType};
use headwater_netsim::{Endpoint, Outgoing, StreamEvent, Transmit};
use headwater_stun::{Datagram, Transport};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// One viewer's side of the server.
#[derive(Debug)]
pub struct Server {
    agent: LiteAgent,
    address: SocketAddr,
    events: Vec<Event>,
    media: usize,
    outgoing: VecDeque<(Outgoing, Vec<u8>)>,
}

impl Server {
    /// Waits at `address` for the owner of `remote`.
    ///
    /// # Panics
    /// If the credentials are invalid.
    #[must_use]
    pub fn new(address: SocketAddr, local: Credentials, remote: Credentials, now: Instant) -> Self {
        let config = LiteConfig::new(local, Some(remote));
        let agent = LiteAgent::new(config, [77; 32], now).expect("valid credentials");
        Self { agent, address, events: Vec::new(), media: 0, outgoing: VecDeque::new() }
    }

    /// What its answer names: its address over UDP, and over TCP, where it waits.
    #[must_use]
    pub fn candidates(&self) -> [Candidate; 2] {
        [Candidate::host(self.address), Candidate::host(self.address).with_tcp(TcpType::Passive)]
    }

    /// Where media goes.
    #[must_use]
    pub const fn selected_path(&self) -> Option<Path> {
        self.agent.selected_path()
    }

    /// How much media came.
    #[must_use]
    pub const fn media(&self) -> usize {
        self.media
    }

    /// Whether it has given the viewer up.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.events.iter().any(|it| matches!(it, Event::Closed { .. }))
    }

    /// Sends media along the selected path, if there is one now.
    pub fn send_media(&mut self) {
        if let Some(path) = self.agent.selected_path() {
            self.send(path.transport, path.local, path.remote, b"\x80media".to_vec());
        }
    }

    fn send(&mut self, transport: Transport, local: SocketAddr, remote: SocketAddr, contents: Vec<u8>) {
        let transmit = Transmit::new(local, remote, contents.len());
        let outgoing = match transport {
            Transport::Tcp => Outgoing::Message(transmit),
            _ => Outgoing::Datagram(transmit),
        };
        self.outgoing.push_back((outgoing, contents));
    }

    fn take(&mut self, now: Instant, path: Path, contents: &[u8]) {
        match contents.first() {
            Some(0..=3) => {
                let datagram = Datagram::new(path.transport, path.local, path.remote, contents);
                // A check may come twice, or for a session that has ended: no business of this test.
                let _refused = self.agent.handle_datagram(now, datagram);
            }
            _ if self.agent.is_validated(&path) => {
                self.agent.note_received(now, &path);
                self.media += 1;
            }
            _ => {}
        }
        self.poll_events();
    }

    fn poll_events(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.agent.poll_event()));
    }
}

impl Endpoint for Server {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        self.take(now, Path::new(Transport::Udp, local, remote), contents);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.poll_events();
    }

    fn poll_transmit(&mut self, _now: Instant, _buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    fn poll_outgoing(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Outgoing> {
        let mut answer = Vec::new();
        while let Some(it) = self.agent.poll_transmit(now, &mut answer) {
            self.send(it.transport, it.local, it.remote, std::mem::take(&mut answer));
        }
        let (outgoing, contents) = self.outgoing.pop_front()?;
        buf.extend(contents);
        Some(outgoing)
    }

    fn accepts(&self, local: SocketAddr, _remote: SocketAddr) -> bool {
        local == self.address
    }

    fn handle_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, event: StreamEvent<'_>) {
        let path = Path::new(Transport::Tcp, local, remote);
        match event {
            StreamEvent::Message(contents) => self.take(now, path, contents),
            StreamEvent::Closed(_) => self.agent.path_closed(now, &path),
            _ => {}
        }
        self.poll_events();
    }
}
