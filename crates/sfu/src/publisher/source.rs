//! Which media line a packet belongs to.

use std::time::Instant;

use headwater_rtp::Packet;
use headwater_rtp::extension::Kind as ExtensionKind;
use headwater_rtp::receive::{NackGenerator, Statistics};

use super::{Line, MAX_SOURCES, Meaning, Publisher, Source};

impl Publisher {
    /// Calls `each` with the memory, as address and length, that the next packet will need beside the publisher itself.
    pub(crate) fn for_each_region(&self, mut each: impl FnMut(*const u8, usize)) {
        each(self.sources.as_ptr().cast(), size_of_val(&self.sources[..]));
        each(self.lines.as_ptr().cast(), size_of_val(&self.lines[..]));
    }

    pub(super) fn record_transport_sequence(&mut self, packet: &Packet<&[u8]>, received: Instant) {
        // BUNDLE: one id means one thing on all lines (RFC 9143 §9.1), so any line's map will do.
        let id =
            self.lines.iter().find_map(|line| line.agreement.extensions.id(ExtensionKind::TransportSequence));
        let value = id.and_then(|id| packet.extension_value(id)).and_then(|value| value.first_chunk::<2>());
        if let Some(value) = value {
            self.transport_cc.record(u16::from_be_bytes(*value), received);
        }
    }

    /// The source that a packet belongs to; an unknown SSRC is bound by what was announced, by its MID, or by a
    /// payload type that occurs on one line only (RFC 9143 §9.2).
    pub(super) fn source_of(&mut self, packet: &Packet<&[u8]>) -> Option<usize> {
        let ssrc = packet.ssrc();
        if let Some(known) = self.sources.iter().position(|source| source.ssrc == ssrc) {
            return Some(known);
        }
        if self.sources.len() >= MAX_SOURCES {
            return None;
        }
        let line = self
            .lines
            .iter()
            .position(|line| line.agreement.announced.iter().any(|(announced, _)| *announced == ssrc))
            .or_else(|| {
                self.lines.iter().position(|line| {
                    let id = line.agreement.extensions.id(ExtensionKind::Mid);
                    id.and_then(|id| packet.extension_value(id)) == Some(line.agreement.mid.as_bytes())
                })
            })
            .or_else(|| {
                let takes = |line: &Line| {
                    line.agreement
                        .payload_types
                        .iter()
                        .any(|(payload_type, _)| *payload_type == packet.payload_type())
                };
                let mut fitting = self.lines.iter().enumerate().filter(|(_, line)| takes(line));
                let (first, _) = fitting.next()?;
                fitting.next().is_none().then_some(first)
            })?;
        let agreement = &self.lines[line].agreement;
        let (_, meaning) = agreement
            .payload_types
            .iter()
            .find(|(payload_type, _)| *payload_type == packet.payload_type())?;
        let is_rtx = matches!(meaning, Meaning::Rtx(_));
        let clock_rate = agreement.formats.first().map_or(90_000, |format| format.clock_rate);
        let mut nack = (agreement.nack && !is_rtx).then(NackGenerator::default);
        if let (Some(nack), Some(rtt)) = (&mut nack, self.rtt) {
            nack.set_rtt(rtt);
        }
        self.sources.push(Source { ssrc, line, is_rtx, statistics: Statistics::new(clock_rate), nack });
        Some(self.sources.len() - 1)
    }
}
