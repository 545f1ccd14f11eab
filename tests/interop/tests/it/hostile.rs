//! Datagrams that nobody asked for change nothing.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use headwater_interop::isolated;
use headwater_interop::namespace::IPV4;
use headwater_interop::rig::{self, Source};
use serde_json::json;

use crate::stage::{FIRST_FRAME, Stage, seconds};

/// Enough for every first byte with many lengths, little enough to leave the processor to the stream.
const DATAGRAMS: u32 = 20_000;

/// Not random enough for anything else, and the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// STUN, DTLS and RTP by their first byte (RFC 7983), some with plausible beginnings.
    fn datagram(&mut self) -> Vec<u8> {
        let len = (self.next() % 1300) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| self.next() as u8).collect();
        let head: &[u8] = match self.next() % 6 {
            0 => &[0x00, 0x01, 0x00, 0x50, 0x21, 0x12, 0xa4, 0x42],
            1 => &[0x01, 0x01, 0x00, 0x0c, 0x21, 0x12, 0xa4, 0x42],
            2 => &[0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xff, 0x01],
            3 => &[0x80, 0x60],
            4 => &[0x81, 0xc9, 0x00, 0x07],
            _ => &[],
        };
        for (byte, value) in bytes.iter_mut().zip(head) {
            *byte = *value;
        }
        bytes
    }
}

#[test]
fn garbage_does_not_disturb_a_stream() {
    isolated(|| {
        let mut stage = Stage::set(&[]);
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "VP8" }));
        let viewer = stage.viewer();
        stage.assert_plays(&viewer);
        let sessions = stage.server.sessions().unwrap().len();

        let media = SocketAddr::from((IPV4, stage.server.media_port()));
        let flood = std::thread::spawn(move || {
            let socket = UdpSocket::bind((IPV4, 0)).unwrap();
            let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
            for i in 0..DATAGRAMS {
                let _ = socket.send_to(&noise.datagram(), media);
                if i % 50 == 0 {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            socket.recv_from(&mut [0; 2048]).ok().map(|(len, _)| len)
        });
        let seen = rig::measure(&viewer, seconds(5)).unwrap();
        let reply = flood.join().unwrap();
        println!("{seen:?}");
        assert_eq!(reply, None, "garbage is never answered");
        assert!(seen.frames > 75 && seen.longest_gap < 1000.0, "{seen:?}");
        assert_eq!(stage.server.sessions().unwrap().len(), sessions);
        stage.frame_after(&viewer, None, FIRST_FRAME);
        stage.assert_alive();
    });
}
