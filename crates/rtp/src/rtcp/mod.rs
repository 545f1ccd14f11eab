//! RTCP: control packets, alone (RFC 5506) or in compounds (RFC 3550 §6.1).
//!
//! [`packets`] walks over a datagram; each packet is checked once and borrows from it.
//! [`Builder`] appends packets to a buffer.

mod builder;
mod bye;
mod extended_report;
mod fir;
mod nack;
mod pli;
mod receiver_report;
mod remb;
mod report_block;
mod sdes;
mod sender_report;
pub mod transport_cc;

pub use builder::Builder;
pub use bye::Bye;
pub use extended_report::{Dlrr, DlrrBlock, ExtendedReport, XrBlock};
pub use fir::{Fir, FirEntry};
pub use nack::Nack;
pub use pli::Pli;
pub use receiver_report::ReceiverReport;
pub use remb::{MAX_REMB_SSRCS, Remb};
pub use report_block::{MAX_REPORT_BLOCKS, ReportBlock};
pub use sdes::{Sdes, SdesItem, SdesItemKind};
pub use sender_report::{SenderInfo, SenderReport};
pub use transport_cc::TransportCc;

use crate::{ParseError, Ssrc};

const HEADER_LEN: usize = 4;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const APP: u8 = 204;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

/// Feedback message types under [`TRANSPORT_FEEDBACK`] and [`PAYLOAD_FEEDBACK`].
mod fmt {
    pub(super) const NACK: u8 = 1;
    pub(super) const TRANSPORT_CC: u8 = 15;
    pub(super) const PLI: u8 = 1;
    pub(super) const FIR: u8 = 4;
    pub(super) const APPLICATION: u8 = 15;
}

/// One RTCP packet, checked.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// SR (RFC 3550 §6.4.1).
    SenderReport(SenderReport<'a>),
    /// RR (RFC 3550 §6.4.2).
    ReceiverReport(ReceiverReport<'a>),
    /// SDES (RFC 3550 §6.5).
    Sdes(Sdes<'a>),
    /// BYE (RFC 3550 §6.6).
    Bye(Bye<'a>),
    /// APP (RFC 3550 §6.7): of no use to us.
    App(Unknown<'a>),
    /// Generic NACK (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// Picture loss indication (RFC 4585 §6.3.1).
    Pli(Pli),
    /// Full intra request (RFC 5104 §4.3.1).
    Fir(Fir<'a>),
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    Remb(Remb<'a>),
    /// Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportCc(TransportCc<'a>),
    /// XR (RFC 3611).
    ExtendedReport(ExtendedReport<'a>),
    /// Any other packet type or feedback message: skipped over.
    Unknown(Unknown<'a>),
}

/// A packet that is not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unknown<'a> {
    /// Packet type, 192 to 223.
    pub packet_type: u8,
    /// The five bits after the padding bit: count, subtype or feedback message type.
    pub count: u8,
    /// What follows the four bytes of header, without padding.
    pub body: &'a [u8],
}

/// Walks over the RTCP packets of a (decrypted) datagram.
///
/// A packet whose inside is malformed is one `Err`, and the walk goes on behind it. When the
/// framing itself is broken (version, length, padding), that `Err` is the last item. Both compound
/// and reduced-size datagrams are taken; the order of packets is not judged.
pub const fn packets(datagram: &[u8]) -> Packets<'_> {
    Packets { rest: datagram }
}

/// Iterator of [`packets`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match split_packet(self.rest) {
            Ok((packet, rest)) => {
                self.rest = rest;
                Some(Packet::parse(packet))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// RFC 3550 §6.4.1   | V=2 | P | count (5) | packet type (8) | length in words - 1 (16) |
fn split_packet(bytes: &[u8]) -> Result<(Unknown<'_>, &[u8]), ParseError> {
    let Some(&[first, packet_type, len_hi, len_lo]) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(ParseError::Truncated { needed: HEADER_LEN, got: bytes.len() });
    };
    if first >> 6 != 2 {
        return Err(ParseError::BadVersion(first >> 6));
    }
    let len = (usize::from(u16::from_be_bytes([len_hi, len_lo])) + 1) * 4;
    let Some((packet, rest)) = bytes.split_at_checked(len) else {
        return Err(ParseError::Truncated { needed: len, got: bytes.len() });
    };
    let mut body = &packet[HEADER_LEN..];
    if first & 0x20 != 0 {
        let padding = body.last().copied().map_or(0, usize::from);
        let unpadded = body.len().checked_sub(padding).filter(|_| padding > 0);
        body = unpadded.and_then(|len| body.get(..len)).ok_or(ParseError::BadPadding)?;
    }
    Ok((Unknown { packet_type, count: first & 0x1f, body }, rest))
}

impl<'a> Packet<'a> {
    fn parse(packet: Unknown<'a>) -> Result<Self, ParseError> {
        let Unknown { packet_type, count, body } = packet;
        Ok(match (packet_type, count) {
            (SENDER_REPORT, _) => Self::SenderReport(SenderReport::parse(count, body)?),
            (RECEIVER_REPORT, _) => Self::ReceiverReport(ReceiverReport::parse(count, body)?),
            (SDES, _) => Self::Sdes(Sdes::parse(count, body)?),
            (BYE, _) => Self::Bye(Bye::parse(count, body)?),
            (APP, _) => Self::App(packet),
            (EXTENDED_REPORT, _) => Self::ExtendedReport(ExtendedReport::parse(body)?),
            (TRANSPORT_FEEDBACK, fmt::NACK) => Self::Nack(Nack::parse(body)?),
            (TRANSPORT_FEEDBACK, fmt::TRANSPORT_CC) => Self::TransportCc(TransportCc::parse(body)?),
            (PAYLOAD_FEEDBACK, fmt::PLI) => Self::Pli(Pli::parse(body)?),
            (PAYLOAD_FEEDBACK, fmt::FIR) => Self::Fir(Fir::parse(body)?),
            (PAYLOAD_FEEDBACK, fmt::APPLICATION) if remb::is_remb(body) => Self::Remb(Remb::parse(body)?),
            _ => Self::Unknown(packet),
        })
    }
}

/// RFC 4585 §6.1   | SSRC of sender (32) | SSRC of media source (32) |  and what follows
fn split_feedback(body: &[u8]) -> Result<(Ssrc, Ssrc, &[u8]), ParseError> {
    let (sender, rest) = split_u32(body)?;
    let (media, rest) = split_u32(rest)?;
    Ok((Ssrc(sender), Ssrc(media), rest))
}

fn split_u32(bytes: &[u8]) -> Result<(u32, &[u8]), ParseError> {
    match bytes.split_first_chunk::<4>() {
        Some((value, rest)) => Ok((u32::from_be_bytes(*value), rest)),
        None => Err(ParseError::Truncated { needed: 4, got: bytes.len() }),
    }
}

/// SSRCs, four bytes each; what is left over at the end is ignored.
fn ssrcs(bytes: &[u8]) -> impl ExactSizeIterator<Item = Ssrc> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|bytes| Ssrc(u32::from_be_bytes(*bytes)))
}
