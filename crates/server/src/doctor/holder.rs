//! Who has a port: what `/proc` tells of sockets and their owners (Linux; elsewhere nothing).

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};

/// Most processes looked at.
const MAX_PROCESSES: usize = 4096;

/// `nginx (process 17)`, if it can be seen: of other users' processes only root sees the sockets.
pub(super) fn of(address: SocketAddr, is_tcp: bool) -> Option<String> {
    let tables = match (is_tcp, address.is_ipv4()) {
        // An IPv6 socket may have the IPv4 port, too.
        (true, true) => ["/proc/net/tcp", "/proc/net/tcp6"],
        (true, false) => ["/proc/net/tcp6", "/proc/net/tcp"],
        (false, true) => ["/proc/net/udp", "/proc/net/udp6"],
        (false, false) => ["/proc/net/udp6", "/proc/net/udp"],
    };
    tables.iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        inodes(&text, address.port(), is_tcp).find_map(|inode| owner(&inode))
    })
}

/// Datagrams that the kernel has dropped at a UDP address since its sockets were opened, as nobody read them in time.
pub(super) fn dropped(address: SocketAddr) -> u64 {
    let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    drops(&fs::read_to_string(table).unwrap_or_default(), address)
}

/// The last column of all sockets bound to an address.
fn drops(table: &str, address: SocketAddr) -> u64 {
    let local = local(address);
    let of_address = table.lines().filter(|line| line.split_whitespace().nth(1) == Some(&local));
    of_address.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum()
}

/// As the tables write it: words of the machine's own byte order, and the port.
fn local(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut text = String::new();
    for word in bytes.as_chunks().0 {
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(*word));
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

/// Inodes of the sockets bound to a port: `sl local_address rem_address st .. inode`, numbers in hexadecimal.
fn inodes(table: &str, port: u16, is_tcp: bool) -> impl Iterator<Item = String> + '_ {
    /// `TCP_LISTEN`.
    const LISTEN: &str = "0A";
    let port = format!("{port:04X}");
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, bound) = fields.get(1)?.rsplit_once(':')?;
        let listens = !is_tcp || *fields.get(3)? == LISTEN;
        (bound == port && listens).then(|| fields.get(9).copied().unwrap_or_default().to_owned())
    })
}

/// The process that has a socket open.
fn owner(inode: &str) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten().filter(|it| {
        it.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    });
    for process in processes.take(MAX_PROCESSES) {
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let has = files
            .flatten()
            .any(|it| fs::read_link(it.path()).is_ok_and(|target| target.to_str() == Some(&wanted)));
        if has {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let number = process.file_name();
            return Some(format!("{} (process {})", name.trim(), number.to_string_lossy()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
";

    #[cfg(target_os = "linux")]
    #[test]
    fn datagrams_that_nobody_reads_are_counted_for_their_address() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = std::net::UdpSocket::bind(any) else { continue };
            let address = socket.local_addr().unwrap();
            assert_eq!(dropped(address), 0);
            socket2::SockRef::from(&socket).set_recv_buffer_size(2048).unwrap();
            for _ in 0..100 {
                socket.send_to(&[0; 1000], address).unwrap();
            }
            assert!(dropped(address) > 50, "{address}");
            let beside = SocketAddr::new([127, 0, 0, 2].into(), address.port());
            assert_eq!(dropped(beside), 0);
        }
    }

    #[test]
    fn the_listener_of_a_port_is_found_and_not_its_connections() {
        assert_eq!(inodes(TABLE, 8080, true).collect::<Vec<_>>(), ["4711"]);
        assert_eq!(inodes(TABLE, 8081, true).count(), 0);
        assert_eq!(inodes("", 8080, true).count(), 0);
    }
}
