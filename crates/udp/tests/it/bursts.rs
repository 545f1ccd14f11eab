//! Bursts to several remotes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use headwater_udp::{Batch, Options, Outgoing, Socket};

/// How long a datagram may take over loopback.
const PATIENCE: Duration = Duration::from_secs(10);
const END: &[u8] = b"the end";
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// What every test holds for: (segmentation, portable).
const DRIVERS: [(bool, bool); 3] = [(true, false), (false, false), (true, true)];

fn options((segmentation, portable): (bool, bool)) -> Options {
    let mut options = Options::default();
    (options.segmentation, options.portable) = (segmentation, portable);
    options
}

fn sender(ip: IpAddr, driver: (bool, bool)) -> Socket {
    Socket::bind(SocketAddr::new(ip, 0), &options(driver)).expect("loopback can be bound")
}

/// A plain socket: no GRO.
fn receiver(ip: IpAddr) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).expect("loopback can be bound");
    socket.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

fn message(remote: SocketAddr, start: usize, len: usize, segment_size: Option<u16>) -> Outgoing {
    Outgoing { local: None, remote, start, len, segment_size }
}

/// Sends everything, and the mark of the end to each remote.
fn send(socket: &mut Socket, bytes: &[u8], messages: &[Outgoing], remotes: &[SocketAddr]) {
    let (mut bytes, mut messages) = (bytes.to_vec(), messages.to_vec());
    let start = bytes.len();
    bytes.extend_from_slice(END);
    messages.extend(remotes.iter().map(|&remote| message(remote, start, END.len(), None)));
    let (mut done, began) = (0, Instant::now());
    while done < messages.len() {
        done += socket.send(&bytes, &mut messages[done..]);
        assert!(began.elapsed() < PATIENCE, "the socket is never full for long");
    }
}

/// What arrives before the end.
fn arrived(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let (mut all, mut buf) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let len = socket.recv(&mut buf).expect("the end arrives");
        if &buf[..len] == END {
            return all;
        }
        all.push(buf[..len].to_vec());
    }
}

/// The same through our own socket, whose kernel may put datagrams together.
fn arrived_here(socket: &mut Socket) -> Vec<Vec<u8>> {
    let (mut all, mut batch, start) = (Vec::new(), Batch::new(socket), Instant::now());
    while all.last().is_none_or(|last| last != END) {
        assert!(start.elapsed() < PATIENCE, "the end arrives");
        if socket.receive(&mut batch).is_ok() {
            batch.for_each(|_, contents| all.push(contents.to_vec()));
        }
    }
    all.pop();
    all
}

/// What a message is on the wire.
fn datagrams<'a>(bytes: &'a [u8], message: &Outgoing) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    let size = message.segment_size.map_or(message.len, usize::from).max(1);
    bytes[message.start..message.start + message.len].chunks(size).map(<[u8]>::to_vec)
}

fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn bursts_to_several_remotes_arrive_split_right() {
    let bytes = noise(60_000);
    for ip in [V4, V6] {
        for driver in DRIVERS {
            for coalesces in [false, true] {
                let plain: Vec<_> = (0..3).map(|_| receiver(ip)).collect();
                let mut ours: Vec<_> = (0..3).map(|_| sender(ip, driver)).collect();
                let remotes: Vec<SocketAddr> = if coalesces {
                    ours.iter().map(Socket::local_addr).collect()
                } else {
                    plain.iter().map(|(_, address)| *address).collect()
                };
                // A short last segment; all of a size; one datagram as large as its segment; no segments; one byte each.
                let messages = [
                    message(remotes[0], 0, 5 * 1200 + 77, Some(1200)),
                    message(remotes[1], 6077, 9 * 1111, Some(1111)),
                    message(remotes[2], 20_000, 1200, Some(1200)),
                    message(remotes[0], 22_000, 1100, None),
                    message(remotes[2], 24_000, 60, Some(1)),
                    message(remotes[1], 25_000, 16 * 1200 + 1, Some(1200)),
                    message(remotes[0], 50_000, 700, Some(1200)),
                ];
                send(&mut sender(ip, driver), &bytes, &messages, &remotes);
                for (index, remote) in remotes.iter().enumerate() {
                    let sent = messages.iter().filter(|message| message.remote == *remote);
                    let expected: Vec<_> = sent.flat_map(|message| datagrams(&bytes, message)).collect();
                    let seen =
                        if coalesces { arrived_here(&mut ours[index]) } else { arrived(&plain[index].0) };
                    assert_eq!(seen, expected, "{driver:?} to {remote}, put together: {coalesces}");
                }
            }
        }
    }
}

#[test]
fn more_messages_than_a_call_takes_all_leave_in_order() {
    let bytes = noise(150 * 3);
    for driver in DRIVERS {
        let (socket, remote) = receiver(V4);
        let messages: Vec<_> =
            (0..150).map(|index| message(remote, index * 3, 3, (index % 3 == 0).then_some(2))).collect();
        let expected: Vec<_> = messages.iter().flat_map(|message| datagrams(&bytes, message)).collect();
        send(&mut sender(V4, driver), &bytes, &messages, &[remote]);
        assert_eq!(arrived(&socket), expected, "{driver:?}");
    }
}

