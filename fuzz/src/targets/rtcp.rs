//! RTCP compounds: every packet, every field.

use headwater_rtp::rtcp;

/// Takes the input as one datagram.
pub fn rtcp(data: &[u8]) {
    let mut count = 0;
    for packet in rtcp::packets(data) {
        count += 1;
        // Printing walks through every list that the packet borrows.
        if let Ok(packet) = packet {
            let _ = format!("{packet:?}").len();
        }
    }
    assert!(count <= data.len() / 4 + 1, "each packet takes four bytes at least");
}
