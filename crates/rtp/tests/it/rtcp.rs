//! RTCP: bytes, building, bounds.

use std::time::Duration;

use headwater_rtp::rtcp::{
    self, Builder, Dlrr, FirEntry, Packet, ReportBlock, SdesItemKind, SenderInfo, XrBlock, packets,
};
use headwater_rtp::{NtpTime, ParseError, SequenceNumber, Ssrc};

fn build(write: impl FnOnce(&mut Builder<'_>)) -> Vec<u8> {
    let mut out = vec![0xaa];
    let mut builder = Builder::new(&mut out);
    assert!(builder.is_empty());
    write(&mut builder);
    assert_eq!(builder.len() % 4, 0);
    out.split_off(1)
}

#[track_caller]
fn only(bytes: &[u8]) -> Packet<'_> {
    let mut all = packets(bytes);
    let first = all.next().unwrap().unwrap();
    assert!(all.next().is_none());
    first
}

fn block() -> ReportBlock {
    let mut block = ReportBlock::new(Ssrc(7));
    block.fraction_lost = 64;
    block.cumulative_lost = -5;
    block.extended_highest_sequence = 0x0001_ffff;
    block.jitter = 900;
    block.last_sender_report = 0x1234_5678;
    block.delay_since_last_sender_report = 0x8000;
    block
}

#[test]
fn sender_report_round_trip() {
    let info = SenderInfo::new(Ssrc(1), NtpTime(0x0102_0304_0506_0708), 9, 10, 11);
    let bytes = build(|builder| {
        builder.sender_report(&info, &[block()]);
    });
    assert_eq!(
        hex::encode(&bytes),
        concat!(
            "81c8000c",
            "00000001",
            "0102030405060708",
            "00000009",
            "0000000a",
            "0000000b",
            "00000007",
            "40fffffb",
            "0001ffff",
            "00000384",
            "12345678",
            "00008000"
        )
    );
    let Packet::SenderReport(report) = only(&bytes) else { panic!() };
    assert_eq!(report.info, info);
    assert_eq!(report.reports().collect::<Vec<_>>(), [block()]);
}

#[test]
fn receiver_report_holds_at_most_31_blocks() {
    let bytes = build(|builder| {
        builder.receiver_report(Ssrc(1), &[block(); 40]);
    });
    let Packet::ReceiverReport(report) = only(&bytes) else { panic!() };
    assert_eq!((report.ssrc, report.reports().len()), (Ssrc(1), 31));
}

#[test]
fn round_trip_time_is_what_the_rfc_computes() {
    // RFC 3550 §6.4.1, figure 2.
    let mut block = ReportBlock::new(Ssrc(1));
    block.last_sender_report = 0xb705_2000;
    block.delay_since_last_sender_report = 0x0005_4000;
    let now = NtpTime(0xb710_8000_u64 << 16);
    assert_eq!(block.round_trip_time(now), Some(Duration::from_millis(6125)));
    assert_eq!(block.round_trip_time(NtpTime(0xb70a_5fff_u64 << 16)), Some(Duration::ZERO));
    assert_eq!(block.round_trip_time(NtpTime(0xb700_0000_u64 << 16)), None);
    assert_eq!(ReportBlock::new(Ssrc(1)).round_trip_time(now), None);
}

#[test]
fn descriptions_and_goodbyes_round_trip() {
    for cname in ["", "a", "ab", "abc", "abcd", &"ä".repeat(200)] {
        let bytes = build(|builder| {
            builder.sdes_cname(Ssrc(3), cname);
        });
        let Packet::Sdes(sdes) = only(&bytes) else { panic!() };
        let items: Vec<_> = sdes.items().collect();
        assert_eq!(items.len(), 1);
        assert_eq!((items[0].ssrc, items[0].kind), (Ssrc(3), SdesItemKind::Cname));
        let text = std::str::from_utf8(items[0].text).unwrap();
        assert!(cname.starts_with(text) && (text.len() == cname.len() || text.len() == 254));
    }
    for reason in [None, Some("over")] {
        let bytes = build(|builder| {
            builder.bye(&[Ssrc(1), Ssrc(2)], reason);
        });
        let Packet::Bye(bye) = only(&bytes) else { panic!() };
        assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
        assert_eq!(bye.reason, reason.map(str::as_bytes));
    }
}

