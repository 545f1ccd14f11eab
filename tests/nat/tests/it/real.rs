//! The same peers behind the kernel's NAT: network namespaces, nftables, real sockets, real time.
//!
//! Where the kernel or the machine can't, the tests say so on standard error and prove nothing; with `HEADWATER_NAMESPACES`
//! in the environment, which `cargo xtask test` sets, they fail instead.

use headwater_nat::{Surroundings, real};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

/// How many worlds there are at a time: they mostly wait.
const AT_A_TIME: usize = 4;
/// A peer that the machine let wait may settle for a relay. A true fault fails twice.
const TRIES: usize = 2;

/// Half of the table of `table.rs`: the other half is its mirror.
///
/// There is no latency here, so a relay works before the check that finds a symmetric NAT's new port is repeated, and the
/// agent may settle for it. Then the second word is `relay`, or both are.
const PAIRS: &[(Surroundings, Surroundings, &str, &[&str])] = {
    use Surroundings::{AddressRestricted, FullCone, Only443, Open, PortRestricted, Symmetric, UdpBlocked};
    &[
        (Open, Open, "host host", &[]),
        (Open, FullCone, "host srflx", &[]),
        (Open, AddressRestricted, "host srflx", &[]),
        (Open, PortRestricted, "host srflx", &[]),
        (Open, Symmetric, "host prflx", &[]),
        (Open, UdpBlocked, "host relay/tcp", &[]),
        (Open, Only443, "host relay/tcp", &[]),
        (FullCone, FullCone, "srflx srflx", &[]),
        (FullCone, AddressRestricted, "srflx srflx", &[]),
        (FullCone, PortRestricted, "srflx srflx", &[]),
        (FullCone, Symmetric, "srflx prflx", &["srflx relay"]),
        (FullCone, UdpBlocked, "srflx relay/tcp", &[]),
        (FullCone, Only443, "srflx relay/tcp", &[]),
        (AddressRestricted, AddressRestricted, "srflx srflx", &[]),
        (AddressRestricted, PortRestricted, "srflx srflx", &[]),
        (AddressRestricted, Symmetric, "srflx prflx", &["srflx relay"]),
        (AddressRestricted, UdpBlocked, "srflx relay/tcp", &[]),
        (AddressRestricted, Only443, "srflx relay/tcp", &[]),
        (PortRestricted, PortRestricted, "srflx srflx", &[]),
        (PortRestricted, Symmetric, "srflx relay", &[]),
        (PortRestricted, UdpBlocked, "srflx relay/tcp", &[]),
        (PortRestricted, Only443, "srflx relay/tcp", &[]),
        (Symmetric, Symmetric, "prflx relay", &["relay prflx", "relay relay"]),
        (Symmetric, UdpBlocked, "prflx relay/tcp", &["relay relay/tcp"]),
        (Symmetric, Only443, "prflx relay/tcp", &["relay relay/tcp"]),
        (UdpBlocked, UdpBlocked, "relay/tcp relay/tcp", &[]),
        (UdpBlocked, Only443, "relay/tcp relay/tcp", &[]),
        (Only443, Only443, "relay/tcp relay/tcp", &[]),
    ]
};

/// The first one's router gets another address. Relayed ones open their connection again.
const REBOUND: &[(Surroundings, Surroundings, u64)] = &[
    (Surroundings::PortRestricted, Surroundings::Open, 7_000),
    (Surroundings::Symmetric, Surroundings::FullCone, 7_000),
    (Surroundings::Only443, Surroundings::PortRestricted, 7_000),
];

#[test]
fn behind_nftables_pairs_connect_by_the_same_candidates() {
    for_each(PAIRS, |(first, second, expected, others)| {
        let is = connect(*first, *second, false)?;
        let fits = is == *expected || others.contains(&is.as_str());
        if fits { Ok(()) } else { Err(format!("{first} and {second}: {is} instead of {expected}")) }
    });
}

#[test]
fn behind_nftables_a_router_with_a_new_address_interrupts_for_seconds() {
    for_each(REBOUND, |(first, second, longest)| {
        let is = connect(*first, *second, true)?;
        let took = is.lines().nth(1).and_then(|it| it.parse().ok()).ok_or_else(|| is.clone())?;
        if (0..*longest).contains(&took) { Ok(()) } else { Err(format!("{first} and {second}: {took} ms")) }
    });
}

/// Tries each, some at a time.
fn for_each<T: Sync>(items: &[T], check: impl Fn(&T) -> Result<(), String> + Sync) {
    if !can_run() {
        return;
    }
    let rest = Mutex::new(items.iter());
    let faults = Mutex::new(Vec::new());
    let work = || {
        while let Some(item) = { rest.lock().expect("nobody panics").next() } {
            let untried = Err(String::new());
            let result = (0..TRIES).fold(untried, |result, _| result.or_else(|_| check(item)));
            faults.lock().expect("nobody panics").extend(result.err());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(work);
        }
    });
    let faults = faults.into_inner().expect("nobody panics");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn connect(first: Surroundings, second: Surroundings, rebinds: bool) -> Result<String, String> {
    let mut command = real::world_command(Path::new(env!("CARGO_BIN_EXE_nat_peer")), first, second, rebinds);
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() {
        true => Ok(said),
        false => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(format!("{first} and {second}: {said} {why}"))
        }
    }
}

/// Whether there are namespaces and nftables; if not, says why.
fn can_run() -> bool {
    let Err(why) = attempt() else { return true };
    assert!(std::env::var_os("HEADWATER_NAMESPACES").is_none(), "no NATs in namespaces: {why}");
    // Past the harness's capture: a test that proves nothing must not look like one that does.
    let _unheard = writeln!(std::io::stderr(), "note: no NATs in namespaces were tested: {why}");
    false
}

/// Makes a namespace with a rule in it.
fn attempt() -> Result<(), String> {
    let mut command = real::in_namespaces(
        Path::new("nft"),
        &["add table ip t { chain c { type nat hook postrouting priority 100; }; }"],
    );
    let output = command.output().map_err(|error| format!("unshare: {error}"))?;
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{}: {why}", output.status)) }
}
