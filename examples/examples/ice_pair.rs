//! Two full ICE agents (RFC 8445) find each other, in memory.
//!
//! ```text
//! ice_pair
//! ```
//!
//! There is no socket and no clock: two vectors are the network, and time jumps to when one of the agents wants to be
//! woken. The callee is behind a NAT that gives its packets another address, which it has not told anybody: the caller
//! finds it as a peer-reflexive candidate (§7.3.1.3).

use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Instant;

use headwater_ice::{Agent, AgentConfig, Candidate, Credentials, Event, Role};
use headwater_stun::{Datagram, Transport};

fn main() -> Result<(), Box<dyn Error>> {
    let mut now = Instant::now();
    let start = now;
    let caller_address: SocketAddr = "192.0.2.1:5000".parse()?;
    let (callee_address, nat): (SocketAddr, SocketAddr) =
        ("10.0.0.2:6000".parse()?, "198.51.100.9:40000".parse()?);

    let (callers, callees) = (Credentials::generate([1; 32], ""), Credentials::generate([2; 32], ""));
    let mut caller = Agent::new(AgentConfig::new(callers.clone(), Role::Controlling), [3; 32], now)?;
    let mut callee = Agent::new(AgentConfig::new(callees.clone(), Role::Controlled), [4; 32], now)?;
    caller.add_local_candidate(Candidate::host(caller_address))?;
    callee.add_local_candidate(Candidate::host(callee_address))?;
    // What signalling carries: credentials and candidates.
    caller.set_remote_credentials(callees)?;
    callee.set_remote_credentials(callers)?;
    caller.add_remote_candidate(Candidate::host(callee_address))?;
    callee.add_remote_candidate(Candidate::host(caller_address))?;

    let (mut to_caller, mut to_callee) = (VecDeque::<Vec<u8>>::new(), VecDeque::<Vec<u8>>::new());
    while !(caller.is_nominated() && callee.is_nominated()) {
        let mut buf = Vec::new();
        while let Some(check) = caller.poll_transmit(now, &mut buf) {
            // The private address leads nowhere; the NAT lets in what answers.
            if check.remote == nat {
                to_callee.push_back(buf.clone());
            }
            buf.clear();
        }
        while callee.poll_transmit(now, &mut buf).is_some() {
            to_caller.push_back(std::mem::take(&mut buf));
        }
        while let Some(bytes) = to_callee.pop_front() {
            let datagram = Datagram::new(Transport::Udp, callee_address, caller_address, &bytes);
            callee.handle_datagram(now, datagram)?;
        }
        while let Some(bytes) = to_caller.pop_front() {
            caller.handle_datagram(now, Datagram::new(Transport::Udp, caller_address, nat, &bytes))?;
        }
        for (name, agent) in [("caller", &mut caller), ("callee", &mut callee)] {
            while let Some(event) = agent.poll_event() {
                let at = (now - start).as_millis();
                match event {
                    Event::Validated(path) => println!("{at:4} ms  {name}: {} is the peer's", path.remote),
                    Event::PathSelected(path) => {
                        println!("{at:4} ms  {name}: {} -> {}", path.local, path.remote);
                    }
                    Event::LocalCandidate(found) => println!("{at:4} ms  {name}: others see {found}"),
                    other => println!("{at:4} ms  {name}: {other:?}"),
                }
            }
        }
        let due = caller.poll_timeout().into_iter().chain(callee.poll_timeout()).min();
        now = due.ok_or("both agents fell silent")?.max(now);
        caller.handle_timeout(now);
        callee.handle_timeout(now);
    }
    println!("both have nominated a pair");
    Ok(())
}
