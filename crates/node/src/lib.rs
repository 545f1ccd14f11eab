#![doc = include_str!("../README.md")]

mod clock;
mod commands;
mod config;
mod counters;
mod directory;
mod events;
mod handle;
mod interfaces;
mod links;
mod placement;
mod session_id;
mod strays;
mod streams;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

pub use commands::{Session, SessionInfo, Trickle};
pub use config::{Config, StartError, Turn};
pub use counters::{Counters, TurnCounters};
pub use events::{Event, MAX_WAITING_EVENTS};
pub use headwater_sfu::{
    COALESCE, CloseReason, DtlsVersions, Limits, Path, PeerInfo, Security, SignalError, StreamInfo, Takeover,
    Totals, TrackInfo, Transport, track,
};
pub use headwater_turn::password_for as turn_password;
pub use session_id::{InvalidSessionId, SessionId};
pub use streams::{MAX_PULLED, MAX_STREAMS, Stream, StreamKind, StreamRefused};

use headwater_sfu::{Certificate, Sfu};
use headwater_udp::{Options, Socket};

use crate::clock::Clock;
use crate::directory::Directory;
use crate::handle::{Message, WorkerHandle};
use crate::worker::{MakeSfu, MakeTurn, Worker};

/// The most workers: a session id names one in a byte.
pub const MAX_WORKERS: usize = 64;

/// A running media loop. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    workers: OnceLock<Vec<WorkerHandle>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    media: Vec<SocketAddr>,
    advertised: Vec<SocketAddr>,
    advertised_tcp: Vec<SocketAddr>,
    /// How often a worker failed and began anew.
    pub(crate) panics: AtomicU64,
    /// When the node was started, by both clocks: all workers' wall clocks are one.
    pub(crate) started: Clock,
    /// What several workers know together.
    pub(crate) directory: Option<Directory>,
    /// Which worker answers the next offer.
    pub(crate) next: AtomicUsize,
    /// Counts connections, which names them.
    pub(crate) next_stream: AtomicUsize,
    /// Is there a TURN server?
    pub(crate) has_turn: bool,
    /// How long media may wait to leave together.
    pub(crate) coalesce: Duration,
    pub(crate) events: events::Events,
}

impl Inner {
    pub(crate) fn workers(&self) -> &[WorkerHandle] {
        self.workers.get().map_or(&[], Vec::as_slice)
    }
}

impl Node {
    /// Binds the sockets and starts the threads.
    ///
    /// # Errors
    /// [`StartError`] says which address cannot be bound or which setting cannot work; nothing runs then.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let workers = config.workers.clamp(1, MAX_WORKERS);
        let (media, sockets) = bind(&config, workers)?;
        let interfaces = interfaces::interfaces()?;
        let advertised = interfaces::advertised(&media, &config.advertise, &interfaces);
        let tcp = match config.tcp.is_empty() {
            true => Vec::new(),
            false => interfaces::advertised(&config.tcp, &config.advertise, &interfaces),
        };
        let certificate =
            Certificate::generate().map_err(|error| StartError::Certificate(error.to_string()))?;

