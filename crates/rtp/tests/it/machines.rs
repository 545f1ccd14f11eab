//! Statistics, NACK, sender reports.

use std::time::{Duration, Instant};

use headwater_rtp::receive::{Arrival, MAX_MISSING, NackGenerator, Statistics};
use headwater_rtp::send::SenderStats;
use headwater_rtp::{NtpAnchor, NtpTime, SequenceNumber, Ssrc};
use proptest::collection::vec;
use proptest::prelude::*;

/// Where the tests' time begins; it moves by additions alone.
pub(crate) fn start() -> Instant {
    Instant::now() + Duration::from_secs(10_000_000)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn receive(statistics: &mut Statistics, now: Instant, numbers: impl IntoIterator<Item = u16>) {
    for number in numbers {
        statistics.handle_packet(now, SequenceNumber(number), 0);
    }
}

#[test]
fn loss_is_counted_between_reports() {
    let now = start();
    let mut statistics = Statistics::new(90_000);
    assert!(statistics.report_block(now, Ssrc(1)).is_none());
    receive(&mut statistics, now, (65530..=65535).chain(0..4));
    let block = statistics.report_block(now, Ssrc(1)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0));
    assert_eq!(block.extended_highest_sequence, 0x1_0003);
    receive(&mut statistics, now, [4, 6, 7]); // one of four
    let block = statistics.report_block(now, Ssrc(1)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (64, 1));
    receive(&mut statistics, now, [5]);
    let block = statistics.report_block(now, Ssrc(1)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0));
    receive(&mut statistics, now, [7, 7]);
    assert_eq!(statistics.report_block(now, Ssrc(1)).unwrap().cumulative_lost, -2);
    assert_eq!((statistics.expected(), statistics.received()), (14, 16));
}

#[test]
fn one_stray_number_changes_nothing_and_two_in_a_row_begin_anew() {
    let now = start();
    let mut statistics = Statistics::new(90_000);
    receive(&mut statistics, now, [10, 11, 40_000, 12]);
    let block = statistics.report_block(now, Ssrc(1)).unwrap();
    assert_eq!((block.extended_highest_sequence, block.cumulative_lost), (12, 0));
    receive(&mut statistics, now, [40_000, 40_001, 40_002]);
    let block = statistics.report_block(now, Ssrc(1)).unwrap();
    assert_eq!((block.extended_highest_sequence, block.cumulative_lost), (40_002, 0));
}

#[test]
fn jitter_of_a_steady_stream_is_zero_and_settles_at_the_deviation() {
    let mut now = start();
    let mut statistics = Statistics::new(48_000);
    for number in 0..50 {
        statistics.handle_packet(now, SequenceNumber(number), u32::from(number) * 960);
        now += ms(20);
    }
    assert_eq!(statistics.jitter(), 0);
    // Each second packet comes 5 ms late: |D| is 240 ticks each time.
    for number in 50..400_u16 {
        let late = ms(u64::from(number % 2) * 5);
        statistics.handle_packet(now + late, SequenceNumber(number), u32::from(number) * 960);
        now += ms(20);
    }
    assert!((235..=240).contains(&statistics.jitter()), "{}", statistics.jitter());
}

#[test]
fn report_blocks_refer_to_the_last_sender_report() {
    let now = start();
    let mut statistics = Statistics::new(90_000);
    receive(&mut statistics, now, [1]);
    assert_eq!(statistics.report_block(now, Ssrc(1)).unwrap().last_sender_report, 0);
    statistics.note_sender_report(now, NtpTime(0x1111_2222_3333_4444));
    let block = statistics.report_block(now + ms(500), Ssrc(1)).unwrap();
    assert_eq!((block.last_sender_report, block.delay_since_last_sender_report), (0x2222_3333, 0x8000));
}

