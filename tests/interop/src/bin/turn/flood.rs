//! The most packets a second that one core relays: clients send in bursts as fast as they can, and the server's core is
//! the limit. A burst leaves its sender as one message, as a network card that puts datagrams together would bring it, or
//! one datagram at a time, as other cards do.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headwater_udp::{Batch, Options, Outgoing, Socket};

use crate::BOTH;
use crate::client::Client;
use crate::server::{Kind, Machine, Server};

const ALLOCATIONS: usize = 50;
const CHANNEL: u16 = 0x4000;
const LASTING: Duration = Duration::from_secs(4);
/// Datagrams that a client sends one after the other, as many as a picture has.
const BURST: usize = 10;
/// Datagrams that may be on their way: enough that the server always has some, and no more than its buffer holds.
const UNDERWAY: u64 = 1_000;
/// After this they are lost.
const PATIENCE: Duration = Duration::from_millis(5);
/// How often it is looked.
const ROUND: Duration = Duration::from_micros(100);

/// How a burst leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Whole,
    OneByOne,
}

pub(crate) fn run(size: usize) -> Result<(), String> {
    compare(size, Sending::Whole)?;
    compare(size, Sending::OneByOne)
}

fn compare(size: usize, sending: Sending) -> Result<(), String> {
    let way = if sending == Sending::Whole { "whole" } else { "one by one" };
    println!(
        "most packets a second of one core, clients to a peer in bursts of {BURST} sent {way}, {size} bytes:"
    );
    let mut rates = Vec::new();
    for kind in BOTH {
        let machine = Machine::look();
        let (delivered, offered, busy) = flood(kind, size, sending)?;
        let rate = delivered / busy.max(0.01);
        let machine = 100.0 * machine.busy_since();
        println!(
            "  {:10} {rate:9.0} /s of a whole core ({delivered:.0} of {offered:.0} /s delivered at {:.0} % of the core; machine {machine:.0} % busy)",
            kind.name(),
            100.0 * busy
        );
        rates.push(rate);
    }
    if let [ours, theirs] = rates[..] {
        println!("  ratio      {:6.2}; the bar is 2.5", ours / theirs);
    }
    Ok(())
}

/// Packets a second that came out and that went in, and the share of its core that the server used.
fn flood(kind: Kind, size: usize, sending: Sending) -> Result<(f64, f64, f64), String> {
    pin_to_second_core();
    let server = Server::start(kind, 1)?;
    let address = SocketAddr::from(([127, 0, 0, 1], kind.port()));
    let text = |error: std::io::Error| error.to_string();
    let mut options = Options::default();
    options.receive_buffer = 8 << 20;
    let mut sink = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &options).map_err(text)?;
    let peer = sink.local_addr();
    let mut clients: Vec<Socket> = Vec::new();
    for _ in 0..ALLOCATIONS {
        let mut client = Client::allocate(([127, 0, 0, 1].into(), 0), address)?;
        client.bind(CHANNEL, peer)?;
        let local = client.socket.local_addr().map_err(text)?;
        drop::<UdpSocket>(client.socket);
        clients.push(Socket::bind(local, &Options::default()).map_err(text)?);
    }
    let mut burst = Vec::new();
    for _ in 0..BURST {
        burst.extend_from_slice(&CHANNEL.to_be_bytes());
        burst.extend_from_slice(&(size as u16).to_be_bytes());
        burst.resize(burst.len() + size, 7);
    }
    let (received, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut batch = Batch::new(&sink);
            while !stop.load(Ordering::Relaxed) {
                if sink.receive(&mut batch).is_ok() {
                    received.fetch_add(batch.datagrams().count() as u64, Ordering::Relaxed);
                } else {
                    std::thread::sleep(ROUND);
                }
            }
        });
        let (started, cpu) = (Instant::now(), server.cpu());
        let (mut sent, mut lost) = (0_u64, 0_u64);
        let mut messages = Vec::with_capacity(BURST);
        while started.elapsed() < LASTING {
            for client in &mut clients {
                let part = |start, len, segment_size| Outgoing {
                    local: None,
                    remote: address,
                    start,
                    len,
                    segment_size,
                };
                messages.clear();
                match sending {
                    Sending::Whole => messages.push(part(0, burst.len(), u16::try_from(4 + size).ok())),
                    Sending::OneByOne => messages
                        .extend((0..burst.len()).step_by(4 + size).map(|start| part(start, 4 + size, None))),
                }
                client.send(&burst, &mut messages);
                sent += BURST as u64;
            }
            // Never so far ahead that what is sent is only dropped.
            let underway = || sent.saturating_sub(lost + received.load(Ordering::Relaxed));
            let turn = Instant::now();
            while underway() > UNDERWAY && turn.elapsed() < PATIENCE {
                std::thread::sleep(ROUND);
            }
            if underway() > UNDERWAY {
                // They do not come any more.
                lost += underway();
            }
        }
        let lasted = started.elapsed().as_secs_f64();
        let busy = (server.cpu() - cpu).as_secs_f64() / lasted;
        stop.store(true, Ordering::Relaxed);
        Ok((received.load(Ordering::Relaxed) as f64 / lasted, sent as f64 / lasted, busy))
    })
}

/// This program and what it starts, except the servers.
fn pin_to_second_core() {
    let id = std::process::id().to_string();
    let _ = std::process::Command::new("taskset").args(["-a", "-cp", "1", &id]).output();
}
