//! CPU time per relayed packet at a rate that both carry with ease: coturn's client, 50 allocations, channel data.

use std::process::Command;

use crate::server::{Machine, Server};
use crate::{BOTH, peer, spread};

const ALLOCATIONS: u32 = 50;
/// Messages of each.
const MESSAGES: u32 = 1000;
/// Milliseconds between them: 50 allocations, there and back, are about 6,000 packets a second.
const INTERVAL: u32 = 16;

pub(crate) fn run(size: u32, pairs: usize) -> Result<(), String> {
    let _peer = peer()?;
    let servers = BOTH.map(|kind| Server::start(kind, 1));
    let mut costs: [Vec<f64>; 2] = Default::default();
    let mut ratios = Vec::new();
    for pair in 1..=pairs {
        let machine = Machine::look();
        for (server, costs) in servers.iter().zip(&mut costs) {
            let server = server.as_ref().map_err(Clone::clone)?;
            costs.push(measure(server, size)?);
        }
        let [ours, theirs] = [0, 1].map(|side: usize| costs[side].last().copied().unwrap_or(f64::NAN));
        ratios.push(ours / theirs);
        let busy = 100.0 * machine.busy_since();
        println!("  pair {pair}: headwater {ours:.2} us, coturn {theirs:.2} us, machine {busy:.0} % busy");
    }
    println!("CPU per relayed packet, channel data of {size} bytes, {ALLOCATIONS} allocations:");
    for (kind, costs) in BOTH.iter().zip(costs) {
        let (median, low, high) = spread(costs);
        println!("  {:10} {median:6.2} us ({low:.2} to {high:.2})", kind.name());
    }
    let (median, low, high) = spread(ratios);
    println!("  ratio      {median:6.2} ({low:.2} to {high:.2}); the bar is 0.4");
    Ok(())
}

/// Microseconds for each packet that was relayed.
fn measure(server: &Server, size: u32) -> Result<f64, String> {
    let mut command = Command::new("taskset");
    command.args(["-c", "1", "turnutils_uclient", "-u", "u", "-w", "p", "-c", "-e", "127.0.0.1"]);
    command.args(["-p", &server.kind.port().to_string(), "-m", &ALLOCATIONS.to_string()]);
    command.args(["-n", &MESSAGES.to_string(), "-z", &INTERVAL.to_string(), "-l", &size.to_string()]);
    let before = server.cpu();
    let output = command.arg("127.0.0.1").output().map_err(|error| format!("turnutils_uclient: {error}"))?;
    let used = server.cpu() - before;
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    let received = text.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once("tot_recv_msgs=")?;
        rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u32>().ok()
    });
    let received = received.filter(|it| *it > 0).ok_or_else(|| format!("turnutils_uclient says:\n{text}"))?;
    if !text.contains("Total lost packets 0 ") {
        let lost = text.lines().find(|line| line.contains("lost packets")).unwrap_or_default();
        println!("  {}: {lost}", server.kind.name());
    }
    // There and back.
    Ok(used.as_secs_f64() * 1e6 / f64::from(2 * received))
}
