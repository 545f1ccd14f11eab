//! Asks a STUN server (RFC 8489) what address it sees for us: the one that a NAT in between made of ours.
//!
//! ```text
//! public_address SERVER:PORT
//! ```
//!
//! `Client` has no socket: the loop sends what `poll_transmit` gives, hands in what arrives, and says when time has
//! passed. Requests are repeated as RFC 8489 §6.2.1 wants it; answers that don't match a request are refused. Any of
//! headwater's own media ports answers only checks with credentials, so the server must be a public one or `coturn`.

use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use headwater_stun::{Client, ClientConfig, Datagram, Event, Transport};

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("usage: public_address SERVER:PORT")?;
    let server = name.to_socket_addrs()?.next().ok_or("the server has no address")?;
    let any: SocketAddr = if server.is_ipv4() { "0.0.0.0:0".parse()? } else { "[::]:0".parse()? };
    let socket = UdpSocket::bind(any)?;
    let local = socket.local_addr()?;

    let seed = headwater_examples::fresh_seed()?;
    let mut client = Client::new(ClientConfig::default(), seed, Instant::now())?;
    client.binding(Instant::now(), Transport::Udp, local, server)?;

    let (mut out, mut received) = (Vec::new(), [0; 1500]);
    loop {
        while let Some(transmit) = client.poll_transmit(Instant::now(), &mut out) {
            socket.send_to(&out, transmit.remote)?;
            out.clear();
        }
        if let Some(event) = client.poll_event() {
            match event {
                Event::Mapped { mapped, .. } => println!("{mapped}"),
                Event::Refused { code, .. } => return Err(format!("the server refuses: {code}").into()),
                _ => return Err("no answer came".into()),
            }
            return Ok(());
        }
        let due = client.poll_timeout().ok_or("nothing to wait for")?;
        let wait = due.saturating_duration_since(Instant::now());
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut received) {
            Ok((len, from)) => {
                let datagram = Datagram::new(Transport::Udp, local, from, &received[..len]);
                if let Err(error) = client.handle_datagram(Instant::now(), datagram) {
                    eprintln!("{from} sent something else: {error}");
                }
            }
            Err(_) => client.handle_timeout(Instant::now()),
        }
    }
}
