//! What a failed test leaves behind.

use crate::probe::Probe;
use headwater_netsim::{FIRST, FIRST_ADDRESS, Network, SECOND_ADDRESS};

#[test]
fn a_panic_leaves_a_capture_and_success_leaves_none() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("capture.pcap");
    let _ = std::fs::remove_file(&path);
    let run = |fails: bool| {
        let mut net = Network::pair(Probe::default(), Probe::default()).capture(&path);
        net[FIRST].say(FIRST_ADDRESS, SECOND_ADDRESS, b"hello");
        net.run_until_silent();
        assert!(!fails, "planted");
    };
    run(false);
    assert!(!path.exists());
    assert!(std::panic::catch_unwind(|| run(true)).is_err());

    let file = std::fs::read(&path).unwrap();
    assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    let packet = &file[24 + 16..];
    assert_eq!(packet.len(), 20 + 8 + 5);
    assert_eq!(packet[0], 0x45);
    assert_eq!(packet[12..16], [192, 0, 2, 1]);
    assert_eq!(packet[20..24], [0x13, 0x89, 0x13, 0x8a]);
    assert_eq!(packet[28..], *b"hello");
    // The header's words sum to all ones (RFC 1071).
    let sum: u32 = packet[..20].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
}

#[test]
fn connections_are_captured_as_tcp_with_growing_sequence_numbers() {
    use crate::caller::Caller;
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("stream.pcap");
    let run = || {
        let mut net = Network::pair(Caller::default(), Caller::server()).capture(&path);
        net[FIRST].connect(FIRST_ADDRESS, SECOND_ADDRESS);
        net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, b"hello");
        net[FIRST].write(FIRST_ADDRESS, SECOND_ADDRESS, b"again");
        net.run_until_silent();
        panic!("planted");
    };
    assert!(std::panic::catch_unwind(run).is_err());

    let file = std::fs::read(&path).unwrap();
    let mut rest = &file[24..];
    let mut segments = Vec::new();
    while let Some((header, packets)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let (packet, next) = packets.split_at(len);
        rest = next;
        assert_eq!(packet[9], 6, "TCP");
        let from_first = packet[12..16] == [192, 0, 2, 1];
        let sequence = u32::from_be_bytes(packet[24..28].try_into().unwrap());
        segments.push((from_first, packet[33], sequence, packet[40..].to_vec()));
    }
    let of_first: Vec<_> = segments.into_iter().filter(|it| it.0).map(|it| (it.1, it.2, it.3)).collect();
    let expected = [(0x02, 0, ""), (0x10, 1, ""), (0x18, 1, "hello"), (0x18, 6, "again")];
    assert_eq!(of_first, expected.map(|(flags, at, text)| (flags, at, text.as_bytes().to_vec())));
}
