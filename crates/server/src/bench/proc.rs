//! What the kernel says of processes: run time of threads, memory, dropped datagrams.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Run time and time on the run queue of each thread of a process.
pub(super) struct Threads(BTreeMap<String, (u64, u64)>);

/// What threads used between two looks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    /// All threads together.
    pub(super) total: Duration,
    /// The busiest one.
    pub(super) busiest: Duration,
    /// The longest that one thread could have run and did not, for want of a CPU.
    pub(super) waited: Duration,
}

impl Threads {
    /// Looks at a process, `self` for this one.
    pub(super) fn of(process: &str) -> io::Result<Self> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{process}/task"))? {
            let entry = entry?;
            // A thread may have ended since.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            threads.insert(name, schedstat(&text)?);
        }
        if threads.is_empty() {
            return Err(io::Error::new(ErrorKind::Unsupported, "this kernel has no /proc/*/schedstat"));
        }
        Ok(Self(threads))
    }

    /// What was used since `before`.
    pub(super) fn since(&self, before: &Self) -> Used {
        let mut used = Used::default();
        for (thread, (ran, waited)) in &self.0 {
            let (ran_before, waited_before) = before.0.get(thread).copied().unwrap_or_default();
            let ran = Duration::from_nanos(ran.saturating_sub(ran_before));
            used.total += ran;
            used.busiest = used.busiest.max(ran);
            used.waited = used.waited.max(Duration::from_nanos(waited.saturating_sub(waited_before)));
        }
        used
    }
}

/// Run time of the calling thread so far.
pub(super) fn own_time() -> io::Result<Duration> {
    let (ran, _) = schedstat(&fs::read_to_string("/proc/thread-self/schedstat")?)?;
    Ok(Duration::from_nanos(ran))
}

/// Resident memory of a process, in KiB.
pub(super) fn resident_kib(process: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "no VmRSS in /proc/*/status"))
}

/// Datagrams that found the receive buffers of these UDP ports full.
pub(super) fn dropped(ports: &[u16]) -> u64 {
    let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    table.lines().skip(1).filter_map(|line| dropped_at(line, ports)).sum()
}

/// A line is `sl local:port remote:port ... drops`, addresses and ports in hexadecimal.
fn dropped_at(line: &str, ports: &[u16]) -> Option<u64> {
    let (_, port) = line.split_whitespace().nth(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok().filter(|port| ports.contains(port));
    port.and_then(|_| line.split_whitespace().last()?.parse().ok())
}

/// Run time and waiting time, nanoseconds.
fn schedstat(text: &str) -> io::Result<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(ran), Some(waited)) => Ok((ran, waited)),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "schedstat has another form than expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        assert_eq!(schedstat("12345 678 9\n").expect("the known form"), (12345, 678));
        assert!(schedstat("").is_err());
        let line = "  77: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1 2 0 42";
        assert_eq!(dropped_at(line, &[8080]), Some(42));
        assert_eq!(dropped_at(line, &[8081]), None);
        assert_eq!(dropped_at("", &[8080]), None);
    }

    #[test]
    fn a_thread_that_works_has_used_time() {
        let before = Threads::of("self").expect("Linux");
        let own = own_time().expect("Linux");
        let mut sum = 0_u64;
        while own_time().expect("Linux") < own + Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        let used = Threads::of("self").expect("Linux").since(&before);
        assert!(used.busiest >= Duration::from_millis(5) && used.total >= used.busiest);
        assert!(resident_kib("self").expect("Linux") > 0);
    }
}
