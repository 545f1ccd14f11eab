//! A relayed address from a TURN server (RFC 8656): what a peer sends there comes back to it.
//!
//! ```text
//! turn_relay SERVER:PORT NAME PASSWORD PEER
//! ```
//!
//! It prints the relayed address and echoes what `PEER` (an IP address, or one with a port, which then gets a channel)
//! sends to it, until Ctrl-C or until the server ends it. A second one with the first one's address as `PEER`, or `nc -u`,
//! is a peer to try it with; `headwater turn` or coturn is the server.
//!
//! `Client` has no socket: the loop sends what `poll_transmit` gives, hands in what arrives, and says when time has
//! passed. Allocation, permission and channel are renewed by the machine.

use std::error::Error;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headwater_stun::{Datagram, Transport};
use headwater_turn::{AllocateOptions, Client, ClientConfig, ClientEvent};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, name, password, peer] = &arguments[..] else {
        return Err("usage: turn_relay SERVER:PORT NAME PASSWORD PEER".into());
    };
    let server = server.to_socket_addrs()?.next().ok_or("the server has no address")?;
    // The address that the system would send from: the client wants to know its own.
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.connect(server)?;
    let local = socket.local_addr()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    ctrlc::set_handler(move || stopper.store(true, Ordering::Relaxed))?;

    let config = ClientConfig::new(Transport::Udp, local, server).with_credentials(name, password);
    let mut client = Client::new(config, headwater_examples::fresh_seed()?, Instant::now())?;
    client.allocate(Instant::now(), AllocateOptions::default())?;
    match peer.parse::<IpAddr>() {
        Ok(ip) => client.permit(Instant::now(), ip)?,
        Err(_) => client.bind_channel(Instant::now(), peer.parse::<SocketAddr>()?)?,
    }

    let (mut out, mut received) = (Vec::new(), [0; 65_536]);
    let mut closing = false;
    loop {
        if stop.load(Ordering::Relaxed) && !closing {
            closing = true;
            client.close(Instant::now());
        }
        while client.poll_transmit(Instant::now(), &mut out).is_some() {
            socket.send(&out)?;
            out.clear();
        }
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Allocated { relayed, .. } => println!("relayed {relayed}"),
                ClientEvent::Permitted(ip) => println!("permitted {ip}"),
                ClientEvent::ChannelBound(peer) => println!("bound {peer}"),
                ClientEvent::Ended(reason) => {
                    println!("ended {reason:?}");
                    return Ok(());
                }
                ClientEvent::AllocateFailed(failure)
                | ClientEvent::PermitFailed(_, failure)
                | ClientEvent::ChannelFailed(_, failure) => return Err(failure.into()),
                other => println!("{other:?}"),
            }
        }
        let due = client.poll_timeout().ok_or("nothing to wait for")?;
        let wait = due.saturating_duration_since(Instant::now());
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(200)); // Ctrl-C is seen
        socket.set_read_timeout(Some(wait))?;
        match socket.recv(&mut received) {
            Ok(len) => {
                let datagram = Datagram::new(Transport::Udp, local, server, &received[..len]);
                match client.handle_datagram(Instant::now(), datagram) {
                    Ok(Some(data)) => {
                        client.wrap(Instant::now(), data.peer, data.data, &mut out)?;
                        socket.send(&out)?;
                        out.clear();
                    }
                    Ok(None) => {}
                    Err(error) => eprintln!("refused: {error}"),
                }
            }
            Err(_) => client.handle_timeout(Instant::now()),
        }
    }
}
