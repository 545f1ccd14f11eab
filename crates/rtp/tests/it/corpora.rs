//! Third-party corpora, read in place where they are at hand: nothing panics, and what must be
//! refused is.

use std::path::{Path, PathBuf};

use headwater_rtp::extension::dependency_descriptor::Structure;
use headwater_rtp::extension::{Extension, VideoLayersAllocation};
use headwater_rtp::{Codec, Packet, describe, rtcp};

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = std::env::var_os("HEADWATER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let folder = root.join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("{} is not there: this test checked nothing", folder.display());
        return Vec::new();
    };
    let read = |path: PathBuf| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

/// Every accessor of everything.
fn walk_rtcp(datagram: &[u8]) -> Vec<Result<(), headwater_rtp::ParseError>> {
    rtcp::packets(datagram).map(|packet| packet.map(|packet| super::properties::touch(&packet))).collect()
}

#[test]
fn rtcp_corpora_do_not_panic_and_broken_packets_are_refused() {
    for (name, bytes) in files("rtcp/libwebrtc-corpus") {
        assert!(walk_rtcp(&bytes).len() <= bytes.len() / 4 + 1, "{name}");
    }
    for (name, bytes) in files("rtcp/aiortc") {
        let broken = name.contains("invalid") || name.contains("truncated");
        let results = walk_rtcp(&bytes);
        assert_eq!(results.iter().any(Result::is_err), broken, "{name}: {results:?}");
    }
}

#[test]
fn rtp_corpora_do_not_panic() {
    for (name, bytes) in files("rtp/libwebrtc-corpus").into_iter().chain(files("rtp/aiortc")) {
        for codec in Codec::ALL {
            describe(*codec, &bytes);
        }
        if let Ok(packet) = Packet::parse(&bytes) {
            assert!(packet.extensions().count() <= bytes.len(), "{name}");
        } else {
            assert!(!name.starts_with("rtp_"), "{name}: a good packet is refused");
        }
    }
}

#[test]
fn extension_and_payload_seeds_do_not_panic() {
    for (_, bytes) in files("rtp/libwebrtc-dependency-descriptor") {
        for value in bytes.chunks(255).chain([&bytes[..]]) {
            if let Ok(Some(structure)) = Structure::parse(value) {
                let _ = structure.frame(value);
            }
        }
    }
    for (_, bytes) in files("rtp/libwebrtc-vla") {
        let _ = VideoLayersAllocation::parse(&bytes);
    }
    for (name, bytes) in files("rtp/libwebrtc-h264-depacketizer") {
        assert!(describe(Codec::H264, &bytes).resolution.is_none(), "{name}");
    }
}

#[test]
fn h264_payloads_of_a_call_are_told_apart() {
    for (name, bytes) in files("rtp/aiortc").iter().filter(|(name, _)| name.starts_with("h264")) {
        // 0000 is a STAP-A of parameter sets, 0001 and 0002 fragments of an IDR, 0003 its end.
        let descriptor = describe(Codec::H264, bytes);
        let begins = name.ends_with("0000.bin") || name.ends_with("0001.bin");
        assert_eq!(descriptor.key_frame, begins, "{name}: {descriptor:?}");
    }
}

/// | length (16) | packet length (16) | ms (32) | packet |
fn rtpdump(bytes: &[u8]) -> Vec<&[u8]> {
    let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1 + 16;
    let mut rest = &bytes[header..];
    let mut packets = Vec::new();
    while let Some((&[l1, l0, ..], _)) = rest.split_first_chunk::<8>() {
        let len = usize::from(u16::from_be_bytes([l1, l0]));
        packets.push(&rest[8..len]);
        rest = &rest[len..];
    }
    packets
}

#[test]
fn rtpdumps_of_calls_begin_with_a_key_frame() {
    for (name, bytes) in files("rtp/libwebrtc-rtpdump") {
        let codec = Codec::from_name(name.trim_end_matches(".rtpdump")).unwrap();
        let mut packets = 0;
        for bytes in rtpdump(&bytes).iter().filter(|bytes| !headwater_rtp::is_rtcp(bytes)) {
            let packet = Packet::parse(bytes).unwrap();
            if packet.payload().is_empty() {
                continue;
            }
            let descriptor = describe(codec, packet.payload());
            assert!(descriptor.key_frame || packets > 0, "{name}");
            assert!(descriptor.picture_id.is_some(), "{name}");
            packets += 1;
        }
        assert!(packets > 50, "{name}: {packets}");
    }
}