#[test]
fn bursts_beyond_what_the_kernel_segments_arrive_all_the_same() {
    // 200 segments are more than any kernel takes in one message; 80,000 bytes are more than a datagram can have.
    let bytes = noise(80_000);
    for driver in DRIVERS {
        for (len, segment) in [(200 * 10 + 3, 10), (80_000, 1400), (66_000, 33_000)] {
            let (socket, remote) = receiver(V4);
            let messages = [message(remote, 0, len, Some(segment)), message(remote, 5, 10, Some(4))];
            let expected: Vec<_> = messages.iter().flat_map(|message| datagrams(&bytes, message)).collect();
            let mut sender = sender(V4, driver);
            let segments = sender.segments();
            send(&mut sender, &bytes, &messages, &[remote]);
            assert_eq!(arrived(&socket), expected, "{driver:?} {len}/{segment}");
            assert_eq!(sender.segments(), segments, "one message's trouble is not the device's");
        }
    }
}

#[test]
fn the_source_address_of_an_unspecified_socket_is_ours_to_choose() {
    let bytes = noise(3000);
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    for driver in DRIVERS {
        let (socket, remote) = receiver(V4);
        let mut sender = sender(any, driver);
        for source in [2, 3].map(|last| IpAddr::from([127, 0, 0, last])) {
            for segment_size in [None, Some(500)] {
                let local = Some(source);
                let mut messages = [Outgoing { local, ..message(remote, 0, 1200, segment_size) }];
                assert_eq!(sender.send(&bytes, &mut messages), 1);
                let mut buf = [0; 2048];
                for _ in datagrams(&bytes, &message(remote, 0, 1200, segment_size)) {
                    let (_, from) = socket.recv_from(&mut buf).expect("it arrives");
                    assert_eq!(from, SocketAddr::new(source, sender.local_addr().port()), "{driver:?}");
                }
            }
        }
    }
}

#[test]
fn an_ipv6_socket_takes_a_source_address_beside_segments() {
    let bytes = noise(3000);
    let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    for driver in DRIVERS {
        let (socket, remote) = receiver(V6);
        let messages = [Outgoing { local: Some(V6), ..message(remote, 0, 2500, Some(1200)) }];
        send(&mut sender(any, driver), &bytes, &messages, &[remote]);
        assert_eq!(arrived(&socket), datagrams(&bytes, &messages[0]).collect::<Vec<_>>(), "{driver:?}");
    }
}

#[test]
fn a_bound_socket_sends_from_its_own_address_whatever_is_said() {
    for driver in DRIVERS {
        let (socket, remote) = receiver(V4);
        let mut sender = sender(IpAddr::from([127, 0, 0, 4]), driver);
        let local = Some(IpAddr::from([127, 0, 0, 5]));
        assert_eq!(sender.send(b"abc", &mut [Outgoing { local, ..message(remote, 0, 3, None) }]), 1);
        let (_, from) = socket.recv_from(&mut [0; 10]).expect("it arrives");
        assert_eq!(from, sender.local_addr());
    }
}

#[test]
fn a_refused_destination_does_not_stop_those_behind_it() {
    let bytes = noise(70_000);
    let refused: [Outgoing; 6] = [
        // Port 0; broadcast without permission; the other family; more than a datagram can have.
        message(SocketAddr::new(V4, 0), 0, 30, None),
        message(SocketAddr::new(V4, 0), 0, 30, Some(10)),
        message("255.255.255.255:9".parse().expect("an address"), 0, 30, Some(10)),
        message(SocketAddr::new(V6, 9), 0, 30, Some(10)),
        message(SocketAddr::new(V4, 9), 0, 66_000, None),
        // Not an address of this machine.
        Outgoing {
            local: Some(IpAddr::from([192, 0, 2, 77])),
            ..message(SocketAddr::new(V4, 9), 0, 30, None)
        },
    ];
    for driver in DRIVERS {
        let (socket, remote) = receiver(V4);
        let mut sender = sender(IpAddr::V4(Ipv4Addr::UNSPECIFIED), driver);
        let segments = sender.segments();
        let mut messages = vec![message(remote, 0, 20, Some(10))];
        for bad in refused {
            messages.extend([bad, message(remote, 100, 25, Some(10)), bad, bad]);
        }
        let expected: Vec<_> = messages
            .iter()
            .filter(|message| message.remote == remote)
            .flat_map(|message| datagrams(&bytes, message))
            .collect();
        send(&mut sender, &bytes, &messages, &[remote]);
        assert_eq!(arrived(&socket), expected, "{driver:?}");
        assert_eq!(sender.segments(), segments, "one destination's trouble is not the device's");
    }
}

#[test]
fn an_empty_datagram_is_one_too() {
    for driver in DRIVERS {
        for segment_size in [None, Some(10)] {
            let (socket, remote) = receiver(V4);
            let messages = [
                message(remote, 0, 3, None),
                message(remote, 3, 0, segment_size),
                message(remote, 0, 12, Some(10)),
            ];
            send(&mut sender(V4, driver), &noise(20), &messages, &[remote]);
            let lens: Vec<_> = arrived(&socket).iter().map(Vec::len).collect();
            assert_eq!(lens, [3, 0, 10, 2], "{driver:?}");
        }
    }
}

#[test]
#[should_panic(expected = "out of range")]
fn a_message_beyond_the_bytes_is_a_mistake() {
    let remote = SocketAddr::new(V4, 9);
    sender(V4, (true, false)).send(&[0; 10], &mut [message(remote, 5, 6, None)]);
}
