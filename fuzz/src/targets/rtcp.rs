//! RTCP compounds: every packet, every field, and what we write of them.

use headwater_rtp::rtcp::{self, Builder, Packet, XrBlock, transport_cc};
use headwater_rtp::{NtpTime, Ssrc};

/// Takes the input as one datagram.
pub fn rtcp(data: &[u8]) {
    let mut count = 0;
    for packet in rtcp::packets(data) {
        count += 1;
        let Ok(packet) = packet else { continue };
        let once = write(&packet);
        if once.is_empty() {
            continue;
        }
        let mut again = rtcp::packets(&once);
        let parsed = again.next().expect("one packet was written").expect("we write proper packets");
        assert!(again.next().is_none(), "one packet became several");
        let twice = write(&parsed);
        assert_eq!(once, twice, "{packet:?} is not stable");
    }
    assert!(count <= data.len() / 4 + 1, "each packet takes four bytes at least");
}

/// Writes a packet anew from its fields, if it is one that we write.
fn write(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = Builder::new(&mut out);
    match packet {
        Packet::SenderReport(report) => {
            builder.sender_report(&report.info, &report.reports().collect::<Vec<_>>());
        }
        Packet::ReceiverReport(report) => {
            let blocks: Vec<_> = report.reports().collect();
            for block in &blocks {
                let _ = block.round_trip_time(NtpTime(u64::from(block.jitter) << 32));
            }
            builder.receiver_report(report.ssrc, &blocks);
        }
        Packet::Sdes(sdes) => {
            assert!(sdes.items().count() <= 0x10000);
            if let Some((ssrc, Ok(cname))) =
                sdes.cnames().map(|(ssrc, name)| (ssrc, std::str::from_utf8(name))).next()
            {
                builder.sdes_cname(ssrc, cname);
            }
        }
        Packet::Bye(bye) => {
            let reason = bye.reason.and_then(|reason| std::str::from_utf8(reason).ok());
            builder.bye(&bye.sources().collect::<Vec<_>>(), reason);
        }
        Packet::Nack(nack) => {
            // A hostile one names the same numbers often; what it means is a set.
            let mut lost: Vec<_> = nack.lost().collect();
            lost.sort_by_key(|number| number.0);
            lost.dedup();
            builder.nack(nack.sender, nack.media, lost);
        }
        Packet::Pli(pli) => {
            builder.pli(pli.sender, pli.media);
        }
        Packet::Fir(fir) => {
            builder.fir(fir.sender, &fir.entries().collect::<Vec<_>>());
        }
        Packet::Remb(remb) => {
            builder.remb(remb.sender, remb.bitrate, &remb.media().collect::<Vec<Ssrc>>());
        }
        Packet::TransportCc(feedback) => {
            let deltas: Vec<Option<i16>> = feedback.deltas().map(|(_, delta)| delta).collect();
            assert_eq!(deltas.len(), usize::from(feedback.status_count));
            assert_eq!(feedback.statuses().count(), deltas.len());
            let written = transport_cc::Feedback::new(
                feedback.base,
                feedback.reference_time,
                feedback.feedback_count,
                &deltas,
            );
            builder.transport_cc(feedback.sender, feedback.media, &written);
        }
        Packet::ExtendedReport(report) => {
            let (mut reference, mut entries) = (None, Vec::new());
            for block in report.blocks() {
                match block {
                    XrBlock::ReceiverReferenceTime(ntp) => reference = Some(ntp),
                    XrBlock::Dlrr(dlrr) => entries.extend(dlrr.entries()),
                    _ => {}
                }
            }
            builder.extended_report(report.sender, reference, &entries);
        }
        _ => {}
    }
    out
}