#[test]
fn nack_packs_neighbours() {
    let numbers = [65530, 65531, 65534, 10, 11, 27, 500].map(SequenceNumber);
    let bytes = build(|builder| {
        builder.nack(Ssrc(1), Ssrc(2), numbers);
    });
    assert_eq!(hex::encode(&bytes), "81cd00050000000100000002fffa8009000b8000 01f40000".replace(' ', ""));
    let Packet::Nack(nack) = only(&bytes) else { panic!() };
    assert_eq!((nack.sender, nack.media), (Ssrc(1), Ssrc(2)));
    assert_eq!(nack.lost().collect::<Vec<_>>(), numbers);
    assert!(
        build(|builder| {
            builder.nack(Ssrc(1), Ssrc(2), []);
        })
        .is_empty()
    );
}

#[test]
fn key_frame_requests_round_trip() {
    let bytes = build(|builder| {
        builder.pli(Ssrc(1), Ssrc(2));
    });
    assert_eq!(hex::encode(&bytes), "81ce00020000000100000002");
    let Packet::Pli(pli) = only(&bytes) else { panic!() };
    assert_eq!((pli.sender, pli.media), (Ssrc(1), Ssrc(2)));

    let source = build(|builder| {
        builder.pli(Ssrc(1), Ssrc(2));
    });
    assert_eq!(source, bytes);
    let raw = hex::decode("84ce0004000000010000000000000009 2a000000".replace(' ', "")).unwrap();
    let Packet::Fir(fir) = only(&raw) else { panic!() };
    let entries: Vec<FirEntry> = fir.entries().collect();
    assert_eq!((entries[0].ssrc, entries[0].sequence), (Ssrc(9), 42));
    let again = build(|builder| {
        builder.fir(fir.sender, &entries);
    });
    assert_eq!(again, raw);
}

#[test]
fn remb_keeps_eighteen_bits() {
    for (bitrate, kept) in [
        (0, 0),
        (300_000, 299_999 / 2 * 2 + 2),
        (262_143, 262_143),
        (u64::MAX, 0x3ffff << 46),
        (2_500_001, 2_500_000),
    ] {
        let bytes = build(|builder| {
            builder.remb(Ssrc(1), bitrate, &[Ssrc(5), Ssrc(6)]);
        });
        let Packet::Remb(remb) = only(&bytes) else { panic!() };
        assert_eq!(remb.bitrate, kept);
        assert_eq!(remb.media().collect::<Vec<_>>(), [Ssrc(5), Ssrc(6)]);
    }
    // Exponent 63 overflows.
    let huge = hex::decode("8fce0004000000010000000052454d4200ffffff").unwrap();
    let Packet::Remb(remb) = only(&huge) else { panic!() };
    assert_eq!(remb.bitrate, u64::MAX);
    // Another application's message.
    let other = hex::decode("8fce0004000000010000000052454d4300ffffff").unwrap();
    assert!(matches!(only(&other), Packet::Unknown(_)));
}

#[test]
fn extended_reports_round_trip_and_foreign_blocks_are_skipped() {
    let dlrr = [Dlrr::new(Ssrc(8), 0x10000, 0x8000)];
    let bytes = build(|builder| {
        builder.extended_report(Ssrc(1), Some(NtpTime(5)), &dlrr);
    });
    let Packet::ExtendedReport(report) = only(&bytes) else { panic!() };
    let blocks: Vec<_> = report.blocks().collect();
    assert!(matches!(blocks[0], XrBlock::ReceiverReferenceTime(NtpTime(5))));
    let XrBlock::Dlrr(entries) = blocks[1] else { panic!() };
    assert_eq!(entries.entries().collect::<Vec<_>>(), dlrr);
    assert_eq!(dlrr[0].round_trip_time(NtpTime(0x2_0000_0000)), Some(Duration::from_millis(500)));

    let foreign = hex::decode("80cf000400000001 2a000001 01020304 04000002".replace(' ', "")).unwrap();
    assert_eq!(packets(&foreign).next().unwrap().unwrap_err(), ParseError::BadLength);
    let foreign = hex::decode("80cf000300000001 2a000001 01020304".replace(' ', "")).unwrap();
    let Packet::ExtendedReport(report) = only(&foreign) else { panic!() };
    assert!(matches!(report.blocks().next(), Some(XrBlock::Other(42, [1, 2, 3, 4]))));
}

