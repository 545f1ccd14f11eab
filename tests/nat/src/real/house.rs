//! The namespaces: the Internet, a router for each side with nftables in it, a home behind it.
//!
//! ```text
//!  home0 eth 10.0.0.2 ── lan 10.0.0.1 gate0 wan 203.0.113.1  ── w0 ┐ the world's own:
//!  home1 eth 10.0.0.2 ── lan 10.0.0.1 gate1 wan 198.51.100.1 ── w1 ┘ 192.0.2.1 on lo
//! ```
//!
//! The names are in a `/run` of the world's own, and the kernel takes everything away with its last process.

use crate::{FIRST, SECOND, Surroundings};
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

/// How long two peers may take to connect, or to find each other again.
const LIMIT: Duration = Duration::from_secs(12);

/// Where [`put_behind`] puts the servers.
pub const INTERNET: &str = "internet";

/// The first three numbers of each router's public address.
const PUBLIC: [&str; 2] = ["203.0.113", "198.51.100"];

/// Runs a program in network, mount and PID namespaces of its own; the last makes sure that nothing outlives it. Needs
/// `unshare`, and without root that users may make namespaces.
#[must_use]
pub fn in_namespaces(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    let is_root = std::fs::read_to_string("/proc/self/status").is_ok_and(|it| it.contains("\nUid:\t0\t"));
    if !is_root {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(program).args(arguments);
    // Where the administrator's programs are.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Runs `program world ...` in namespaces.
#[must_use]
pub fn world_command(program: &Path, first: Surroundings, second: Surroundings, rebinds: bool) -> Command {
    let mut command = in_namespaces(program, &["world", &first.to_string(), &second.to_string()]);
    command.args(rebinds.then_some("rebind"));
    command
}

/// Connects two peers, and prints how each is reached: `srflx relay/tcp`. If it `rebinds`, the first router then gets
/// another address, and it prints how many milliseconds media was silent.
///
/// # Errors
/// If the namespaces cannot be made, or the peers don't connect in time.
pub fn world(first: Surroundings, second: Surroundings, rebinds: bool) -> Result<()> {
    run("mount", &["-t", "tmpfs", "tmpfs", "/run"], "")?;
    run("ip", &["-batch", "-"], "link set lo up\naddr add 192.0.2.1/32 dev lo\n")?;
    forward_in(None)?;
    let program = std::env::current_exe()?;
    let mut service = Command::new(&program).arg("service").stdout(Stdio::piped()).spawn()?;
    let (sender, told) = mpsc::channel();
    let mut pipes = Vec::new();
    for (side, surroundings) in [first, second].into_iter().enumerate() {
        let home = build(side, surroundings)?;
        pipes.push((home, side));
    }
    let ready = BufReader::new(service.stdout.take().ok_or_else(|| other("no pipe"))?).lines().next();
    ready.ok_or_else(|| other("the service does not start"))??;
    let mut peers = Vec::new();
    for ((namespace, ip), side) in pipes {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace]).arg(&program).args(["peer", &side.to_string(), &ip]);
        peers.push(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    }
    connect_pipes(&mut peers, &sender)?;
    let mut states = States { told, lines: [String::new(), String::new()] };
    states.wait(|lines| lines.iter().all(|it| it.starts_with("flows")))?;
    println!("{}", states.reached()?);
    if rebinds {
        let started = Instant::now();
        let net = PUBLIC[FIRST];
        let commands = format!(
            "addr del {net}.1/24 dev wan\naddr add {net}.2/24 dev wan\nroute replace default via {net}.254\n"
        );
        run("ip", &["-n", "gate0", "-batch", "-"], &commands)?;
        states.wait(|lines| lines.iter().any(|it| it == "silent"))?;
        states.wait(|lines| lines.iter().all(|it| it.starts_with("flows")))?;
        println!("{}", started.elapsed().as_millis());
    }
    Ok(())
}

/// Makes a router and the Internet around this process' own namespace, which becomes a home at 10.0.0.2, and loses its
/// other links. In the namespace [`INTERNET`] the only address is 192.0.2.1.
///
/// # Errors
/// If `ip` or `nft` fail, or there is no NAT in the surroundings.
pub fn put_behind(surroundings: Surroundings) -> Result<()> {
    let rules = rules(surroundings).ok_or_else(|| other("no NAT"))?;
    run("mount", &["-t", "tmpfs", "tmpfs", "/run"], "")?;
    // Without link-local addresses: browsers drop their requests when one appears.
    let commands = format!(
        "link set lo up
         netns add gate
         netns add {INTERNET}
         link add eth type veth peer name lan netns gate
         link set eth addrgenmode none
         addr add 10.0.0.2/24 dev eth
         link set eth up\n"
    );
    // The interop tests' own link, where they run.
    let _none = run("ip", &["link", "del", "hw0"], "");
    run("ip", &["-batch", "-"], &commands)?;
    let net = PUBLIC[FIRST];
    let commands = format!(
        "link add wan type veth peer name w netns {INTERNET}
         addr add 10.0.0.1/24 dev lan
         link set lan up
         addr add {net}.1/24 dev wan
         link set wan up
         route add default via {net}.254\n"
    );
    run("ip", &["-n", "gate", "-batch", "-"], &commands)?;
    let commands = format!(
        "link set lo up
         addr add 192.0.2.1/32 dev lo
         addr add {net}.254/24 dev w
         link set w up\n"
    );
    run("ip", &["-n", INTERNET, "-batch", "-"], &commands)?;
    forward_in(Some("gate"))?;
    run("ip", &["netns", "exec", "gate", "nft", "-f", "-"], &rules)?;
    // The kernel refuses a gateway whose link is not up.
    run("ip", &["-batch", "-"], "route replace default via 10.0.0.1\n")
}

/// Makes the router of a side, and its home if it has a NAT. Returns the peer's namespace and address.
fn build(side: usize, surroundings: Surroundings) -> Result<(String, String)> {
    let (gate, home, net) = (format!("gate{side}"), format!("home{side}"), PUBLIC[side]);
    let commands = format!(
        "netns add {gate}
         link add w{side} type veth peer name wan netns {gate}
         addr add {net}.254/24 dev w{side}
         link set w{side} up\n"
    );
    run("ip", &["-batch", "-"], &commands)?;
    let commands = format!(
        "link set lo up
         addr add {net}.1/24 dev wan
         link set wan up
         route add default via {net}.254\n"
    );
    run("ip", &["-n", &gate, "-batch", "-"], &commands)?;
    let Some(rules) = rules(surroundings) else { return Ok((gate, format!("{net}.1"))) };
    let commands =
        format!("netns add {home}\nlink add lan netns {gate} type veth peer name eth netns {home}\n");
    run("ip", &["-batch", "-"], &commands)?;
    run("ip", &["-n", &gate, "-batch", "-"], "addr add 10.0.0.1/24 dev lan\nlink set lan up\n")?;
    let commands = "link set lo up
         addr add 10.0.0.2/24 dev eth
         link set eth up
         route add default via 10.0.0.1\n";
    run("ip", &["-n", &home, "-batch", "-"], commands)?;
    forward_in(Some(&gate))?;
    run("ip", &["netns", "exec", &gate, "nft", "-f", "-"], &rules)?;
    Ok((home, "10.0.0.2".to_owned()))
}

/// What nftables does in a router. Masquerading keeps the port where it can, and answers come by the flow alone, which
/// is a NAT that filters by address and port; the other kinds are made of it.
fn rules(surroundings: Surroundings) -> Option<String> {
    let (mapping, inward, outward) = match surroundings {
        Surroundings::Open => return None,
        Surroundings::FullCone => ("masquerade", "dnat to 10.0.0.2", ""),
        Surroundings::AddressRestricted => ("masquerade", "ip saddr @written dnat to 10.0.0.2", ""),
        Surroundings::PortRestricted => ("masquerade", "", ""),
        Surroundings::Symmetric => ("masquerade fully-random", "", ""),
        Surroundings::UdpBlocked => ("masquerade", "", "meta l4proto udp drop"),
        Surroundings::Only443 => {
            ("masquerade", "", "tcp dport != 443 drop; oifname wan meta l4proto udp drop")
        }
    };
    let inward = match inward {
        "" => String::new(),
        inward => format!("iifname wan meta l4proto udp {inward}"),
    };
    let outward = match outward {
        "" => String::new(),
        outward => format!("oifname wan {outward}"),
    };
    // What comes to the router itself must leave no trace: it would take a port that the inside has told to others.
    Some(format!(
        "table ip gate {{
            set written {{ type ipv4_addr; flags dynamic,timeout; timeout 2m; }}
            chain before {{ type nat hook prerouting priority -100; {inward}; }}
            chain after {{ type nat hook postrouting priority 100;
                oifname wan meta l4proto udp update @written {{ ip daddr }}
                oifname wan {mapping}
            }}
            chain itself {{ type filter hook input priority 0; iifname wan drop; }}
            chain through {{ type filter hook forward priority 0; {outward}; }}
        }}\n"
    ))
}

