//! Transport-wide feedback: what is recorded is what the sender reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use headwater_rtp::Ssrc;
use headwater_rtp::receive::TransportCcRecorder;
use headwater_rtp::rtcp::{self, Builder};
use proptest::collection::vec;
use proptest::prelude::*;

use super::machines::start;

const UNIT: Duration = Duration::from_micros(250);

struct Report {
    base: u16,
    count: u8,
    reference_time: i32,
    /// Number and arrival in ticks of 250 µs, of an unknown clock.
    statuses: Vec<(u16, Option<i64>)>,
    len: usize,
}

fn poll(recorder: &mut TransportCcRecorder, now: Instant) -> Vec<Report> {
    let mut reports = Vec::new();
    loop {
        let mut out = Vec::new();
        if !recorder.poll_feedback(now, Ssrc(1), Ssrc(2), &mut Builder::new(&mut out)) {
            assert!(out.is_empty());
            return reports;
        }
        assert!(out.len() <= 1200, "fits a datagram: {}", out.len());
        let Some(Ok(rtcp::Packet::TransportCc(feedback))) = rtcp::packets(&out).next() else { panic!() };
        let reference = i64::from(feedback.reference_time) * 256;
        let arrived = feedback.statuses().filter(|(_, arrival)| arrival.is_some());
        assert_eq!(usize::from(feedback.received), arrived.count());
        let statuses = feedback.statuses();
        let statuses =
            statuses.map(|(number, arrival)| (number.0, arrival.map(|arrival| arrival + reference)));
        reports.push(Report {
            base: feedback.base.0,
            count: feedback.feedback_count,
            reference_time: feedback.reference_time,
            statuses: statuses.collect(),
            len: out.len(),
        });
        assert!(reports.len() < 100, "ends");
    }
}

fn numbers(report: &Report) -> Vec<(u16, bool)> {
    report.statuses.iter().map(|(number, arrival)| (*number, arrival.is_some())).collect()
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn arrivals_are_reported_once_with_gaps_and_times() {
    let now = start();
    let mut recorder = TransportCcRecorder::new();
    assert_eq!(recorder.poll_timeout(), None);
    recorder.record(65535, now);
    recorder.record(0, now + UNIT * 3);
    recorder.record(2, now + ms(70));
    assert!(poll(&mut recorder, now + ms(49)).is_empty());
    assert_eq!(recorder.poll_timeout(), Some(now + ms(50)));
    let [report] = &poll(&mut recorder, now + ms(70))[..] else { panic!() };
    assert_eq!(numbers(report), [(65535, true), (0, true), (1, false), (2, true)]);
    let times: Vec<_> = report.statuses.iter().filter_map(|(_, arrival)| *arrival).collect();
    assert_eq!((times[1] - times[0], times[2] - times[0]), (3, 280));
    assert!(poll(&mut recorder, now + ms(500)).is_empty());
    assert_eq!(recorder.poll_timeout(), None);
    recorder.record(3, now + ms(500));
    let [report] = &poll(&mut recorder, now + ms(550))[..] else { panic!() };
    assert_eq!((report.base, report.count, report.statuses.len()), (3, 1, 1));
}

#[test]
fn late_packet_is_reported_again_with_all_after_it() {
    let now = start();
    let mut recorder = TransportCcRecorder::new();
    for (number, at) in [(10, 0), (11, 1), (13, 3)] {
        recorder.record(number, now + ms(at));
    }
    let [first] = &poll(&mut recorder, now + ms(50))[..] else { panic!() };
    assert_eq!(numbers(first), [(10, true), (11, true), (12, false), (13, true)]);
    recorder.record(12, now + ms(60));
    recorder.record(14, now + ms(61));
    let [second] = &poll(&mut recorder, now + ms(110))[..] else { panic!() };
    assert_eq!(numbers(second), [(12, true), (13, true), (14, true)]);
    assert_eq!(second.statuses[1], first.statuses[3], "with the same arrival");
    assert!(second.statuses[1].1 < second.statuses[0].1, "negative delta");
}

#[test]
fn packet_before_the_first_has_a_place() {
    let now = start();
    let mut recorder = TransportCcRecorder::new();
    recorder.record(0, now);
    recorder.record(65535, now - ms(1));
    let [report] = &poll(&mut recorder, now + ms(50))[..] else { panic!() };
    assert_eq!(numbers(report), [(65535, true), (0, true)]);
    assert_eq!(report.statuses[1].1.unwrap() - report.statuses[0].1.unwrap(), 4);
}

#[test]
fn duplicate_keeps_its_first_arrival() {
    let now = start();
    let mut recorder = TransportCcRecorder::new();
    recorder.record(1, now);
    recorder.record(1, now + ms(5));
    recorder.record(2, now + ms(5));
    let [report] = &poll(&mut recorder, now + ms(50))[..] else { panic!() };
    assert_eq!(report.statuses[1].1.unwrap() - report.statuses[0].1.unwrap(), 20);
    recorder.record(1, now + ms(60));
    assert!(poll(&mut recorder, now + ms(200)).is_empty());
}

#[test]
fn a_pause_longer_than_a_delta_splits_the_report() {
    let now = start();
    let mut recorder = TransportCcRecorder::new();
    recorder.record(1, now);
    recorder.record(2, now + Duration::from_secs(9));
    recorder.record(3, now + Duration::from_secs(9));
    let reports = poll(&mut recorder, now + Duration::from_secs(9));
    assert_eq!(
        reports.iter().map(numbers).collect::<Vec<_>>(),
        [vec![(1, true)], vec![(2, true), (3, true)]]
    );
    let arrival = |report: &Report| report.statuses[0].1.unwrap();
    assert_eq!(arrival(&reports[1]) - arrival(&reports[0]), 36_000);
    assert_eq!((reports[0].count, reports[1].count), (0, 1));
}

#[test]
fn a_jump_makes_no_huge_report() {
    let now = start();
    for jump in [30_000, 5_000, 4_096, 4_000, 40_000, 60_000] {
        let mut recorder = TransportCcRecorder::new();
        recorder.record(100, now);
        poll(&mut recorder, now + ms(50));
        recorder.record(100_u16.wrapping_add(jump), now + ms(60));
        let reports = poll(&mut recorder, now + ms(110));
        assert_eq!(reports.len(), 1, "{jump}");
        assert!(reports[0].len < 60 && reports[0].statuses.len() <= 500, "{jump}: {}", reports[0].len);
        assert_eq!(reports[0].statuses.last().unwrap().0, 100_u16.wrapping_add(jump));
    }
}

#[test]
fn many_packets_do_not_wait_and_are_split_by_size() {
    let now = start();
    let mut recorder = TransportCcRecorder::new();
    for number in 0..1200_u16 {
        // Deltas of two bytes, up and down.
        let at = if number % 2 == 0 { ms(0) } else { ms(100) };
        recorder.record(number, now + at);
    }
    let reports = poll(&mut recorder, now);
    assert_eq!(reports.len(), 3);
    let covered: Vec<_> = reports.iter().flat_map(numbers).collect();
    assert_eq!(covered, (0..1200).map(|number| (number, true)).collect::<Vec<_>>());
}

#[test]
fn reference_time_wraps_at_24_bits() {
    let mut now = start();
    let mut recorder = TransportCcRecorder::new();
    recorder.record(0, now);
    poll(&mut recorder, now + ms(50));
    // 2^23 times 64 ms: about 6.2 days to the sign, 12.4 to the wrap.
    let lap = ms(64) * (1 << 23);
    let mut references = Vec::new();
    for number in 1..4 {
        now += lap;
        recorder.record(number, now);
        let [report] = &poll(&mut recorder, now + ms(50))[..] else { panic!() };
        references.push(report.reference_time);
    }
    assert_eq!(references, [1000 - (1 << 23), 1000, 1000 - (1 << 23)]);
}

#[test]
fn sums_are_those_of_the_single_statuses() {
    // Runs of each symbol, vectors of one and two bits, cut off by the status count.
    for (count, chunks) in [
        (65_535, &[0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff][..]),
        (40, &[0x2014, 0x4014]),
        (14, &[0xbfff]),
        (5, &[0xbfff]),
        (7, &[0xd91a]),
        (3, &[0xd91a]),
        (3, &[0xd91f]),
    ] {
        let (mut out, deltas) = (vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9], [1; 80]);
        out.extend_from_slice(&u16::to_be_bytes(count));
        out.extend_from_slice(&[0; 4]);
        chunks.iter().for_each(|chunk: &u16| out.extend_from_slice(&chunk.to_be_bytes()));
        out.extend_from_slice(&deltas);
        out.resize(out.len().next_multiple_of(4), 0);
        out[3] = (out.len() / 4 - 1) as u8;
        let Some(Ok(rtcp::Packet::TransportCc(feedback))) = rtcp::packets(&out).next() else {
            panic!("{chunks:x?}");
        };
        let arrived = feedback.statuses().filter(|(_, arrival)| arrival.is_some()).count();
        assert_eq!(usize::from(feedback.received), arrived, "{chunks:x?}");
        assert_eq!(feedback.statuses().count(), usize::from(count), "{chunks:x?}");
    }
}

