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
