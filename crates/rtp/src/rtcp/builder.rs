//! Writes RTCP packets, one after the other, into the caller's buffer.

use super::{
    BYE, Dlrr, EXTENDED_REPORT, FirEntry, MAX_REPORT_BLOCKS, PAYLOAD_FEEDBACK, RECEIVER_REPORT, ReportBlock,
    SDES, SENDER_REPORT, SenderInfo, TRANSPORT_FEEDBACK, extended_report, fmt, nack, remb, transport_cc,
};
use crate::{NtpTime, SequenceNumber, Ssrc};

/// Longest text of an SDES item or a BYE: the length has eight bits.
const MAX_TEXT_LEN: usize = 255;
/// Most entries in one FIR or DLRR that we write.
const MAX_ENTRIES: usize = 255;

/// Appends RTCP packets to a buffer. The order is the caller's: compounds begin with a report
/// (RFC 3550 §6.1), reduced-size datagrams need not (RFC 5506).
///
/// Lists longer than their field can count are cut; nothing here fails or panics.
#[derive(Debug)]
pub struct Builder<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Builder<'a> {
    /// Packets are appended to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// Bytes appended so far.
    pub fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// SR with the first 31 of `reports` (RFC 3550 §6.4.1).
    pub fn sender_report(&mut self, info: &SenderInfo, reports: &[ReportBlock]) -> &mut Self {
        let reports = &reports[..reports.len().min(MAX_REPORT_BLOCKS)];
        self.packet(SENDER_REPORT, reports.len() as u8, |out| {
            info.emit(out);
            reports.iter().for_each(|report| report.emit(out));
        })
    }

    /// RR with the first 31 of `reports` (RFC 3550 §6.4.2).
    pub fn receiver_report(&mut self, ssrc: Ssrc, reports: &[ReportBlock]) -> &mut Self {
        let reports = &reports[..reports.len().min(MAX_REPORT_BLOCKS)];
        self.packet(RECEIVER_REPORT, reports.len() as u8, |out| {
            out.extend_from_slice(&ssrc.0.to_be_bytes());
            reports.iter().for_each(|report| report.emit(out));
        })
    }

    /// SDES with one CNAME of at most 255 bytes (RFC 3550 §6.5.1).
    pub fn sdes_cname(&mut self, ssrc: Ssrc, cname: &str) -> &mut Self {
        let cname = cut(cname);
        self.packet(SDES, 1, |out| {
            out.extend_from_slice(&ssrc.0.to_be_bytes());
            out.extend_from_slice(&[1, cname.len() as u8]);
            out.extend_from_slice(cname);
            // At least one zero ends the chunk; `packet` fills the word.
            out.push(0);
        })
    }

    /// BYE for the first 31 of `sources` (RFC 3550 §6.6).
    pub fn bye(&mut self, sources: &[Ssrc], reason: Option<&str>) -> &mut Self {
        let sources = &sources[..sources.len().min(MAX_REPORT_BLOCKS)];
        self.packet(BYE, sources.len() as u8, |out| {
            sources.iter().for_each(|ssrc| out.extend_from_slice(&ssrc.0.to_be_bytes()));
            if let Some(reason) = reason.map(cut) {
                out.push(reason.len() as u8);
                out.extend_from_slice(reason);
            }
        })
    }

    /// Generic NACK; numbers in ascending order pack best. Nothing is written for an empty list
    /// (RFC 4585 §6.2.1).
    pub fn nack(
        &mut self,
        sender: Ssrc,
        media: Ssrc,
        lost: impl IntoIterator<Item = SequenceNumber>,
    ) -> &mut Self {
        let mut lost = lost.into_iter().peekable();
        if lost.peek().is_none() {
            return self;
        }
        self.feedback(TRANSPORT_FEEDBACK, fmt::NACK, sender, media, |out| nack::emit(lost, out))
    }

    /// PLI (RFC 4585 §6.3.1).
    pub fn pli(&mut self, sender: Ssrc, media: Ssrc) -> &mut Self {
        self.feedback(PAYLOAD_FEEDBACK, fmt::PLI, sender, media, |_| ())
    }

    /// FIR; the sequence goes up by one with each new request (RFC 5104 §4.3.1).
    pub fn fir(&mut self, sender: Ssrc, entries: &[FirEntry]) -> &mut Self {
        let entries = &entries[..entries.len().min(MAX_ENTRIES)];
        self.feedback(PAYLOAD_FEEDBACK, fmt::FIR, sender, Ssrc(0), |out| {
            for entry in entries {
                out.extend_from_slice(&entry.ssrc.0.to_be_bytes());
                out.extend_from_slice(&[entry.sequence, 0, 0, 0]);
            }
        })
    }

    /// REMB in bits per second, rounded down to 18 significant bits.
    pub fn remb(&mut self, sender: Ssrc, bitrate: u64, media: &[Ssrc]) -> &mut Self {
        self.feedback(PAYLOAD_FEEDBACK, fmt::APPLICATION, sender, Ssrc(0), |out| {
            remb::emit(bitrate, media, out);
        })
    }

    /// Transport-wide feedback: see [`transport_cc::Feedback`].
    pub fn transport_cc(
        &mut self,
        sender: Ssrc,
        media: Ssrc,
        feedback: &transport_cc::Feedback<'_>,
    ) -> &mut Self {
        self.feedback(TRANSPORT_FEEDBACK, fmt::TRANSPORT_CC, sender, media, |out| feedback.emit(out))
    }

    /// XR with a receiver reference time and, unless empty, a DLRR block (RFC 3611 §4.4, §4.5).
    pub fn extended_report(
        &mut self,
        sender: Ssrc,
        reference_time: Option<NtpTime>,
        dlrr: &[Dlrr],
    ) -> &mut Self {
        let dlrr = &dlrr[..dlrr.len().min(MAX_ENTRIES)];
        self.packet(EXTENDED_REPORT, 0, |out| {
            out.extend_from_slice(&sender.0.to_be_bytes());
            if let Some(ntp) = reference_time {
                extended_report::emit_reference_time(ntp, out);
            }
            if !dlrr.is_empty() {
                extended_report::emit_dlrr(dlrr, out);
            }
        })
    }

    fn feedback(
        &mut self,
        packet_type: u8,
        message_type: u8,
        sender: Ssrc,
        media: Ssrc,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> &mut Self {
        self.packet(packet_type, message_type, |out| {
            out.extend_from_slice(&sender.0.to_be_bytes());
            out.extend_from_slice(&media.0.to_be_bytes());
            write(out);
        })
    }

    /// Header, body, zeros to the next word, and the length.
    fn packet(&mut self, packet_type: u8, count: u8, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        let start = self.out.len();
        self.out.extend_from_slice(&[0x80 | count & 0x1f, packet_type, 0, 0]);
        write(self.out);
        let len = (self.out.len() - start).next_multiple_of(4);
        self.out.resize(start + len, 0);
        match u16::try_from(len / 4 - 1) {
            Ok(words) => self.out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes()),
            // Only a NACK of a hundred thousand numbers gets here: better none than a broken one.
            Err(_) => self.out.truncate(start),
        }
        self
    }
}

/// At most 255 bytes, ending between two characters.
fn cut(text: &str) -> &[u8] {
    let end = (0..=MAX_TEXT_LEN.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text.as_bytes()[..end.unwrap_or(0)]
}