        let started = Clock::read();
        let directory =
            (workers > 1).then(|| Directory::new(config.limits.clone(), config.takeover, started.now()));
        let inner = Arc::new(Inner {
            workers: OnceLock::new(),
            threads: Mutex::new(Vec::new()),
            media,
            advertised: advertised.clone(),
            advertised_tcp: tcp.clone(),
            panics: AtomicU64::new(0),
            started,
            directory,
            next: AtomicUsize::new(0),
            next_stream: AtomicUsize::new(0),
            has_turn: config.turn.is_some(),
            coalesce: config.coalesce,
            events: events::Events::default(),
        });
        let mut handles = Vec::new();
        let mut loops = Vec::new();
        for (index, (sockets, links)) in sockets.into_iter().zip(links::between(workers)).enumerate() {
            let mut sfu_config = headwater_sfu::Config::new(certificate.clone(), advertised.clone());
            sfu_config.tcp_candidates.clone_from(&tcp);
            sfu_config.limits = config.limits.clone();
            sfu_config.takeover = config.takeover;
            sfu_config.dtls = config.dtls;
            sfu_config.coalesce = config.coalesce;
            sfu_config.prefetch = Some(headwater_udp::prefetch);
            sfu_config.worker = index as u8;
            sfu_config.shares_streams = workers > 1;
            let seed = config.seed;
            let make_sfu: MakeSfu = Box::new(move |clock, restarts| {
                Sfu::new(sfu_config.clone(), seed_of(&seed, index, restarts), clock.now(), clock.unix())
            });
            let (turn, peers) = (config.turn.clone(), advertised.clone());
            let make_turn: MakeTurn = Box::new(move |clock, restarts| {
                // Another stream of the same randomness than the unit's.
                let seed = seed_of(&seed, MAX_WORKERS + index, restarts);
                turn.as_ref()
                    .map(|it| worker::Turn::new(it, &peers, (index, workers), seed, clock))
                    .transpose()
            });
            let (poll, waker) = Worker::poller()?;
            let (sender, messages) = channel();
            handles.push(WorkerHandle::new(sender, waker));
            loops.push(Worker::new(
                index,
                (make_sfu, make_turn),
                sockets,
                Arc::clone(&inner),
                links,
                messages,
                poll,
            )?);
        }
        let _ = inner.workers.set(handles);
        let mut threads = Vec::new();
        for (index, worker) in loops.into_iter().enumerate() {
            let thread =
                std::thread::Builder::new().name(format!("media-{index}")).spawn(move || worker.run())?;
            threads.push(thread);
        }
        *inner.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = threads;
        Ok(Self { inner })
    }

    /// The addresses that are bound, with the ports that the system chose where 0 was asked for.
    pub fn media_addresses(&self) -> Vec<SocketAddr> {
        self.inner.media.clone()
    }

    /// The addresses that peers are told.
    pub fn advertised(&self) -> Vec<SocketAddr> {
        self.inner.advertised.clone()
    }

    /// The addresses that peers are told for connections (ICE-TCP).
    pub fn advertised_tcp(&self) -> Vec<SocketAddr> {
        self.inner.advertised_tcp.clone()
    }

    /// What happens from now on: an iteration over it ends with [`shutdown`](Self::shutdown). Each caller hears
    /// everything; who does not read misses what is beyond [`MAX_WAITING_EVENTS`] and is told so.
    ///
    /// ```no_run
    /// # let node = headwater_node::Node::start(headwater_node::Config::new([7; 32]))?;
    /// use headwater_node::Event;
    ///
    /// for event in node.events() {
    ///     match event {
    ///         Event::Live { stream } => println!("{stream} is live"),
    ///         Event::Closed { session, reason } => println!("{session}: {}", reason.as_str()),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), headwater_node::StartError>(())
    /// ```
    pub fn events(&self) -> Receiver<Event> {
        self.inner.events.listen()
    }

    /// Tells all peers goodbye and ends the threads. Blocks, for at most `deadline`.
    pub fn shutdown(&self, deadline: Duration) {
        let ends = clock::now() + deadline;
        for handle in self.inner.workers() {
            handle.send(Message::Command(Box::new(|worker: &mut Worker| worker.close_all())));
            handle.send(Message::Stop(ends));
        }
        let threads = {
            let mut threads = self.inner.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        for thread in threads {
            let _ = thread.join();
        }
        self.inner.events.end();
    }
}

/// Binds every address once for each worker; all of one address share its port.
fn bind(config: &Config, workers: usize) -> Result<(Vec<SocketAddr>, Vec<Vec<Socket>>), StartError> {
    let mut options = Options::default();
    options.reuse_port = workers > 1;
    options.segmentation = config.segmentation;
    options.portable = config.portable;
    let mut media = Vec::new();
    let mut sockets: Vec<Vec<Socket>> = (0..workers).map(|_| Vec::new()).collect();
    for &wanted in &config.media {
        let mut address = wanted;
        if options.reuse_port && wanted.port() != 0 {
            // Sharing the port among workers would share it with another process of the same user as well.
            match Socket::bind(wanted, &Options::default()) {
                Err(source) if source.kind() == std::io::ErrorKind::AddrInUse => {
                    return Err(StartError::Bind { address: wanted, source });
                }
                _ => {}
            }
        }
        for of_worker in &mut sockets {
            let socket = match Socket::bind(address, &options) {
                Ok(socket) => socket,
                // A machine without IPv6 still serves IPv4: only the address of all interfaces may be missing.
                Err(error) if is_optional(wanted, &error) => {
                    tracing::warn!(%address, %error, "no IPv6 here: media goes over IPv4 only");
                    break;
                }
                Err(source) => return Err(StartError::Bind { address: wanted, source }),
            };
            address = socket.local_addr();
            of_worker.push(socket);
        }
        if let Some(socket) = sockets[0].last().filter(|socket| socket.local_addr() == address) {
            let (receive, send) = socket.buffer_sizes();
            tracing::info!(%address, receive, send, segmentation = socket.segments(), coalescing = socket.coalesces(), "media socket");
            if receive < options.receive_buffer {
                let asked = options.receive_buffer;
                tracing::warn!(
                    %address, asked, obtained = receive,
                    "the receive buffer is smaller than it should be, and bursts may be lost; as root: \
                     `sysctl -w net.core.rmem_max={asked}`"
                );
            }
            media.push(address);
        }
    }
    if media.is_empty() {
        return Err(StartError::NoMedia);
    }
    Ok((media, sockets))
}

