//! What is remembered per SSRC: the rollover counter (RFC 3711 §3.3.1) and the indices seen.

use crate::{context::MAX_STREAMS, error::Error, replay::ReplayWindow};

/// The largest RTP index: 32 bits of rollover counter, 16 of sequence number.
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;

/// The index of `sequence_number` that lies nearest to the highest one seen; `None` past the last one of a key.
///
/// With a rollover counter of 0 nothing lies before, so a sequence number that seems to belong to the round
/// before is taken as one of this round; the tag tells whether that was right.
pub(crate) fn nearest_index(highest: u64, sequence_number: u16) -> Option<u64> {
    let round = highest & !0xffff;
    let newest = highest as u16;
    let sequence_number_in_round = round + u64::from(sequence_number);
    let index = if newest < 0x8000 {
        let is_of_round_before = sequence_number > newest && sequence_number - newest > 0x8000;
        if is_of_round_before && round > 0 {
            sequence_number_in_round - 0x1_0000
        } else {
            sequence_number_in_round
        }
    } else if newest - 0x8000 > sequence_number {
        sequence_number_in_round + 0x1_0000
    } else {
        sequence_number_in_round
    };
    (index <= MAX_RTP_INDEX).then_some(index)
}

/// The windows of all SSRCs of one kind and direction: few, so a scan is the cheapest look-up. Most packets need none:
/// they are of the same SSRC as the packet before.
#[derive(Default)]
pub(crate) struct Streams<const WORDS: usize> {
    streams: Vec<Stream<WORDS>>,
    last: usize,
}

struct Stream<const WORDS: usize> {
    ssrc: u32,
    window: ReplayWindow<WORDS>,
}

/// Where an SSRC's window is, or that it has none yet.
#[derive(Clone, Copy)]
pub(crate) enum Slot {
    Known(usize),
    New,
}

impl<const WORDS: usize> Streams<WORDS> {
    pub(crate) fn region(&self, each: &mut impl FnMut(*const u8, usize)) {
        let streams = self.streams.get(self.last..).unwrap_or_default();
        each(streams.as_ptr().cast(), size_of::<Stream<WORDS>>().min(size_of_val(streams)));
    }

    /// # Errors
    /// [`Error::TooManyStreams`] if the SSRC is new and there is no room for another.
    pub(crate) fn find(&self, ssrc: u32) -> Result<Slot, Error> {
        if self.streams.get(self.last).is_some_and(|stream| stream.ssrc == ssrc) {
            return Ok(Slot::Known(self.last));
        }
        match self.streams.iter().position(|stream| stream.ssrc == ssrc) {
            Some(at) => Ok(Slot::Known(at)),
            None if self.streams.len() < MAX_STREAMS => Ok(Slot::New),
            None => Err(Error::TooManyStreams),
        }
    }

    pub(crate) fn window(&self, slot: Slot) -> Option<&ReplayWindow<WORDS>> {
        match slot {
            Slot::Known(at) => self.streams.get(at).map(|stream| &stream.window),
            Slot::New => None,
        }
    }

    /// Remembers an index that was authentic (receiving) or is used up (sending).
    pub(crate) fn record(&mut self, slot: Slot, ssrc: u32, index: u64) {
        match slot {
            Slot::Known(at) => {
                self.streams[at].window.record(index);
                self.last = at;
            }
            Slot::New => {
                self.last = self.streams.len();
                // There are few, and each is large.
                self.streams.reserve_exact(1);
                self.streams.push(Stream { ssrc, window: ReplayWindow::starting_at(index) });
            }
        }
    }
}