#[test]
fn interval_is_settable_within_bounds() {
    let now = start();
    let mut recorder = TransportCcRecorder::new();
    for (wanted, kept) in [(ms(1), ms(20)), (ms(100), ms(100)), (ms(10_000), ms(250))] {
        recorder.set_interval(wanted);
        recorder.record(1, now);
        let mut fresh = TransportCcRecorder::new();
        fresh.set_interval(wanted);
        fresh.record(1, now);
        assert_eq!(fresh.poll_timeout(), Some(now + kept));
    }
}

proptest! {
    /// Whatever arrives in whatever order: the sender learns each arrival, with its time.
    #[test]
    fn every_arrival_is_told(
        steps in vec((-20_i32..40, 0_u32..100, any::<bool>()), 1..100), first: u16,
    ) {
        let mut recorder = TransportCcRecorder::new();
        let mut now = start();
        let mut number = first;
        let mut arrived = BTreeMap::new();
        let mut told = BTreeMap::new();
        let mut tell = |reports: Vec<Report>| {
            for (number, arrival) in reports.into_iter().flat_map(|report| report.statuses) {
                if let Some(arrival) = arrival {
                    told.entry(number).or_insert(arrival);
                }
            }
        };
        recorder.record(number, now);
        arrived.insert(number, 0);
        let begin = now;
        for (step, wait, poll_now) in steps {
            number = number.wrapping_add(step as u16);
            now += UNIT * wait;
            arrived.entry(number).or_insert((now - begin).as_micros() as i64 / 250);
            recorder.record(number, now);
            if poll_now {
                tell(poll(&mut recorder, now));
            }
        }
        tell(poll(&mut recorder, now + ms(1000)));
        let origin = told[&first];
        told.values_mut().for_each(|arrival| *arrival -= origin);
        prop_assert_eq!(told, arrived);
    }
}