fn is_optional(address: SocketAddr, error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{AddrNotAvailable, Unsupported};
    /// `EAFNOSUPPORT` on Linux: the kernel was started without IPv6.
    const NO_FAMILY: i32 = 97;
    address.ip().is_unspecified()
        && address.is_ipv6()
        && (matches!(error.kind(), AddrNotAvailable | Unsupported) || error.raw_os_error() == Some(NO_FAMILY))
}

/// Each worker has its own randomness, anew each time that it starts.
fn seed_of(seed: &[u8; 32], worker: usize, restarts: u64) -> [u8; 32] {
    let mut input = seed.to_vec();
    input.extend_from_slice(&(worker as u64).to_be_bytes());
    input.extend_from_slice(&restarts.to_be_bytes());
    let digest = ring::digest::digest(&ring::digest::SHA256, &input);
    let mut seed = [0; 32];
    seed.copy_from_slice(digest.as_ref());
    seed
}

/// Whose reply it is: an address, so that limits can hold.
pub(crate) type From = IpAddr;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strays_for_a_busy_worker_are_bounded() {
        use std::sync::atomic::Ordering;

        let mut config = Config::new([3; 32]);
        config.media = vec!["127.0.0.1:0".parse().expect("an address")];
        let node = Node::start(config).expect("loopback can be bound");
        let (release, wait) = channel::<()>();
        let handle = &node.inner.workers()[0];
        handle.send(Message::Command(Box::new(move |_| {
            let _ = wait.recv();
        })));
        let address: SocketAddr = "192.0.2.1:1".parse().expect("an address");
        let send = |len| {
            let (received, contents) = (clock::now(), vec![0; len]);
            let path = Path::new(Transport::Udp, address, address);
            handle.send_stray(strays::Stray { from: 0, hops: 0, path, received, contents });
        };
        send(strays::MAX_STRAY_BYTES + 1);
        assert_eq!(handle.strays.load(Ordering::Relaxed), 0, "too long to wait");
        for _ in 0..3 * strays::MAX_STRAYS {
            send(20);
        }
        assert_eq!(handle.strays.load(Ordering::Relaxed), strays::MAX_STRAYS);
        drop(release);
        let counters = node.counters();
        assert_eq!(counters.totals[0].unrouted, strays::MAX_STRAYS as u64);
        assert_eq!(handle.strays.load(Ordering::Relaxed), 0);
        node.shutdown(Duration::from_secs(1));
    }

    #[test]
    fn a_worker_that_panics_starts_anew() {
        let mut config = Config::new([3; 32]);
        config.media = vec!["127.0.0.1:0".parse().expect("an address")];
        let node = Node::start(config).expect("loopback can be bound");
        let events = node.events();
        node.inner.workers()[0].send(Message::Command(Box::new(|_| panic!("on purpose"))));
        let (sender, receiver) = channel();
        node.streams(move |streams| {
            let _ = sender.send(streams.len());
        });
        assert_eq!(receiver.recv_timeout(Duration::from_secs(5)), Ok(0));
        assert_eq!(node.counters().panics, 1);
        assert_eq!(events.try_recv(), Ok(Event::Restarted { worker: 0 }));
        node.shutdown(Duration::from_secs(1));
    }
}
