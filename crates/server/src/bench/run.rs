//! One row: a fresh server, one publisher, viewers who join all at once, a window in which everything is counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headwater_sfu::Certificate;
use serde::Serialize;

use super::audience::{Audience, Plan, per_socket};
use super::cpus::Cpus;
use super::meter::Meter;
use super::options::{Options, Profile};
use super::proc::{self, Threads, Used};
use super::publisher::Publisher;
use super::server::Server;
use super::traffic::{Sent, wall_clock};
use super::{histogram::Histogram, raw};

/// Packets sent in the window may come this much later.
const GRACE: Duration = Duration::from_millis(400);
/// Time to join: a fixed part and a part for each viewer.
const JOIN_WITHIN: Duration = Duration::from_secs(10);
const JOIN_EACH_WITHIN: Duration = Duration::from_millis(4);
/// The joining is over if nobody joined for so long.
const STALLED: Duration = Duration::from_secs(5);
/// A thread that runs this share of the time has nothing left for a worse moment.
const BUSY: f64 = 0.85;
/// A server thread that waits for a CPU this share of the time is not measured but starved.
const STARVED: f64 = 0.1;

/// What all runs have in common.
pub(super) struct Bench {
    pub(super) options: Options,
    pub(super) cpus: Cpus,
    pub(super) certificate: Certificate,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) viewers: usize,
    pub(super) workers: usize,
    pub(super) profile: Profile,
    /// From the last viewer's first packets to the window.
    pub(super) warm_up: Duration,
    pub(super) window: Duration,
    /// The publisher's time alone: the server's history is full after two seconds and no viewer's.
    pub(super) alone: Duration,
    /// Measure the raw limit beside it?
    pub(super) with_raw: bool,
}

/// What was measured.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Measured {
    pub(super) viewers: usize,
    pub(super) workers: usize,
    pub(super) profile: &'static str,
    /// Viewers that got audio and video.
    pub(super) joined: usize,
    /// Server CPU over packets that viewers received.
    pub(super) us_per_packet: f64,
    /// The same of crypto and system calls alone.
    pub(super) raw_us_per_packet: Option<f64>,
    pub(super) times_raw: Option<f64>,
    /// Packets that did not arrive, before repair.
    pub(super) loss_percent: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) kib_per_viewer: f64,
    pub(super) joins_per_second: f64,
    pub(super) join_p50_ms: f64,
    pub(super) join_p99_ms: f64,
    /// Share of one CPU of the busiest server thread while they joined.
    pub(super) join_server_busiest_percent: f64,
    /// Did a thread of viewers work all the while? Then the server could have had more joins.
    pub(super) joins_limited_by_clients: bool,
    /// Share of one CPU that all server threads used, and the busiest one.
    pub(super) server_cpu_percent: f64,
    pub(super) server_busiest_percent: f64,
    /// Share of the window that a server thread waited for a CPU.
    pub(super) server_waited_percent: f64,
    /// Share of one CPU of the busiest client thread.
    pub(super) client_busiest_percent: f64,
    /// Packets that a full viewer could not open.
    pub(super) refused: u64,
    /// Datagrams that found a full receive buffer.
    pub(super) server_drops: u64,
    pub(super) client_drops: u64,
    /// What there was no more of.
    pub(super) limit: Limit,
}

/// What was at its end in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Limit {
    /// Nothing.
    #[default]
    None,
    /// A server thread.
    Server,
    /// The load generator: the run says nothing about the server's end.
    Clients,
    /// CPUs: server threads had to wait for others' time.
    Cpus,
}

/// What the threads of a run share.
pub(super) struct Shared {
    /// When each packet was sent.
    pub(super) sent: Sent,
    /// The window, by the wall clock.
    pub(super) from: AtomicU64,
    pub(super) until: AtomicU64,
    pub(super) is_over: AtomicBool,
    joined: AtomicUsize,
    last_joined: AtomicU64,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            sent: Sent::new(),
            from: AtomicU64::new(u64::MAX),
            until: AtomicU64::new(u64::MAX),
            is_over: AtomicBool::new(false),
            joined: AtomicUsize::new(0),
            last_joined: AtomicU64::new(0),
        })
    }

    /// So many viewers got their first audio and video just now.
    pub(super) fn joined(&self, viewers: usize) {
        self.last_joined.fetch_max(wall_clock(), Ordering::Relaxed);
        self.joined.fetch_add(viewers, Ordering::Relaxed);
    }
}

