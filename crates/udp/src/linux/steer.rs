//! Which of several sockets on one port a sender's datagrams and connections come to: decided by the sender's address
//! alone, by a few instructions that the kernel runs (`SO_ATTACH_REUSEPORT_CBPF`).

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Reads from the IP header on, wherever the kernel stands in the packet.
const NETWORK: u32 = libc::SKF_NET_OFF as u32;
/// Where the sender's address is: IPv4's four bytes, IPv6's first eight, the part that a subscriber has.
const V4_SOURCE: u32 = NETWORK.wrapping_add(12);
const V6_SOURCE: u32 = NETWORK.wrapping_add(8);
/// An odd number whose products have well-mixed upper bits: 2^32 divided by the golden ratio.
const MIX: u32 = 0x9E37_79B1;

const fn op(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// Has the group of sockets that `socket` is in, of which there are `count`, chosen by the sender's address.
///
/// # Errors
/// The system's.
pub(crate) fn by_address(socket: BorrowedFd<'_>, count: u32) -> io::Result<()> {
    use libc::{BPF_A, BPF_ADD, BPF_JA, BPF_MOD, BPF_MUL, BPF_RET, BPF_RSH, BPF_TAX, BPF_X};
    use libc::{BPF_ABS, BPF_ALU, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_MISC, BPF_W};
    let program = [
        op(BPF_LD | BPF_B | BPF_ABS, NETWORK, 0, 0),
        op(BPF_ALU | BPF_RSH | BPF_K, 4, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 2),
        op(BPF_LD | BPF_W | BPF_ABS, V4_SOURCE, 0, 0),
        op(BPF_JMP | BPF_JA, 5, 0, 0),
        op(BPF_LD | BPF_W | BPF_ABS, V6_SOURCE, 0, 0),
        op(BPF_ALU | BPF_MUL | BPF_K, MIX, 0, 0),
        op(BPF_MISC | BPF_TAX, 0, 0, 0),
        op(BPF_LD | BPF_W | BPF_ABS, V6_SOURCE.wrapping_add(4), 0, 0),
        op(BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0),
        op(BPF_ALU | BPF_MUL | BPF_K, MIX, 0, 0),
        op(BPF_ALU | BPF_RSH | BPF_K, 16, 0, 0),
        op(BPF_ALU | BPF_MOD | BPF_K, count.max(1), 0, 0),
        op(BPF_RET | BPF_A, 0, 0, 0),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads the program, which outlives the call, and copies it.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}