/// What the peers have told last.
struct States {
    told: Receiver<(usize, String)>,
    lines: [String; 2],
}

impl States {
    fn wait(&mut self, is_reached: impl Fn(&[String; 2]) -> bool) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !is_reached(&self.lines) {
            let rest = deadline.saturating_duration_since(Instant::now());
            let (side, line) = self
                .told
                .recv_timeout(rest)
                .map_err(|_| other(&format!("it takes too long; the peers say {:?}", self.lines)))?;
            self.lines[side] = line;
        }
        Ok(())
    }

    /// Each side says how the other is reached, and over what it speaks to its own relay.
    fn reached(&self) -> Result<String> {
        let words = |side: usize| -> Option<(&str, &str)> {
            let mut words = self.lines[side].split(' ').skip(1);
            Some((words.next()?, words.next()?))
        };
        let (Some(first), Some(second)) = (words(FIRST), words(SECOND)) else {
            return Err(other("the peers say nothing"));
        };
        let name = |kind: &str, over: &str| match (kind, over) {
            ("relay", "tcp") => "relay/tcp".to_owned(),
            _ => kind.to_owned(),
        };
        Ok(format!("{} {}", name(second.0, first.1), name(first.0, second.1)))
    }
}

/// Carries candidates from each peer to the other, and everything else to `sender`.
fn connect_pipes(peers: &mut [Child], sender: &Sender<(usize, String)>) -> Result<()> {
    let mut ends: Vec<(ChildStdin, ChildStdout)> = Vec::new();
    for peer in peers {
        let pipes = peer.stdin.take().zip(peer.stdout.take());
        ends.push(pipes.ok_or_else(|| other("no pipe"))?);
    }
    let (Some((second_in, second_out)), Some((first_in, first_out))) = (ends.pop(), ends.pop()) else {
        return Err(other("no peers"));
    };
    for (side, out, mut to) in [(FIRST, first_out, second_in), (SECOND, second_out, first_in)] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let done = match line.strip_prefix("candidate ") {
                    Some(candidate) => writeln!(to, "{candidate}").is_ok(),
                    None => sender.send((side, line)).is_ok(),
                };
                if !done {
                    return;
                }
            }
        });
    }
    Ok(())
}

fn forward_in(namespace: Option<&str>) -> Result<()> {
    let script = "echo 1 > /proc/sys/net/ipv4/ip_forward";
    match namespace {
        None => run("sh", &["-c", script], ""),
        Some(namespace) => run("ip", &["netns", "exec", namespace, "sh", "-c", script], ""),
    }
}

/// Runs a program with this input.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| other(&format!("{program}: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(other(&format!("{program} {}: {}", arguments.join(" "), said.trim())))
}

fn other(why: &str) -> Error {
    Error::other(why.to_owned())
}
