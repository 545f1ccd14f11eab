//! Wall clock and media clock: NTP timestamps (RFC 3550 §4) and RTP ticks.

use std::time::{Duration, Instant};

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970).
const UNIX_EPOCH_IN_NTP: u64 = 2_208_988_800;

/// A 64-bit NTP timestamp: seconds since 1900 in the upper half, fraction in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From the time since the Unix epoch. Wraps in 2036, as NTP does.
    pub const fn from_unix(unix: Duration) -> Self {
        let seconds = unix.as_secs().wrapping_add(UNIX_EPOCH_IN_NTP);
        let fraction = ((unix.subsec_nanos() as u64) << 32) / 1_000_000_000;
        Self((seconds << 32) | fraction)
    }

    /// The middle 32 bits, in 1/65536 s: what LSR and LRR carry (RFC 3550 §6.4.1).
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Time from `earlier` to this one; `None` if this one is older.
    pub const fn since(self, earlier: Self) -> Option<Duration> {
        let difference = self.0.wrapping_sub(earlier.0);
        if difference >> 63 == 1 { None } else { Some(from_q32(difference)) }
    }
}

/// A Q32.32 number of seconds as a duration.
const fn from_q32(value: u64) -> Duration {
    let nanos = ((value & 0xffff_ffff) * 1_000_000_000) >> 32;
    Duration::new(value >> 32, nanos as u32)
}

/// A duration in 1/65536 s, the unit of DLSR and DLRR; the longest is about 18 hours.
pub fn to_short_ntp(duration: Duration) -> u32 {
    let whole = duration.as_secs() << 16;
    let part = (u64::from(duration.subsec_nanos()) << 16) / 1_000_000_000;
    u32::try_from(whole + part).unwrap_or(u32::MAX)
}

/// The duration of `value` units of 1/65536 s.
pub const fn from_short_ntp(value: u32) -> Duration {
    from_q32((value as u64) << 16)
}

/// Ties the monotonic clock to the wall clock, once and for all.
#[derive(Clone, Copy, Debug)]
pub struct NtpAnchor {
    now: Instant,
    unix: Duration,
}

impl NtpAnchor {
    /// At `now` the wall clock showed `unix` since 1970.
    pub const fn new(now: Instant, unix: Duration) -> Self {
        Self { now, unix }
    }

    /// The wall-clock time of `instant`.
    pub fn ntp(&self, instant: Instant) -> NtpTime {
        let unix = match instant.checked_duration_since(self.now) {
            Some(later) => self.unix.saturating_add(later),
            None => self.unix.saturating_sub(self.now.duration_since(instant)),
        };
        NtpTime::from_unix(unix)
    }

    /// The instant of a wall-clock time; `None` if it cannot be represented.
    pub fn instant(&self, ntp: NtpTime) -> Option<Instant> {
        let anchor = NtpTime::from_unix(self.unix);
        match ntp.since(anchor) {
            Some(later) => self.now.checked_add(later),
            None => self.now.checked_sub(anchor.since(ntp)?),
        }
    }
}

/// RTP ticks in `duration` at `clock_rate` Hz, rounded down.
pub fn ticks(duration: Duration, clock_rate: u32) -> u64 {
    let rate = u64::from(clock_rate);
    let part = u64::from(duration.subsec_nanos()) * rate / 1_000_000_000;
    duration.as_secs().saturating_mul(rate).saturating_add(part)
}

/// The duration of `ticks` at `clock_rate` Hz; zero if the rate is zero.
pub fn duration(ticks: u64, clock_rate: u32) -> Duration {
    let rate = u64::from(clock_rate.max(1));
    if clock_rate == 0 {
        return Duration::ZERO;
    }
    let nanos = (ticks % rate) * 1_000_000_000 / rate;
    Duration::new(ticks / rate, nanos as u32)
}