/// Ends the threads of a run, however it ends.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

type Viewers = Vec<JoinHandle<io::Result<Meter>>>;

impl Bench {
    /// Measures one row.
    ///
    /// # Errors
    /// The server does not start or refuses the publisher or a viewer, or the system refuses a resource.
    pub(super) fn measure(&self, run: &Run) -> io::Result<Measured> {
        let server = Server::start(run.workers, &self.cpus, &self.options.server)?;
        let shared = Shared::new();
        let over = Over(Arc::clone(&shared));
        let publisher = Publisher::connect(server.http, &self.certificate, run.profile.iana())?;
        let publisher = publisher.start(Arc::clone(&shared), self.options.pace)?;
        thread::sleep(run.alone);

        let resident = server.resident_kib()?;
        let (begin, joining) = (wall_clock(), (server.threads()?, Threads::of("self")?));
        let (viewers, ports) = self.viewers(run, &server, &shared)?;
        let joined = wait_for_all(run, &shared, &viewers);
        let joining = (server.threads()?.since(&joining.0), Threads::of("self")?.since(&joining.1));
        let joined_within =
            shared.last_joined.load(Ordering::Relaxed).saturating_sub(begin).max(1) as f64 / 1e9;
        if viewers.iter().any(JoinHandle::is_finished) {
            drop(over);
            return Err(gather(viewers).err().unwrap_or_else(|| io::Error::other("the viewers ended early")));
        }
        thread::sleep(run.warm_up);

        let drops = (proc::dropped(&[server.media_port]), proc::dropped(&ports));
        let window = observe(run, &server, &shared)?;
        let resident = server.resident_kib()?.saturating_sub(resident);
        thread::sleep(GRACE);
        let drops = (
            proc::dropped(&[server.media_port]).saturating_sub(drops.0),
            proc::dropped(&ports).saturating_sub(drops.1),
        );
        drop(over);
        drop(server);
        let Counts { latency, joins, received, refused } = gather(viewers)?;
        publisher.join().map_err(|_| io::Error::other("the publisher failed"))?;

        let (from, until) = (shared.from.load(Ordering::Relaxed), shared.until.load(Ordering::Relaxed));
        let expected = (shared.sent.count(from, until) * joined as u64) as f64;
        let us_per_packet = window.server.total.as_secs_f64() * 1e6 / (received as f64).max(1.0);
        let raw = if run.with_raw { Some(raw::measure(self, run)?) } else { None };
        let percent = |time: Duration| 100.0 * time.as_secs_f64() / window.length.as_secs_f64();
        let milliseconds = |of: &Histogram, share| of.quantile(share).as_secs_f64() * 1e3;
        Ok(Measured {
            viewers: run.viewers,
            workers: run.workers,
            profile: run.profile.word(),
            joined,
            us_per_packet,
            raw_us_per_packet: raw,
            times_raw: raw.map(|raw| us_per_packet / raw),
            loss_percent: 100.0 * (1.0 - received as f64 / expected.max(1.0)).max(0.0),
            p50_ms: milliseconds(&latency, 0.5),
            p99_ms: milliseconds(&latency, 0.99),
            kib_per_viewer: resident as f64 / run.viewers as f64,
            joins_per_second: joined as f64 / joined_within,
            join_p50_ms: milliseconds(&joins, 0.5),
            join_p99_ms: milliseconds(&joins, 0.99),
            join_server_busiest_percent: 100.0 * joining.0.busiest.as_secs_f64() / joined_within,
            joins_limited_by_clients: joining.1.busiest.as_secs_f64() > BUSY * joined_within,
            server_cpu_percent: percent(window.server.total),
            server_busiest_percent: percent(window.server.busiest),
            server_waited_percent: percent(window.server.waited),
            client_busiest_percent: percent(window.clients.busiest),
            refused,
            server_drops: drops.0,
            client_drops: drops.1,
            limit: limit(&window, drops.1),
        })
    }

