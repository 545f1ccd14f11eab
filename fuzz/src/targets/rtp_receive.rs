//! The machines of a receiver: what is lost, what is asked for again, what is reported; against naive models.

use crate::Input;
use headwater_rtp::receive::{Arrival, MAX_MISSING, NackGenerator, Statistics, TransportCcRecorder};
use headwater_rtp::rtcp::{Builder, Packet, packets};
use headwater_rtp::{SequenceNumber, Ssrc};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A feedback packet with its headers stays below what every path carries.
const MAX_FEEDBACK: usize = 1200;

/// A list of packets (how far the number goes, how much later) and of other calls.
pub fn rtp_receive(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = Instant::now() + Duration::from_secs(3600);
    let mut receiver = Receiver::new();
    while !input.is_empty() {
        let operation = input.byte();
        match operation % 8 {
            // The next number, as most often.
            0..=2 => receiver.packet(now, 1, now, u32::from(operation) << 4),
            3 => receiver.packet(now, i32::from(input.byte() as i8), now, input.u32()),
            4 => receiver.packet(now, i32::from(input.u16() as i16), now, input.u32()),
            // The kernel's stamp is older than the batch's time.
            5 => receiver.packet(now, 1, now - Duration::from_millis(u64::from(input.byte())), 0),
            6 => now += Duration::from_micros(u64::from(input.u16()) * 100),
            _ => receiver.other(now, input.byte()),
        }
        receiver.poll(now);
    }
}

struct Receiver {
    nack: NackGenerator,
    recorder: TransportCcRecorder,
    statistics: Statistics,
    last: SequenceNumber,
    /// The model: numbers that came, unwrapped, since the stream began or began anew.
    came: BTreeSet<u64>,
    highest: u64,
    recorded: BTreeSet<u16>,
}

impl Receiver {
    fn new() -> Self {
        Self {
            nack: NackGenerator::new(),
            recorder: TransportCcRecorder::new(),
            statistics: Statistics::new(90_000),
            last: SequenceNumber(65_530),
            came: BTreeSet::new(),
            highest: 1 << 40,
            recorded: BTreeSet::new(),
        }
    }

    fn packet(&mut self, now: Instant, step: i32, received: Instant, timestamp: u32) {
        let number = self.last.offset(step);
        self.last = number;
        let distance = i64::from(number.distance_from(SequenceNumber(self.highest as u16)));
        let unwrapped = self.highest.wrapping_add_signed(distance);
        match self.nack.handle_packet(now, number) {
            Arrival::Restarted => {
                self.came = BTreeSet::from([unwrapped]);
                self.highest = unwrapped;
            }
            Arrival::New => {
                assert!(self.came.is_empty() || unwrapped > self.highest, "new, but not newer");
                self.highest = unwrapped;
                self.came.insert(unwrapped);
            }
            Arrival::Recovered => assert!(self.came.insert(unwrapped), "recovered, but it was there"),
            Arrival::Duplicate => assert!(self.came.contains(&unwrapped), "a duplicate of nothing"),
            _ => drop(self.came.insert(unwrapped)),
        }
        self.statistics.handle_packet(received, number, timestamp);
        self.recorder.record(number.0, received);
        self.recorded.insert(number.0);
    }

    fn other(&mut self, now: Instant, choice: u8) {
        match choice % 4 {
            0 => self.nack.set_rtt(Duration::from_millis(u64::from(choice) * 8)),
            1 => self.nack.forget_missing(self.last.offset(i32::from(choice) - 128)),
            2 => {
                if let Some(block) = self.statistics.report_block(now, Ssrc(1)) {
                    assert!((-0x80_0000..=0x7f_ffff).contains(&block.cumulative_lost), "24 bits");
                }
            }
            _ => self.nack.key_frame_requested(),
        }
    }

    fn poll(&mut self, now: Instant) {
        assert!(self.nack.missing() <= MAX_MISSING);
        let mut lost = Vec::new();
        self.nack.poll(now, &mut lost);
        assert!(lost.len() <= MAX_MISSING);
        for number in &lost {
            let distance = i64::from(number.distance_from(SequenceNumber(self.highest as u16)));
            let unwrapped = self.highest.wrapping_add_signed(distance);
            assert!(distance < 0 && !self.came.contains(&unwrapped), "{number:?} is asked for, but came");
        }
        assert!(self.nack.poll_timeout().is_none_or(|next| next > now), "due again at once");
        // At most a window of numbers waits, and each report tells of many.
        for _ in 0..100 {
            let mut out = Vec::new();
            if !self.recorder.poll_feedback(now, Ssrc(1), Ssrc(2), &mut Builder::new(&mut out)) {
                assert!(out.is_empty());
                assert!(self.recorder.poll_timeout().is_none_or(|next| next > now), "due again at once");
                return;
            }
            self.check_feedback(&out);
        }
        panic!("feedback doesn't end");
    }

    fn check_feedback(&self, feedback: &[u8]) {
        assert!(feedback.len() <= MAX_FEEDBACK, "{} bytes of feedback", feedback.len());
        let Some(Ok(Packet::TransportCc(parsed))) = packets(feedback).next() else {
            panic!("we write proper feedback")
        };
        for (number, _) in parsed.statuses().filter(|(_, arrived)| arrived.is_some()) {
            assert!(self.recorded.contains(&number.0), "{number:?} is reported, but never came");
        }
    }
}
