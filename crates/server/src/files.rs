//! How many files and sockets the server may have open.

use crate::config::Config;

/// Beside connections and sockets: standard streams, pollers, wakers, certificates, name look-ups.
const OTHERS: usize = 64;
/// A worker's poller and waker, and its thread's.
const PER_WORKER: usize = 4;

/// How many these settings may come to.
pub(crate) fn needed(config: &Config) -> u64 {
    let listeners = config.tcp().len();
    let media = if config.listen.is_empty() { config.media.len() } else { listeners };
    let workers = config.workers * (media + PER_WORKER);
    (config.limits.http_connections.saturating_add(listeners + workers + OTHERS)) as u64
}

/// Raises the limit of this process to that, if it may. Returns how many it may have; 0 where the system does not tell.
pub(crate) fn raise(config: &Config) -> u64 {
    headwater_udp::raise_file_limit(needed(config))
}