    /// Seats the viewers on their threads, whole sockets each, and lets them join.
    fn viewers(&self, run: &Run, server: &Server, shared: &Arc<Shared>) -> io::Result<(Viewers, Vec<u16>)> {
        let per_socket = per_socket(run.viewers);
        let sockets = run.viewers.div_ceil(per_socket);
        let threads = self.options.client_threads().min(sockets);
        let each = sockets.div_ceil(threads) * per_socket;
        let (mut audiences, mut ports) = (Vec::new(), Vec::new());
        for begin in (0..run.viewers).step_by(each) {
            let plan = Plan {
                http: server.http,
                certificate: self.certificate.clone(),
                profile: run.profile.iana(),
                per_socket,
                viewers: begin..run.viewers.min(begin + each),
                full: self.options.full.div_ceil(threads),
            };
            let (audience, its) = Audience::new(plan, Arc::clone(shared))?;
            audiences.push(audience);
            ports.extend(its);
        }
        Ok((audiences.into_iter().map(Audience::start).collect::<io::Result<_>>()?, ports))
    }
}

/// Waits until everybody has joined, or it takes too long, or a thread has failed; how many have.
fn wait_for_all(run: &Run, shared: &Shared, viewers: &Viewers) -> usize {
    let deadline = Instant::now() + JOIN_WITHIN + JOIN_EACH_WITHIN * run.viewers as u32;
    let (mut progress, mut joined) = (Instant::now(), 0);
    loop {
        let so_far = shared.joined.load(Ordering::Relaxed);
        if so_far > joined {
            (progress, joined) = (Instant::now(), so_far);
        }
        let is_broken = viewers.iter().any(JoinHandle::is_finished);
        let is_late = Instant::now() > deadline || progress.elapsed() > STALLED;
        if joined == run.viewers || is_broken || is_late {
            return joined;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What was used within the window.
struct Window {
    length: Duration,
    server: Used,
    clients: Used,
}

fn observe(run: &Run, server: &Server, shared: &Shared) -> io::Result<Window> {
    let (start, from) = (Instant::now(), wall_clock());
    let (of_server, of_clients) = (server.threads()?, Threads::of("self")?);
    shared.until.store(from + run.window.as_nanos() as u64, Ordering::Relaxed);
    shared.from.store(from, Ordering::Relaxed);
    thread::sleep(run.window.saturating_sub(start.elapsed()));
    let used = (server.threads()?.since(&of_server), Threads::of("self")?.since(&of_clients));
    Ok(Window { length: start.elapsed(), server: used.0, clients: used.1 })
}

/// What all viewers counted.
struct Counts {
    latency: Histogram,
    joins: Histogram,
    received: u64,
    refused: u64,
}

fn gather(viewers: Viewers) -> io::Result<Counts> {
    let mut counts = Counts { latency: Histogram::new(), joins: Histogram::new(), received: 0, refused: 0 };
    for thread in viewers {
        let meter = thread.join().map_err(|_| io::Error::other("a thread of viewers failed"))??;
        counts.latency.merge(&meter.latency);
        counts.joins.merge(&meter.joining);
        counts.received += meter.received;
        counts.refused += meter.refused;
    }
    Ok(counts)
}

fn limit(window: &Window, client_drops: u64) -> Limit {
    let share = |time: Duration| time.as_secs_f64() / window.length.as_secs_f64();
    if client_drops > 0 || share(window.clients.busiest) > BUSY {
        Limit::Clients
    } else if share(window.server.busiest) > BUSY {
        Limit::Server
    } else if share(window.server.waited) > STARVED {
        Limit::Cpus
    } else {
        Limit::None
    }
}
