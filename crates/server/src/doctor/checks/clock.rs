//! The clock: certificates and TURN credentials are good for a time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::finding::Findings;
use super::super::patient::Patient;
use crate::config::Tls;

/// Before this was written, 2026-09-01: no clock that is right says less.
const WRITTEN: Duration = Duration::from_secs(1_788_220_800);
/// Files may come from a machine whose clock was ahead.
const TOLERANCE: Duration = Duration::from_secs(24 * 3600);

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    let now = patient.machine.now;
    let mut marks = vec![("this version of Headwater is from later than that", UNIX_EPOCH + WRITTEN)];
    if let Some(date) = patient.machine.program_date {
        marks.push(("the program's own file is newer than that", date));
    }
    if let Tls::Files { cert, .. } = &patient.config.tls
        && let Some(date) = std::fs::metadata(cert).and_then(|it| it.modified()).ok()
    {
        marks.push(("the certificate's file is newer than that", date));
    }
    match marks.into_iter().find(|(_, date)| now + TOLERANCE < *date) {
        Some((why, _)) => findings.fault(
            "clock-behind",
            format!("the clock says {}, but {why}", date(now)),
            "TURN credentials end by the clock, and certificates begin by it: with a wrong one both are refused.",
            "timedatectl set-ntp true",
        ),
        None => findings.well(format!("the clock says {}", date(now))),
    }
}

/// `2026-11-01`, UTC.
pub(super) fn date(time: SystemTime) -> String {
    let days = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    // Years begin in March here, so that the leap day is a year's last: 400 of them have 146,097 days.
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{of_month:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        let table = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_735_689_599, "2024-12-31"),
            (1_793_491_200, "2026-11-01"),
            (4_107_542_400, "2100-03-01"),
        ];
        for (seconds, expected) in table {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
