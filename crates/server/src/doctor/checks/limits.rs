//! What the system grants: buffers, files, cores.

use super::super::finding::Findings;
use super::super::holder;
use super::super::patient::{Life, Patient};
use crate::files;

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    let machine = patient.machine;
    match machine.receive_buffer {
        Some((asked, obtained)) if obtained < asked => findings.warning(
            "udp-buffer",
            format!(
                "UDP sockets get a receive buffer of {} KiB instead of {} KiB",
                obtained >> 10,
                asked >> 10
            ),
            "Under load the kernel drops packets before the server can read them, and nobody logs it.",
            format!("sysctl -w net.core.rmem_max={asked}"),
        ),
        Some((asked, _)) => findings.well(format!("UDP receive buffer: {} KiB", asked >> 10)),
        None => {}
    }
    drops(patient, findings);
    let needed = files::needed(patient.config);
    match machine.files {
        Some(files) if files < needed => findings.fault(
            "file-limit",
            format!("this process may open {files} files, but these settings can need {needed}"),
            format!(
                "With {} connections (limits.http_connections) new ones are refused, as no file is left for them.",
                patient.config.limits.http_connections
            ),
            format!("LimitNOFILE={}    # in the [Service] of its systemd unit; in a shell: ulimit -n", round(needed)),
        ),
        Some(files) => findings.well(format!("{files} open files are allowed, {needed} needed at most")),
        None => {}
    }
    if patient.config.workers > machine.cores {
        findings.warning(
            "workers",
            format!("{} media workers on {} cores", patient.config.workers, machine.cores),
            "Workers that share a core wait for each other, and packets for them.",
            format!("workers = {}", machine.cores),
        );
    }
}

/// What a running server was too late for.
fn drops(patient: &Patient<'_>, findings: &mut Findings) {
    let machine = patient.machine;
    let dropped: u64 = patient.media.iter().map(|it| holder::dropped(*it)).sum();
    if dropped == 0 || !matches!(patient.life, Life::Runs) {
        return;
    }
    let fix = match machine.receive_buffer {
        Some((asked, obtained)) if obtained < asked => format!("sysctl -w net.core.rmem_max={asked}"),
        _ if patient.config.workers < machine.cores => format!("workers = {}", machine.cores),
        _ => "CPUWeight=1000    # in the [Service] of its systemd unit, if others use the cores; else it needs more of them"
            .to_owned(),
    };
    findings.warning(
        "udp-drops",
        format!("the kernel has dropped {dropped} datagrams for the server since it started: its receive buffer was full"),
        "The server was too late to read them. Viewers see stutter, and ask for packets again.",
        fix,
    );
}

/// A number that people would write.
fn round(needed: u64) -> u64 {
    needed.next_power_of_two()
}
