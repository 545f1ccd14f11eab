//! One socket with many peers: several datagrams per `recvmmsg`, a run of datagrams per `sendmsg`, and what ICMP said.

use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::{CONTROL_WORDS, write_control, write_name};
use crate::peers::{MESSAGES, Message, STRIDE, Unreachable};

/// Room for what an error message carries: the error and the address of who reported it.
const ERROR_WORDS: usize = 16;

/// Fills `messages`, whose bytes go to `storage` one stride apart, and returns how many.
///
/// # Errors
/// The system's.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    storage: &mut [u8],
    messages: &mut [Message; MESSAGES],
    most: usize,
) -> io::Result<usize> {
    let mut names: [MaybeUninit<libc::sockaddr_in6>; MESSAGES] = [const { MaybeUninit::uninit() }; MESSAGES];
    let mut slices: [MaybeUninit<libc::iovec>; MESSAGES] = [const { MaybeUninit::uninit() }; MESSAGES];
    let mut controls = [[0_u64; 4]; MESSAGES];
    let mut headers: [MaybeUninit<libc::mmsghdr>; MESSAGES] = [const { MaybeUninit::uninit() }; MESSAGES];
    let most = most.min(MESSAGES);
    for (index, buffer) in storage.chunks_exact_mut(STRIDE).take(most).enumerate() {
        let slice =
            slices[index].write(libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() });
        // SAFETY: `msghdr` is plain old data; all zeroes is a valid one.
        let mut header: libc::msghdr = unsafe { zeroed() };
        header.msg_name = names[index].as_mut_ptr().cast();
        header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        header.msg_iov = slice;
        header.msg_iovlen = 1;
        header.msg_control = controls[index].as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&controls[index]) as _;
        headers[index].write(libc::mmsghdr { msg_hdr: header, msg_len: 0 });
    }
    // SAFETY: the first `most` headers are initialised (`storage` has a stride for each message) and point to names,
    // slices and controls on this stack and to `storage`, which all outlive the call.
    let count = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr().cast(),
            most.min(storage.len() / STRIDE) as _,
            libc::MSG_DONTWAIT as _,
            ptr::null_mut(),
        )
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    for index in 0..count {
        // SAFETY: initialised above, the kernel took no more than that.
        let header = unsafe { headers[index].assume_init_ref() };
        // SAFETY: the kernel wrote an address of this length into the room for one.
        let remote = unsafe { read_name(header.msg_hdr.msg_name, header.msg_hdr.msg_namelen) };
        let len = (header.msg_len as usize).min(STRIDE);
        // SAFETY: the header's control messages are those the kernel has just written.
        let segment = unsafe { segment_size(&header.msg_hdr) }.unwrap_or(len);
        messages[index] = Message { remote, len, segment };
    }
    Ok(count)
}

