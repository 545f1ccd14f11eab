//! Many messages in one `sendmmsg`, each several datagrams by UDP segmentation offload. The `unsafe` here is
//! for handing the kernel pointers to buffers of the caller that live until the call returns.
#![allow(unsafe_code)]

pub(crate) mod peers;
pub(crate) mod steer;

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::Outgoing;
use crate::bursts::Refusal;

/// Messages handed to the kernel in one call.
pub(crate) const MESSAGES: usize = 64;
/// Room for the control messages of one message: a source address of IPv6 (40 bytes) and a segment size (24).
const CONTROL_WORDS: usize = 8;

/// Sends the first of `messages`, at most [`MESSAGES`], whose contents lie in `bytes`, and returns how many the kernel
/// took. A source address is set only if `with_source`.
///
/// # Errors
/// The kernel took none, for this reason, which concerns the first.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    messages: &[Outgoing],
    with_source: bool,
) -> io::Result<usize> {
    let mut headers: [MaybeUninit<libc::mmsghdr>; MESSAGES] = [const { MaybeUninit::uninit() }; MESSAGES];
    let mut names: [MaybeUninit<libc::sockaddr_in6>; MESSAGES] = [const { MaybeUninit::uninit() }; MESSAGES];
    let mut slices: [MaybeUninit<libc::iovec>; MESSAGES] = [const { MaybeUninit::uninit() }; MESSAGES];
    let mut controls: [MaybeUninit<[u64; CONTROL_WORDS]>; MESSAGES] =
        [const { MaybeUninit::uninit() }; MESSAGES];
    let count = messages.len().min(MESSAGES);
    for (index, message) in messages[..count].iter().enumerate() {
        let contents = &bytes[message.start..message.start + message.len];
        let (name, name_len) = write_name(&mut names[index], message.remote);
        let slice = slices[index].write(libc::iovec {
            // The kernel only reads what is sent.
            iov_base: contents.as_ptr().cast_mut().cast(),
            iov_len: contents.len(),
        });
        // SAFETY: `msghdr` is plain old data with padding on some systems; all zeroes is a valid one.
        let mut header: libc::msghdr = unsafe { zeroed() };
        header.msg_name = name;
        header.msg_namelen = name_len;
        header.msg_iov = slice;
        header.msg_iovlen = 1;
        let source = message.local.filter(|_| with_source);
        let segment = message.segment_size.filter(|segment| usize::from(*segment) < message.len);
        if source.is_some() || segment.is_some() {
            let control = controls[index].write([0; CONTROL_WORDS]);
            let used = write_control(control, source, segment);
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = used as _;
        }
        headers[index].write(libc::mmsghdr { msg_hdr: header, msg_len: 0 });
    }
    // SAFETY: the first `count` headers are initialised and point to names, slices and controls on this stack and to
    // `bytes`, which all outlive the call.
    let sent = unsafe {
        libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count as _, libc::MSG_DONTWAIT as _)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// What an error of [`send`] says of segmentation.
pub(crate) fn refusal(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(libc::EIO) => Refusal::Device,
        // Segments that exceed the path's MTU, or too many of them.
        Some(libc::EINVAL | libc::EMSGSIZE) => Refusal::Message,
        _ => Refusal::Other,
    }
}

/// Writes an address where there is room for either family.
fn write_name(
    room: &mut MaybeUninit<libc::sockaddr_in6>,
    address: SocketAddr,
) -> (*mut libc::c_void, libc::socklen_t) {
    match address {
        SocketAddr::V4(address) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                sin_zero: [0; 8],
            };
            let at: *mut libc::sockaddr_in = room.as_mut_ptr().cast();
            // SAFETY: an IPv4 address is smaller than an IPv6 one and has the same alignment.
            unsafe { at.write(name) };
            (at.cast(), size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(address) => {
            let name = room.write(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            });
            (ptr::from_mut(name).cast(), size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

/// Writes the control messages and returns the bytes used.
fn write_control(room: &mut [u64; CONTROL_WORDS], source: Option<IpAddr>, segment: Option<u16>) -> usize {
    let mut at = 0;
    match source {
        Some(IpAddr::V4(ip)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            at += push(room, at, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(ip)) => {
            let info =
                libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            at += push(room, at, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        None => {}
    }
    if let Some(segment) = segment {
        at += push(room, at, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
    }
    at
}

/// Writes one control message at byte `at` and returns how far the next one is.
fn push<T>(
    room: &mut [u64; CONTROL_WORDS],
    at: usize,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) -> usize {
    // SAFETY: pure arithmetic on a size.
    let (len, space) = unsafe {
        (libc::CMSG_LEN(size_of::<T>() as u32) as usize, libc::CMSG_SPACE(size_of::<T>() as u32) as usize)
    };
    assert!(at + space <= size_of::<[u64; CONTROL_WORDS]>(), "the room was counted for all that is written");
    // SAFETY: header and value lie within `room`, as was just checked; `at` is a sum of CMSG_SPACEs and thus aligned.
    unsafe {
        let header: *mut libc::cmsghdr = room.as_mut_ptr().cast::<u8>().add(at).cast();
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = len as _;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
    }
    space
}

/// Datagrams that the kernel dropped because the receive buffer was full, since the socket was opened.
pub(crate) fn dropped(socket: BorrowedFd<'_>) -> u32 {
    const WORDS: usize = libc::SK_MEMINFO_DROPS as usize + 1;
    let mut info = [0_u32; WORDS];
    let mut len = size_of::<[u32; WORDS]>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info`, and `len` is its size.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    } != 0;
    if failed { 0 } else { info[libc::SK_MEMINFO_DROPS as usize] }
}
