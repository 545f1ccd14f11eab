//! A network of one's own, for a command and everything that it starts.
//!
//! The namespaces are anonymous: the kernel takes them away with their last process, and that
//! process cannot outlive ours (`--kill-child`, and a PID namespace around browsers that fork freely).
//! So nothing has to be cleaned up, not even after a crash.
//!
//! Firefox never gathers 127.0.0.1, hence the veth pair with documentation addresses (RFC 5737, RFC 3849).
//! Its other end is not connected to anything: what a browser sends elsewhere goes nowhere.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

/// The IPv4 address of the namespace's only outside interface.
pub const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
/// The IPv6 address of the same interface.
pub const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

const MARK: &str = "HEADWATER_INTEROP_INSIDE";

/// Runs as PID 1 of the new namespace, so it stays to reap orphans.
///
/// Without link-local addresses: they would become valid a second later, and Chromium drops its requests
/// (ERR_NETWORK_CHANGED) when an address appears.
const SETUP: &str = "\
set -e
ip link set lo up
ip link add hw0 type veth peer name hw1
ip link set hw0 addrgenmode none
ip link set hw1 addrgenmode none
ip addr add 198.51.100.1/24 dev hw0
ip -6 addr add 2001:db8::1/64 dev hw0 nodad
ip link set hw0 up
ip link set hw1 up
ip route add default dev hw0
set +e
\"$@\"
exit $?
";

/// Whether this process was started by [`command`].
pub fn is_inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// A command that runs `program` in new network, PID and mount namespaces.
///
/// Needs `unshare` (util-linux) and `ip` (iproute2). Without root a user namespace is made too.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", SETUP, "namespace"]).arg(program).env(MARK, "1");
    command
}

/// Goes on only inside the namespaces: outside, runs this very program there and exits with its code.
pub fn enter_or_exit() {
    if is_inside() {
        return;
    }
    let status = std::env::current_exe()
        .and_then(|program| command(program).args(std::env::args_os().skip(1)).status())
        .unwrap_or_else(|error| {
            eprintln!("cannot enter a network namespace (needs unshare and ip): {error}");
            std::process::exit(2)
        });
    std::process::exit(status.code().unwrap_or(2))
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t")))
}