/// Sends the bytes of `parts`, one after the other, to `remote`: one datagram, or several of `segment` bytes.
///
/// # Errors
/// The system's.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    remote: SocketAddr,
    parts: &[IoSlice<'_>],
    segment: Option<u16>,
) -> io::Result<()> {
    let mut room = MaybeUninit::uninit();
    let (name, name_len) = write_name(&mut room, remote);
    // SAFETY: `msghdr` is plain old data; all zeroes is a valid one.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = name;
    header.msg_namelen = name_len;
    // `IoSlice` is `iovec` by its documentation; the kernel only reads what is sent.
    header.msg_iov = parts.as_ptr().cast_mut().cast();
    header.msg_iovlen = parts.len() as _;
    let mut control = [0; CONTROL_WORDS];
    if segment.is_some() {
        let used = write_control(&mut control, None, segment);
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = used as _;
    }
    // SAFETY: the header points to name and control on this stack and to the slices, which all outlive the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes one message off the error queue.
pub(crate) fn take_error(socket: BorrowedFd<'_>) -> Option<Unreachable> {
    let mut name: MaybeUninit<libc::sockaddr_in6> = MaybeUninit::uninit();
    let mut control = [0_u64; ERROR_WORDS];
    let mut nothing = [0_u8; 1];
    let mut slice = libc::iovec { iov_base: nothing.as_mut_ptr().cast(), iov_len: nothing.len() };
    // SAFETY: `msghdr` is plain old data; all zeroes is a valid one.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = name.as_mut_ptr().cast();
    header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the header points to room on this stack that outlives the call.
    let got = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    if got < 0 {
        return None;
    }
    // SAFETY: the kernel wrote an address of this length into the room for one.
    let remote = unsafe { read_name(header.msg_name, header.msg_namelen) };
    let mut report = Unreachable { remote, kind: 0, code: 0, info: 0, is_icmp: false };
    // SAFETY: the header's control messages are those the kernel has just written.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(message) = at.as_ref() {
            let is_error = (message.cmsg_level == libc::IPPROTO_IP && message.cmsg_type == libc::IP_RECVERR)
                || (message.cmsg_level == libc::IPPROTO_IPV6 && message.cmsg_type == libc::IPV6_RECVERR);
            if is_error {
                let error: libc::sock_extended_err =
                    libc::CMSG_DATA(at).cast::<libc::sock_extended_err>().read_unaligned();
                report.kind = error.ee_type;
                report.code = error.ee_code;
                report.info = error.ee_info;
                report.is_icmp =
                    matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
            }
            at = libc::CMSG_NXTHDR(&raw const header, at);
        }
    }
    Some(report)
}

/// The size of the datagrams that the kernel has put together.
///
/// # Safety
/// The control messages of `header` are as the kernel wrote them.
unsafe fn segment_size(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: as the caller says.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(ptr::from_ref(header));
        while let Some(message) = at.as_ref() {
            if message.cmsg_level == libc::SOL_UDP && message.cmsg_type == libc::UDP_GRO {
                let size = libc::CMSG_DATA(at).cast::<libc::c_int>().read_unaligned();
                return usize::try_from(size).ok().filter(|size| *size > 0);
            }
            at = libc::CMSG_NXTHDR(ptr::from_ref(header), at);
        }
    }
    None
}

/// Reads an address of either family; another one is `0.0.0.0:0`.
///
/// # Safety
/// `name` points to room for a `sockaddr_in6` of which the kernel has written `len` bytes.
unsafe fn read_name(name: *const libc::c_void, len: libc::socklen_t) -> SocketAddr {
    const V4: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    const V6: libc::socklen_t = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    if len >= V4 {
        // SAFETY: an address of at least this length begins with its family.
        let family = unsafe { name.cast::<libc::sa_family_t>().read() };
        match libc::c_int::from(family) {
            libc::AF_INET => {
                // SAFETY: the family and the length say so.
                let address = unsafe { name.cast::<libc::sockaddr_in>().read() };
                let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
                return SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into();
            }
            libc::AF_INET6 if len >= V6 => {
                // SAFETY: the family and the length say so.
                let address = unsafe { name.cast::<libc::sockaddr_in6>().read() };
                let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                let port = u16::from_be(address.sin6_port);
                return SocketAddrV6::new(ip, port, 0, address.sin6_scope_id).into();
            }
            _ => {}
        }
    }
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
}

/// Sets an integer option.
///
/// # Errors
/// The system's.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads an integer that outlives the call.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Raises the soft limit of open files to the hard one, and the hard one to `wanted` where that is permitted. Returns
/// what holds now.
pub(crate) fn raise_file_limit(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes to a structure that outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return 0;
    }
    if limit.rlim_cur >= wanted {
        return limit.rlim_cur;
    }
    let hard = limit.rlim_max;
    for (soft, hard) in [(wanted, hard.max(wanted)), (wanted.min(hard), hard)] {
        let new = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: the kernel reads a structure that outlives the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const new) } == 0 {
            return soft;
        }
    }
    limit.rlim_cur
}
