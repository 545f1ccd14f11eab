//! Handing a frame to the kernel: a burst of nine packets to each of 64 viewers over loopback. What quinn-udp does, one
//! call a message, beside nix's `sendmmsg` and ours; with segmentation offload and without. The receivers have the
//! smallest of buffers and nobody reads them: what the network does with a datagram is the same for all.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headwater_udp::{Options, Outgoing, Socket};
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, setsockopt, sockopt};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};

const VIEWERS: usize = 64;
const PACKETS: usize = 9;
const PACKET: usize = 1200;
const BURST: usize = PACKETS * PACKET;

/// Everybody's packets, in a buffer like the worker's, and where they go.
struct Frame {
    bytes: Vec<u8>,
    remotes: Vec<SocketAddr>,
    /// Keeps the ports open.
    _sinks: Vec<UdpSocket>,
}

impl Frame {
    fn new() -> Self {
        let sinks: Vec<UdpSocket> = (0..VIEWERS).map(|_| sink()).collect();
        Self {
            bytes: vec![0x80; VIEWERS * BURST],
            remotes: sinks.iter().map(|sink| sink.local_addr().expect("it is bound")).collect(),
            _sinks: sinks,
        }
    }

    fn bursts(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.remotes.iter().copied().zip(self.bytes.chunks(BURST))
    }
}

/// A socket whose receive buffer is full at once and stays so. It takes bursts whole, as a network card that segments
/// does; the kernel would split them for it otherwise.
fn sink() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    setsockopt(&socket, sockopt::RcvBuf, &1).expect("it is a socket");
    setsockopt(&socket, sockopt::UdpGroSegment, &true).expect("the kernel has UDP GRO");
    socket
}

fn quinn(segments: bool) -> impl FnMut(&Frame) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    let state = UdpSocketState::new(UdpSockRef::from(&socket)).expect("it is a socket");
    move |frame| {
        for (destination, burst) in frame.bursts() {
            let size = if segments { BURST } else { PACKET };
            for contents in burst.chunks(size) {
                let segment_size = segments.then_some(PACKET);
                let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
                state.try_send(UdpSockRef::from(&socket), &transmit).expect("the sinks never block");
            }
        }
    }
}

/// Its control messages are the same for all messages of a call: no source address or segment size for each.
fn nix(segments: bool) -> impl FnMut(&Frame) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    let size = PACKET as u16;
    let control = segments.then(|| nix::cmsg_space!(u16));
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(VIEWERS, control);
    move |frame| {
        let control = [ControlMessage::UdpGsoSegments(&size)];
        let control = if segments { &control[..] } else { &[] };
        let size = if segments { BURST } else { PACKET };
        let each = frame.bursts().flat_map(|(remote, burst)| burst.chunks(size).map(move |it| (remote, it)));
        let (names, slices): (Vec<_>, Vec<_>) = each
            .map(|(remote, contents)| {
                let SocketAddr::V4(remote) = remote else { unreachable!("bound to IPv4") };
                (Some(SockaddrIn::from(remote)), [IoSlice::new(contents)])
            })
            .unzip();
        for (names, slices) in names.chunks(VIEWERS).zip(slices.chunks(VIEWERS)) {
            let sent =
                sendmmsg(socket.as_raw_fd(), &mut headers, slices, names, control, MsgFlags::MSG_DONTWAIT)
                    .expect("the sinks never block");
            assert_eq!(sent.count(), names.len());
        }
    }
}

fn ours(segments: bool, portable: bool) -> impl FnMut(&Frame) {
    let mut options = Options::default();
    (options.segmentation, options.portable) = (segments, portable);
    let here = "127.0.0.1:0".parse().expect("an address");
    let mut socket = Socket::bind(here, &options).expect("loopback can be bound");
    assert_eq!(socket.segments(), segments);
    move |frame| {
        let mut messages: Vec<Outgoing> = frame
            .remotes
            .iter()
            .enumerate()
            .map(|(index, &remote)| Outgoing {
                local: None,
                remote,
                start: index * BURST,
                len: BURST,
                segment_size: Some(PACKET as u16),
            })
            .collect();
        assert_eq!(socket.send(&frame.bytes, &mut messages), VIEWERS);
        assert_eq!(socket.segments(), segments);
    }
}

fn send(c: &mut Criterion) {
    let frame = Frame::new();
    let mut group = c.benchmark_group("a frame of 9 packets to 64 viewers, by the kernel");
    group.throughput(Throughput::Elements((VIEWERS * PACKETS) as u64));
    let mut bench = |name: &str, send: &mut dyn FnMut(&Frame)| {
        group.bench_function(name, |b| b.iter(|| send(&frame)));
    };
    bench("segments, quinn-udp", &mut quinn(true));
    bench("segments, nix sendmmsg", &mut nix(true));
    bench("segments, ours", &mut ours(true, false));
    bench("no segments, quinn-udp", &mut quinn(false));
    bench("no segments, nix sendmmsg", &mut nix(false));
    bench("no segments, ours", &mut ours(false, false));
    bench("portable, ours", &mut ours(false, true));
    group.finish();
}

criterion_group!(benches, send);
criterion_main!(benches);