#[test]
fn sender_report_continues_the_media_clock() {
    let now = start();
    let anchor = NtpAnchor::new(now, Duration::from_secs(100));
    let mut stats = SenderStats::new(Ssrc(5), 90_000);
    assert!(stats.report(now, &anchor).is_none());
    stats.handle_packet(now, u32::MAX, 1000);
    stats.handle_packet(now, u32::MAX, 200);
    stats.handle_packet(now + ms(90), u32::MAX - 3000, 7);
    let info = stats.report(now + ms(100), &anchor).unwrap();
    assert_eq!((info.ssrc, info.packet_count, info.octet_count), (Ssrc(5), 3, 1207));
    assert_eq!(info.rtp_timestamp, 8999, "wraps, and an older frame does not turn it back");
    assert_eq!(info.ntp, NtpTime::from_unix(Duration::from_millis(100_100)));
}

fn poll(nack: &mut NackGenerator, now: Instant) -> Vec<u16> {
    let mut out = Vec::new();
    nack.poll(now, &mut out);
    out.into_iter().map(|number| number.0).collect()
}

fn arrive(nack: &mut NackGenerator, now: Instant, numbers: impl IntoIterator<Item = u16>) -> Vec<Arrival> {
    numbers.into_iter().map(|number| nack.handle_packet(now, SequenceNumber(number))).collect()
}

#[test]
fn gap_is_asked_for_after_a_moment_and_again_each_round_trip() {
    let now = start();
    let mut nack = NackGenerator::new();
    nack.set_rtt(ms(30));
    arrive(&mut nack, now, [65534, 1]);
    assert_eq!(nack.missing(), 2);
    assert_eq!(poll(&mut nack, now), []);
    let first = nack.poll_timeout().unwrap();
    assert!(first - now <= ms(5));
    assert_eq!(poll(&mut nack, first), [65535, 0]);
    assert_eq!(poll(&mut nack, first), [], "polling again is harmless");
    assert_eq!(nack.poll_timeout(), Some(first + ms(30)));
    assert_eq!(arrive(&mut nack, first + ms(10), [0, 0]), [Arrival::Recovered, Arrival::Duplicate]);
    assert_eq!(poll(&mut nack, first + ms(30)), [65535]);
    assert_eq!(arrive(&mut nack, first + ms(40), [65535, 1]), [Arrival::Recovered, Arrival::Duplicate]);
    assert_eq!((nack.missing(), nack.poll_timeout()), (0, None));
    assert!(!nack.needs_key_frame());
}

#[test]
fn reordering_within_the_first_delay_asks_for_nothing() {
    let now = start();
    let mut nack = NackGenerator::new();
    let arrivals = arrive(&mut nack, now, [10, 12, 11, 13]);
    assert_eq!(arrivals, [Arrival::New, Arrival::New, Arrival::Recovered, Arrival::New]);
    assert_eq!(nack.poll_timeout(), None);
    assert_eq!(poll(&mut nack, now + ms(100)), []);
}

#[test]
fn what_does_not_come_is_given_up_after_ten_requests_and_needs_a_key_frame() {
    let mut now = start();
    let mut nack = NackGenerator::new();
    nack.set_rtt(ms(20));
    arrive(&mut nack, now, [1, 3]);
    let mut requests = 0;
    while let Some(next) = nack.poll_timeout() {
        assert!(next > now, "time moves on");
        now = next;
        requests += poll(&mut nack, now).len();
    }
    assert_eq!(requests, 10);
    assert!(nack.needs_key_frame());
    assert_eq!(arrive(&mut nack, now, [2, 2]), [Arrival::Late, Arrival::Duplicate]);
    nack.key_frame_requested();
    assert!(!nack.needs_key_frame());
}

#[test]
fn what_is_older_than_two_seconds_is_given_up() {
    let now = start();
    let mut nack = NackGenerator::new();
    nack.set_rtt(ms(400));
    arrive(&mut nack, now, [1, 3]);
    assert_eq!(poll(&mut nack, now + ms(10)), [2]);
    assert_eq!(poll(&mut nack, now + ms(2_000)), []);
    assert_eq!((nack.missing(), nack.needs_key_frame()), (0, true));
}

