//! What the operator sees.

use super::run::{Limit, Measured};
use super::search::Found;

const COLUMNS: [(&str, usize); 11] = [
    ("viewers", 7),
    ("workers", 7),
    ("profile", 7),
    ("µs/packet", 9),
    ("x raw", 6),
    ("loss %", 7),
    ("p50 ms", 7),
    ("p99 ms", 7),
    ("KiB/viewer", 10),
    ("joins/s", 7),
    ("CPU %", 6),
];

/// The headings.
pub(super) fn heading() -> String {
    let cells = COLUMNS.map(|(name, width)| format!("{name:>width$}"));
    format!("{}  limit", cells.join("  "))
}

/// One row.
pub(super) fn row(measured: &Measured) -> String {
    let cells = [
        measured.viewers.to_string(),
        measured.workers.to_string(),
        measured.profile.to_owned(),
        format!("{:.2}", measured.us_per_packet),
        measured.times_raw.map_or_else(|| "-".to_owned(), |times| format!("{times:.2}")),
        format!("{:.3}", measured.loss_percent),
        format!("{:.2}", measured.p50_ms),
        format!("{:.2}", measured.p99_ms),
        format!("{:.1}", measured.kib_per_viewer),
        format!(
            "{}{:.0}",
            if measured.joins_limited_by_clients { ">" } else { "" },
            measured.joins_per_second
        ),
        format!("{:.0}", measured.server_cpu_percent),
    ];
    let cells: Vec<_> =
        cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("{cell:>width$}")).collect();
    format!("{}  {}", cells.join("  "), remarks(measured).join(", ")).trim_end().to_owned()
}

fn remarks(measured: &Measured) -> Vec<String> {
    let mut remarks = Vec::new();
    if measured.joined < measured.viewers {
        remarks.push(format!("only {} joined", measured.joined));
    }
    match measured.limit {
        Limit::None => {}
        Limit::Server => remarks.push("server".to_owned()),
        Limit::Clients => remarks.push("CLIENTS, not the server".to_owned()),
        Limit::Cpus => {
            let waited = measured.server_waited_percent;
            remarks.push(format!("CPUs: the server waited {waited:.0} % of the time"));
        }
    }
    if measured.refused > 0 {
        remarks.push(format!("{} could not be opened", measured.refused));
    }
    if measured.client_drops > 0 {
        remarks.push(format!("clients dropped {}", measured.client_drops));
    }
    if measured.server_drops > 0 {
        remarks.push(format!("server dropped {}", measured.server_drops));
    }
    remarks
}

/// What the search found.
pub(super) fn found(found: &Found) -> String {
    let Found { viewers, .. } = found;
    let most = match found.limit {
        Limit::None => format!("at least {viewers}, where the search ends"),
        Limit::Server => format!("{viewers}"),
        Limit::Clients => {
            format!("at least {viewers}: beyond that the clients are at their end, not the server")
        }
        Limit::Cpus => format!("at least {viewers}: beyond that server and clients take each other's CPUs"),
    };
    format!("viewers on one core (one worker, GCM, loss < 0.1 %, p99 < 50 ms): {most}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_under_their_headings() {
        let measured = Measured { viewers: 10_000, p99_ms: 1234.567, ..Measured::default() };
        let (heading, row) = (heading(), row(&measured));
        for column in ["p99 ms", "x raw", "CPU %"] {
            let end = heading.find(column).map(|at| heading[..at + column.len()].chars().count());
            let cell = row.chars().take(end.expect("a column")).last().expect("a cell");
            assert!(!cell.is_whitespace(), "{column}\n{heading}\n{row}");
        }
    }

    #[test]
    fn a_row_that_says_nothing_about_the_server_says_so() {
        let limits = [(Limit::Clients, "not the server"), (Limit::Cpus, "waited"), (Limit::Server, "server")];
        for (limit, word) in limits {
            assert!(row(&Measured { limit, ..Measured::default() }).contains(word));
        }
        let found = |limit| found(&Found { viewers: 700, limit });
        assert!(found(Limit::Server).ends_with(": 700"));
        assert!(found(Limit::Clients).contains("at least 700"));
    }
}
