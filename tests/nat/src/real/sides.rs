//! What runs in the namespaces: a peer, and the service.

use super::sockets::Sockets;
use crate::service::RELAY_PORTS;
use crate::world::{PUBLIC, SERVICE, SERVICE_TCP, credentials};
use crate::{FIRST, Peer, Service};
use headwater_ice::Role;
use headwater_stun::Transport;
use std::io::Result;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Between two packets of media.
const MEDIA_INTERVAL: Duration = Duration::from_millis(20);
/// Without media for so long, it is silent.
const SILENCE: Duration = Duration::from_millis(300);

/// Is the service at its addresses, until it is killed.
///
/// # Errors
/// Those of sockets.
pub fn service() -> Result<()> {
    let mut udp = vec![SERVICE];
    udp.extend(RELAY_PORTS.map(|port| SocketAddr::new(SERVICE.ip(), port)));
    let mut sockets = Sockets::bind(&udp, &[SERVICE_TCP])?;
    let mut service = Service::new(&[SERVICE, SERVICE_TCP], true, PUBLIC, Instant::now());
    println!("ready");
    loop {
        sockets.turn(&mut service)?;
    }
}

/// Is a peer at this address, until its input ends. Candidates of the other side come in line by line; out go its own
/// (`candidate ...`), and when that changes, `flows` and how it reaches the other side, or `silent`.
///
/// # Errors
/// Those of sockets.
pub fn peer(side: usize, ip: IpAddr) -> Result<()> {
    let host = SocketAddr::new(ip, 5000);
    let mut sockets = Sockets::bind(&[host], &[])?;
    let (mine, theirs, role) =
        if side == FIRST { (1, 2, Role::Controlling) } else { (2, 1, Role::Controlled) };
    let now = Instant::now();
    let mut peer = Peer::new(credentials(mine), role, mine, host, [SERVICE, SERVICE_TCP], now);
    peer.agent().set_remote_credentials(credentials(theirs)).expect("valid credentials");
    let (sender, signalled) = mpsc::channel();
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|it| sender.send(it))
    });
    let (mut media, mut next, mut heard, mut told) = (0, now, now, String::new());
    loop {
        sockets.turn(&mut peer)?;
        match signalled.try_recv() {
            Ok(line) => peer.learn(line.parse().expect("a candidate")),
            Err(mpsc::TryRecvError::Empty) => {}
            Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
        }
        while let Some(candidate) = peer.poll_signal() {
            println!("candidate {candidate}");
        }
        let now = Instant::now();
        if peer.is_nominated() && next <= now {
            next = now + MEDIA_INTERVAL;
            peer.send_media(now);
        }
        if peer.media() > media {
            (media, heard) = (peer.media(), now);
        }
        let over_tcp = if peer.relays_over() == Some(Transport::Tcp) { "tcp" } else { "udp" };
        let tell = match peer.reaches() {
            Some(reached) if peer.is_nominated() && media > 0 && now < heard + SILENCE => {
                format!("flows {reached} {over_tcp}")
            }
            _ => "silent".to_owned(),
        };
        if tell != told {
            println!("{tell}");
            told = tell;
        }
    }
}
