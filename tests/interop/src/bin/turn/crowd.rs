//! Many allocations, and many who only ask for one.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::BOTH;
use crate::client::{Client, bare_allocate};
use crate::server::{Kind, Server};

const FEW: u32 = 10_000;
const MANY: u32 = 50_000;
/// Addresses to relay from for many: each has 16,384 ports.
const RELAY_ADDRESSES: u8 = 8;
/// Clients on one address.
const PER_ADDRESS: u32 = 20_000;
const FIRST_PORT: u32 = 20_000;
const SPOOFED_PER_SECOND: u32 = 10_000;
const SPOOFED_SECONDS: u32 = 10;
/// Sockets that those come from.
const SPOOFERS: u32 = 4_000;

/// The address of the n-th client.
fn place(index: u32) -> (IpAddr, u16) {
    let [_, _, _, low] = (index / PER_ADDRESS).to_be_bytes();
    let port = u16::try_from(FIRST_PORT + index % PER_ADDRESS).unwrap_or(u16::MAX);
    ([127, 0, 1, low + 1].into(), port)
}

fn server_address(kind: Kind) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], kind.port()))
}

/// Allocates from `first` to `last`; returns how many there are and how it ended.
fn allocate(kind: Kind, first: u32, last: u32) -> (u32, Option<String>) {
    for index in first..last {
        // The client's socket may go: the allocation stays for ten minutes.
        if let Err(why) = Client::allocate(place(index), server_address(kind)) {
            return (index - first, Some(why));
        }
    }
    (last - first, None)
}

pub(crate) fn memory() -> Result<(), String> {
    println!("memory per allocation, of {FEW}:");
    for kind in BOTH {
        let server = Server::start(kind, RELAY_ADDRESSES)?;
        // What the first ones have made is there anyway.
        allocate(kind, 0, 100);
        let before = server.memory();
        let (made, why) = allocate(kind, 100, FEW);
        let grown = server.memory().saturating_sub(before);
        let why = why.map_or_else(String::new, |why| format!("; stopped after {made}: {why}"));
        println!("  {:10} {:6.2} KiB{why}", kind.name(), grown as f64 / 1024.0 / f64::from(made.max(1)));
    }
    Ok(())
}

pub(crate) fn many() -> Result<(), String> {
    println!("{MANY} allocations on {RELAY_ADDRESSES} addresses:");
    let server = Server::start(Kind::Ours, RELAY_ADDRESSES)?;
    let started = Instant::now();
    let (made, why) = allocate(Kind::Ours, 0, MANY);
    let memory = server.memory() as f64 / f64::from(1 << 20);
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), server.cpu().as_secs_f64());
    println!("  headwater  {made} in {seconds:.1} s, {cpu:.1} s of CPU, {memory:.0} MiB resident");
    why.map_or(Ok(()), |why| Err(format!("allocation {}: {why}", made + 1)))
}

pub(crate) fn spoofed() -> Result<(), String> {
    println!(
        "memory under {SPOOFED_PER_SECOND} Allocates a second without credentials, from {SPOOFERS} addresses:"
    );
    for kind in BOTH {
        let server = Server::start(kind, 1)?;
        let sockets: Result<Vec<UdpSocket>, _> =
            (0..SPOOFERS).map(|index| UdpSocket::bind(place(index))).collect();
        let sockets = sockets.map_err(|error| error.to_string())?;
        let before = server.memory();
        let (mut buf, started) = (Vec::new(), Instant::now());
        for index in 0..SPOOFED_PER_SECOND * SPOOFED_SECONDS {
            buf.clear();
            bare_allocate(u64::from(index), &mut buf);
            let _ = sockets[(index % SPOOFERS) as usize].send_to(&buf, server_address(kind));
            let due = Duration::from_secs(1) * index / SPOOFED_PER_SECOND;
            if let Some(early) = due.checked_sub(started.elapsed()) {
                std::thread::sleep(early);
            }
        }
        let grown = server.memory().saturating_sub(before) as f64 / 1024.0;
        let cpu = 100.0 * server.cpu().as_secs_f64() / started.elapsed().as_secs_f64();
        println!("  {:10} {grown:+.0} KiB after {SPOOFED_SECONDS} s, {cpu:.0} % of a core", kind.name());
    }
    Ok(())
}