#[test]
fn compound_goes_on_behind_a_malformed_packet_and_stops_at_broken_framing() {
    let bytes = build(|builder| {
        builder.receiver_report(Ssrc(1), &[]).pli(Ssrc(1), Ssrc(2)).sdes_cname(Ssrc(1), "c");
    });
    assert_eq!(packets(&bytes).filter(Result::is_ok).count(), 3);
    let mut malformed = bytes.clone();
    malformed[0] = 0x85; // five report blocks that are not there
    let results: Vec<_> = packets(&malformed).map(|packet| packet.is_ok()).collect();
    assert_eq!(results, [false, true, true]);
    let mut broken = bytes.clone();
    broken[8] = 0x01;
    let results: Vec<_> = packets(&broken).map(|packet| packet.map(|_| ())).collect();
    assert_eq!(results, [Ok(()), Err(ParseError::BadVersion(0))]);
    let cut = packets(&bytes[..bytes.len() - 1]).last().unwrap();
    assert!(matches!(cut, Err(ParseError::Truncated { .. })));
    assert_eq!(packets(&[]).count(), 0);
}

#[test]
fn padding_is_taken_off_and_checked() {
    let padded = hex::decode("a1ce00030000000100000002 00000004".replace(' ', "")).unwrap();
    assert!(matches!(only(&padded), Packet::Pli(_)));
    for wrong in ["00000000", "00000011"] {
        let bytes = hex::decode("a1ce00030000000100000002".to_owned() + wrong).unwrap();
        assert_eq!(packets(&bytes).next().unwrap().unwrap_err(), ParseError::BadPadding);
    }
    assert_eq!(
        packets(&hex::decode("a0c80000").unwrap()).next().unwrap().unwrap_err(),
        ParseError::BadPadding
    );
}

#[test]
fn malformed_insides_are_refused() {
    for bytes in [
        "80c80000",
        "81c80006000000010000000000000000000000000000000000000000",
        "81c9000100000001",
        "80c90000",
        "81ca0000",
        "81ca000100000001",
        "81ca00020000000101ff0000",
        "82ca00020000000101004100",
        "81cb0000",
        "80cb0001ff000000",
        "81cd000200000001 00000002",
        "81ce0001 00000001",
        "84ce000200000001 00000000",
        "8fce0003000000010000000052454d42",
        "8fce0004000000010000000052454d4201000000",
        "80cf0000",
        "80cf000200000001 04000002",
        "80cf0003 00000001 04000001 00000000",
    ] {
        let bytes = hex::decode(bytes.replace(' ', "")).unwrap();
        assert!(packets(&bytes).next().unwrap().is_err(), "{bytes:02x?}");
    }
    for skipped in ["80cc0002 00000001 6e616d65", "81c0000100000001", "8bcd000200000001 00000002"] {
        let bytes = hex::decode(skipped.replace(' ', "")).unwrap();
        assert!(matches!(only(&bytes), Packet::Unknown(_) | Packet::App(_)), "{skipped}");
    }
}

#[test]
fn rtp_and_rtcp_are_told_apart() {
    for (bytes, expected) in [
        ([0x80, 200], true),
        ([0x81, 205], true),
        ([0x80, 96], false),
        ([0x80, 0xe0], false),
        ([0x16, 200], false),
    ] {
        assert_eq!(headwater_rtp::is_rtcp(&bytes), expected);
    }
    assert!(!headwater_rtp::is_rtcp(&[0x80]));
    let _: fn(&[u8]) -> rtcp::Packets<'_> = packets;
}
