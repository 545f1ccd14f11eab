//! A datagram to a peer through a TURN server, and its answer: the client machine on one socket.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::{Datagram, Message, Transport};
use headwater_turn::attribute::Family;
use headwater_turn::stream::Messages;
use headwater_turn::{AllocateOptions, Client, ClientConfig, ClientEvent, Failure, Families};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::link::Link;
use super::session::Check;
use super::way::{self, Connected, PATIENCE};
use crate::seed;

/// First wait for a response over UDP.
const RTO: Duration = Duration::from_millis(250);
/// The check goes through again after this time.
const AGAIN: Duration = Duration::from_millis(400);
const BUF_LEN: usize = 2048;

/// Why nothing came through.
pub(super) enum Trouble {
    /// The server cannot be reached, or closes the connection.
    Server(io::Error),
    /// It gives no allocation, or lets nobody through to the peer.
    Refused(&'static str, Failure),
    /// It relays, and the peer does not answer.
    Silent,
}

/// Sends the check through the server to `peer`. `Ok` is the relayed address by which it came.
pub(super) async fn through(
    server: SocketAddr,
    link: &Link,
    peer: SocketAddr,
    check: &Check<'_>,
) -> Result<SocketAddr, Trouble> {
    let wire = Wire::open(server, link).await.map_err(Trouble::Server)?;
    let mut config = ClientConfig::new(wire.transport(), wire.local, server);
    if let (Some(username), Some(credential)) = (&link.username, &link.credential) {
        config = config.with_credentials(username, credential);
    }
    config.rto = RTO;
    config.follows_redirects = false;
    let invalid = |_| Trouble::Server(io::Error::other("the TURN client refuses its settings"));
    let client = Client::new(config, seed::seed(), Instant::now()).map_err(invalid)?;
    let mut relaying = Relaying { client, wire, peer, buf: Vec::new(), relayed: None, sent: None };
    let result = timeout(PATIENCE, relaying.run(check)).await;
    let result = match result {
        Ok(result) => result,
        Err(_) if relayed_is_there(&relaying) => Err(Trouble::Silent),
        Err(_) => Err(Trouble::Server(io::ErrorKind::TimedOut.into())),
    };
    relaying.client.close(Instant::now());
    let _ = relaying.flush().await;
    result
}

fn relayed_is_there(relaying: &Relaying) -> bool {
    relaying.relayed.is_some()
}

struct Relaying {
    client: Client,
    wire: Wire,
    peer: SocketAddr,
    buf: Vec<u8>,
    relayed: Option<SocketAddr>,
    /// When the check was sent through last.
    sent: Option<Instant>,
}

impl Relaying {
    async fn run(&mut self, check: &Check<'_>) -> Result<SocketAddr, Trouble> {
        let mut options = AllocateOptions::default();
        // Servers that know only one family may not know this attribute: asked for only where it is needed.
        if self.peer.is_ipv6() {
            options.families = Families::Only(Family::of(&self.peer));
        }
        let unexpected = |_| Trouble::Server(io::Error::other("the TURN client refuses to begin"));
        self.client.allocate(Instant::now(), options).map_err(unexpected)?;
        loop {
            self.listen()?;
            self.flush().await.map_err(Trouble::Server)?;
            self.send(check).await.map_err(Trouble::Server)?;
            let now = Instant::now();
            let due =
                [self.client.poll_timeout(), self.sent.map(|sent| sent + AGAIN)].into_iter().flatten().min();
            let wait = due.map_or(AGAIN, |due| due.saturating_duration_since(now));
            match timeout(wait, self.wire.receive()).await {
                Ok(message) => {
                    let message = message.map_err(Trouble::Server)?;
                    if let Some(relayed) = self.take(&message, check) {
                        return Ok(relayed);
                    }
                }
                Err(_elapsed) => self.client.handle_timeout(Instant::now()),
            }
        }
    }

    /// What the client has to say about it.
    fn listen(&mut self) -> Result<(), Trouble> {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Allocated { relayed, .. } => {
                    self.relayed = Some(relayed);
                    // It fails only without an allocation.
                    let _ = self.client.permit(Instant::now(), self.peer.ip());
                }
                ClientEvent::Permitted(_) => self.sent = Some(Instant::now() - AGAIN),
                ClientEvent::AllocateFailed(failure) => {
                    return Err(Trouble::Refused("gives no allocation", failure));
                }
                ClientEvent::PermitFailed(_, failure) => {
                    return Err(Trouble::Refused("does not relay to the media address", failure));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        loop {
            self.buf.clear();
            if self.client.poll_transmit(Instant::now(), &mut self.buf).is_none() {
                return Ok(());
            }
            self.wire.send(&self.buf).await?;
        }
    }

    /// The check, if it may go and is due.
    async fn send(&mut self, check: &Check<'_>) -> io::Result<()> {
        let now = Instant::now();
        if self.sent.is_none_or(|sent| sent + AGAIN > now) {
            return Ok(());
        }
        self.sent = Some(now);
        self.buf.clear();
        match self.client.wrap(now, self.peer, &check.request, &mut self.buf) {
            Ok(_) => self.wire.send(&self.buf).await,
            Err(_) => Ok(()),
        }
    }

    fn take(&mut self, message: &[u8], check: &Check<'_>) -> Option<SocketAddr> {
        let (transport, local) = (self.wire.transport(), self.wire.local);
        let datagram = Datagram::new(transport, local, self.wire.server, message);
        let from_peer = self.client.handle_datagram(Instant::now(), datagram).ok()??;
        let answer = Message::parse(from_peer.data).ok()?;
        (from_peer.peer == self.peer && check.is_answered_by(&answer)).then_some(self.relayed)?
    }
}

/// A way to the server.
struct Wire {
    way: Way,
    local: SocketAddr,
    server: SocketAddr,
}

enum Way {
    Udp(UdpSocket),
    Stream(Connected, Messages),
}

impl Wire {
    async fn open(server: SocketAddr, link: &Link) -> io::Result<Self> {
        if link.uri.transport() == Transport::Tcp {
            let connected = way::connect(server, link.uri.is_secure(), b"stun.turn").await?;
            let local = connected.local;
            return Ok(Self { way: Way::Stream(connected, Messages::new()), local, server });
        }
        let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
        socket.connect(server).await?;
        let local = socket.local_addr()?;
        Ok(Self { way: Way::Udp(socket), local, server })
    }

    fn transport(&self) -> Transport {
        match self.way {
            Way::Udp(_) => Transport::Udp,
            Way::Stream(..) => Transport::Tcp,
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.way {
            Way::Udp(socket) => socket.send(bytes).await.map(drop),
            Way::Stream(connected, _) => {
                connected.stream.write_all(bytes).await?;
                connected.stream.flush().await
            }
        }
    }

    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut buf = [0; BUF_LEN];
        match &mut self.way {
            Way::Udp(socket) => socket.recv(&mut buf).await.map(|len| buf[..len].to_vec()),
            Way::Stream(connected, messages) => loop {
                if let Some(message) = messages.next_message().map_err(io::Error::other)? {
                    return Ok(message.to_vec());
                }
                match connected.stream.read(&mut buf).await? {
                    0 => return Err(io::ErrorKind::ConnectionReset.into()),
                    len => messages.push(&buf[..len]),
                }
            },
        }
    }
}