#[test]
fn what_is_a_thousand_packets_behind_is_given_up() {
    let now = start();
    let mut nack = NackGenerator::new();
    arrive(&mut nack, now, [1].into_iter().chain(3..1010));
    assert_eq!(poll(&mut nack, now + ms(10)), []);
    assert!(nack.needs_key_frame());
}

#[test]
fn memory_is_bounded_and_the_oldest_goes_first() {
    let now = start();
    let mut nack = NackGenerator::new();
    arrive(&mut nack, now, (0..6000).step_by(3));
    assert!(nack.missing() <= MAX_MISSING);
    assert!(nack.needs_key_frame());
    assert!(poll(&mut nack, now + ms(10)).len() <= MAX_MISSING);
}

#[test]
fn a_jump_either_way_begins_anew() {
    let now = start();
    let mut nack = NackGenerator::new();
    let arrivals = arrive(&mut nack, now, [1, 3, 30_000, 30_001, 20_000, 20_001]);
    use Arrival::{Late, New, Restarted};
    assert_eq!(arrivals, [New, New, Restarted, New, Late, Restarted]);
    assert_eq!((nack.missing(), nack.poll_timeout()), (0, None));
    assert!(nack.needs_key_frame());
}

#[test]
fn a_key_frame_makes_older_losses_irrelevant() {
    let now = start();
    let mut nack = NackGenerator::new();
    arrive(&mut nack, now, [1, 3, 5, 8]);
    nack.forget_missing(SequenceNumber(5));
    assert_eq!(poll(&mut nack, now + ms(10)), [6, 7]);
    assert!(!nack.needs_key_frame());
}

#[test]
fn packets_before_the_first_are_late_not_lost() {
    let now = start();
    let mut nack = NackGenerator::new();
    assert_eq!(arrive(&mut nack, now, [5, 4, 4]), [Arrival::New, Arrival::Late, Arrival::Duplicate]);
    assert_eq!(nack.missing(), 0);
}

#[test]
fn probes_with_old_packets_over_rtx_change_nothing() {
    let now = start();
    let mut nack = NackGenerator::new();
    assert_eq!(nack.handle_retransmission(now, SequenceNumber(1)), Arrival::Late);
    arrive(&mut nack, now, [30_000, 30_002]);
    for (number, arrival) in [
        (20_000, Arrival::Late),
        (20_001, Arrival::Late),
        (40_000, Arrival::Late),
        (30_000, Arrival::Duplicate),
        (30_001, Arrival::Recovered),
        (30_003, Arrival::New),
    ] {
        assert_eq!(nack.handle_retransmission(now, SequenceNumber(number)), arrival, "{number}");
    }
    assert!(!nack.needs_key_frame());
    assert_eq!(nack.missing(), 0);
}

proptest! {
    /// Whatever comes: memory is bounded, time moves on, and the machine falls silent.
    #[test]
    fn nack_is_bounded_and_falls_silent(steps in vec((any::<u16>(), 0_u16..8, 0_u64..50), 1..200)) {
        let mut now = start();
        let mut nack = NackGenerator::new();
        let mut statistics = Statistics::new(90_000);
        let mut number = 0_u16;
        for (noise, kind, wait) in steps {
            number = match kind {
                0 => noise,
                1 => number.wrapping_add(noise % 1200),
                2 => number.wrapping_sub(noise % 20),
                _ => number.wrapping_add(1),
            };
            now += ms(wait);
            if kind == 7 {
                nack.handle_retransmission(now, SequenceNumber(noise));
            } else {
                nack.handle_packet(now, SequenceNumber(number));
                statistics.handle_packet(now, SequenceNumber(number), u32::from(noise));
            }
            prop_assert!(poll(&mut nack, now).len() <= MAX_MISSING);
            prop_assert!(nack.missing() <= MAX_MISSING);
            statistics.report_block(now, Ssrc(1));
        }
        let mut wakes = 0;
        while let Some(next) = nack.poll_timeout() {
            prop_assert!(next > now);
            now = next;
            poll(&mut nack, now);
            wakes += 1;
            prop_assert!(wakes < 10_000);
        }
        prop_assert_eq!(nack.missing(), 0);
    }
}
