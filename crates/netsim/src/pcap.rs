//! Writes what crossed the network as a capture file (pcap, link type "raw IP"), for Wireshark.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Only the newest datagrams are kept: a failure is near the end.
const MAX_RECORDS: usize = 50_000;

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const LINK_TYPE_RAW: u32 = 101;
const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_TCP: u8 = 6;

/// The header behind IP's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Header {
    Udp,
    /// With this sequence number and these flags.
    Tcp(u32, u8),
}

#[derive(Debug)]
struct Record {
    time: Duration,
    header: Header,
    source: SocketAddr,
    destination: SocketAddr,
    contents: Vec<u8>,
}

/// The newest datagrams, and the file that they go to.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) path: PathBuf,
    records: VecDeque<Record>,
}

impl Capture {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), records: VecDeque::new() }
    }

    pub(crate) fn record(
        &mut self,
        time: Duration,
        header: Header,
        source: SocketAddr,
        to: SocketAddr,
        contents: &[u8],
    ) {
        if self.records.len() == MAX_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(Record { time, header, source, destination: to, contents: contents.to_vec() });
    }

    pub(crate) fn write(&self) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(&self.path)?);
        file.write_all(&MAGIC_MICROSECONDS.to_le_bytes())?;
        file.write_all(&[2, 0, 4, 0])?; // Version 2.4.
        file.write_all(&[0; 8])?; // Time zone and accuracy, always 0.
        file.write_all(&u32::from(u16::MAX).to_le_bytes())?;
        file.write_all(&LINK_TYPE_RAW.to_le_bytes())?;
        for record in &self.records {
            let packet = record.ip_packet();
            let seconds = u32::try_from(record.time.as_secs()).unwrap_or(u32::MAX);
            let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
            for word in [seconds, record.time.subsec_micros(), len, len] {
                file.write_all(&word.to_le_bytes())?;
            }
            file.write_all(&packet)?;
        }
        file.flush()
    }
}

impl Record {
    fn ip_packet(&self) -> Vec<u8> {
        let (protocol, header_len) = match self.header {
            Header::Udp => (PROTOCOL_UDP, 8),
            Header::Tcp(..) => (PROTOCOL_TCP, 20),
        };
        let payload_len = u16::try_from(self.contents.len() + header_len).unwrap_or(u16::MAX);
        let mut packet = Vec::with_capacity(self.contents.len() + 48);
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                packet.extend([0x45, 0]);
                packet.extend(payload_len.saturating_add(20).to_be_bytes());
                packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
                packet.extend(source.octets());
                packet.extend(destination.octets());
                let checksum = internet_checksum(&packet);
                packet[10..12].copy_from_slice(&checksum.to_be_bytes());
            }
            (source, destination) => {
                packet.extend([0x60, 0, 0, 0]);
                packet.extend(payload_len.to_be_bytes());
                packet.extend([protocol, 64]);
                for address in [source, destination] {
                    packet.extend(match address {
                        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                        IpAddr::V6(address) => address.octets(),
                    });
                }
            }
        }
        packet.extend(self.source.port().to_be_bytes());
        packet.extend(self.destination.port().to_be_bytes());
        // No checksums: legal for UDP over IPv4, and readers don't mind it elsewhere.
        match self.header {
            Header::Udp => {
                packet.extend(payload_len.to_be_bytes());
                packet.extend([0, 0]);
            }
            Header::Tcp(sequence, flags) => {
                packet.extend(sequence.to_be_bytes());
                packet.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
            }
        }
        packet.extend(&self.contents);
        packet
    }
}

/// RFC 1071, over an even number of bytes.
fn internet_checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
