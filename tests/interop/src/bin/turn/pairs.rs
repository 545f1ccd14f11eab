//! CPU time per relayed packet at a rate that all carry with ease: coturn's client, 50 allocations, channel data.

use std::process::Command;

use crate::server::{Kind, Machine, Server};
use crate::{peer, spread};

const ALLOCATIONS: u32 = 50;
/// Messages of each.
const MESSAGES: u32 = 1000;
/// Milliseconds between them: 50 allocations, there and back, are about 6,000 packets a second.
const INTERVAL: u32 = 16;

/// Who is measured, one after the other in each round.
const ALL: [Kind; 3] = [Kind::Ours, Kind::Coturn, Kind::Raw];
/// What is compared, by places in `ALL`, and what is to be said of it.
const RATIOS: [(usize, usize, &str); 3] =
    [(0, 1, "; the bar is 0.4"), (0, 2, ""), (2, 1, "; the least that these calls allow")];

pub(crate) fn run(size: u32, pairs: usize) -> Result<(), String> {
    let _peer = peer()?;
    let servers = ALL.map(|kind| Server::start(kind, 1));
    let mut costs: [Vec<f64>; ALL.len()] = Default::default();
    let mut ratios: [Vec<f64>; RATIOS.len()] = Default::default();
    for pair in 1..=pairs {
        let machine = Machine::look();
        let mut last = [0.0; ALL.len()];
        for ((server, costs), last) in servers.iter().zip(&mut costs).zip(&mut last) {
            let server = server.as_ref().map_err(Clone::clone)?;
            *last = measure(server, size)?;
            costs.push(*last);
        }
        for ((over, under, _), ratios) in RATIOS.iter().zip(&mut ratios) {
            ratios.push(last[*over] / last[*under]);
        }
        let busy = 100.0 * machine.busy_since();
        let [ours, theirs, raw] = last;
        println!(
            "  pair {pair}: headwater {ours:.2} us, coturn {theirs:.2} us, raw {raw:.2} us, machine {busy:.0} % busy"
        );
    }
    println!("CPU per relayed packet, channel data of {size} bytes, {ALLOCATIONS} allocations:");
    for (kind, costs) in ALL.iter().zip(costs) {
        let (median, low, high) = spread(costs);
        println!("  {:19} {median:6.2} us ({low:.2} to {high:.2})", kind.name());
    }
    for ((over, under, remark), ratios) in RATIOS.into_iter().zip(ratios) {
        let (median, low, high) = spread(ratios);
        let name = format!("{} / {}", ALL[over].name(), ALL[under].name());
        println!("  {name:19} {median:6.2} ({low:.2} to {high:.2}){remark}");
    }
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
