//! Sequence numbers and clocks.

use std::time::Duration;

use headwater_rtp::clock::{duration, from_short_ntp, ticks, to_short_ntp};
use headwater_rtp::{NtpAnchor, NtpTime, SequenceNumber, Unwrapper};

#[test]
fn sequence_numbers_compare_by_the_shorter_way_round() {
    for (newer, older, distance) in
        [(1, 0, 1), (0, 65535, 1), (10, 65530, 16), (0x7fff, 0, 0x7fff), (0, 1, -1), (65535, 0, -1)]
    {
        let (newer, older) = (SequenceNumber(newer), SequenceNumber(older));
        assert_eq!(newer.distance_from(older), distance);
        assert_eq!(newer.is_newer_than(older), distance > 0);
        assert_eq!(older.offset(i32::from(distance)), newer);
    }
}

#[test]
fn unwrapping_follows_wraps_both_ways() {
    let mut unwrapper = Unwrapper::new();
    let numbers = [65534, 65535, 0, 65535, 1, 40000, 7];
    let unwrapped = numbers.map(|number| unwrapper.unwrap(SequenceNumber(number)) as i64 - 131072);
    assert_eq!(unwrapped, [-2, -1, 0, -1, 1, 40000 - 65536, 7]);
}

#[test]
fn unwrapping_never_goes_below_zero() {
    let mut unwrapper = Unwrapper::new();
    for number in [0, 40000, 15000, 50000, 25000, 0] {
        assert_eq!(unwrapper.unwrap(SequenceNumber(number)) as u16, number);
    }
}

#[test]
fn ntp_time_of_the_epoch_and_its_middle() {
    let ntp = NtpTime::from_unix(Duration::from_millis(1500));
    assert_eq!(ntp.0 >> 32, 2_208_988_801);
    assert_eq!(ntp.0 & 0xffff_ffff, 0x8000_0000);
    assert_eq!(ntp.middle(), (2_208_988_801_u64 as u32) << 16 | 0x8000);
    let later = NtpTime::from_unix(Duration::from_secs(2));
    assert_eq!(later.since(ntp), Some(Duration::from_millis(500)));
    assert_eq!(ntp.since(later), None);
}

#[test]
fn anchor_converts_before_and_after() {
    let now = super::machines::start();
    let anchor = NtpAnchor::new(now, Duration::from_secs(1_000_000));
    for offset in [0, 1, 999, 86_400_000] {
        let offset = Duration::from_millis(offset);
        let later = now + offset;
        assert_eq!(anchor.ntp(later), NtpTime::from_unix(Duration::from_secs(1_000_000) + offset));
        let back = anchor.instant(anchor.ntp(later)).unwrap();
        assert!(later.duration_since(back) < Duration::from_nanos(2));
        if let Some(earlier) = now.checked_sub(offset) {
            assert_eq!(anchor.ntp(earlier), NtpTime::from_unix(Duration::from_secs(1_000_000) - offset));
        }
    }
}

#[test]
fn ticks_and_durations_convert() {
    assert_eq!(ticks(Duration::from_millis(20), 48_000), 960);
    assert_eq!(ticks(Duration::from_secs(100_000), 90_000), 9_000_000_000);
    assert_eq!(duration(3_000, 90_000), Duration::from_nanos(33_333_333));
    assert_eq!(duration(1, 0), Duration::ZERO);
    assert_eq!(to_short_ntp(Duration::from_millis(500)), 0x8000);
    assert_eq!(to_short_ntp(Duration::from_secs(100_000)), u32::MAX);
    assert_eq!(from_short_ntp(0x18000), Duration::from_millis(1500));
}
