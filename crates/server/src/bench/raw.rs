//! The raw limit: the same packets to as many viewers, protected by the same contexts and sent by the same calls, with
//! no logic at all. What a server needs beyond it is what it does itself.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use headwater_sfu::track::Kind;
use headwater_srtp::{Context, Profile};
use headwater_udp::{Batch, Options, Outgoing, Socket};

use super::audience::{address_of, open_socket, per_socket};
use super::proc;
use super::run::{Bench, Run};
use super::traffic::{self, Group, Schedule, VIDEO_BYTES};

const WARM_UP: Duration = Duration::from_millis(300);
/// What is handed over at once, as the media loop does.
const MESSAGES: usize = 64;
const BYTES: usize = 256 << 10;
const READ_EVERY: Duration = Duration::from_millis(5);

/// Microseconds of CPU for each packet.
pub(super) fn measure(bench: &Bench, run: &Run) -> io::Result<f64> {
    let per_socket = per_socket(run.viewers);
    let sockets =
        (0..run.viewers.div_ceil(per_socket)).map(|_| open_socket()).collect::<io::Result<Vec<_>>>()?;
    let mut viewers = Vec::new();
    for nth in 0..run.viewers {
        let port = sockets[nth / per_socket].local_addr().port();
        viewers.push(Viewer::new(
            SocketAddr::new(address_of(nth % per_socket), port),
            nth,
            run.profile.iana(),
        )?);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = read(sockets, Arc::clone(&is_over))?;
    let measured = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            bench.cpus.move_thread_to_server()?;
            Sender::new()?.run(&mut viewers, bench.options.pace, run.window)
        });
        sender.join().unwrap_or_else(|_| Err(io::Error::other("the raw limit failed")))
    });
    is_over.store(true, Ordering::Relaxed);
    let _ = reader.join();
    measured
}

/// Takes what arrives, and does nothing with it.
fn read(mut sockets: Vec<Socket>, is_over: Arc<AtomicBool>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("reader".to_owned()).spawn(move || {
        let Some(mut batch) = sockets.first().map(Batch::new) else { return };
        while !is_over.load(Ordering::Relaxed) {
            for socket in &mut sockets {
                while socket.receive(&mut batch).is_ok() {}
            }
            thread::sleep(READ_EVERY);
        }
    })
}

/// One viewer's keys and numbers.
struct Viewer {
    context: Context,
    remote: SocketAddr,
    sequences: [u16; 2],
}

impl Viewer {
    fn new(remote: SocketAddr, nth: usize, profile: u16) -> io::Result<Self> {
        let profile = Profile::from_iana(profile).ok_or(io::ErrorKind::InvalidInput)?;
        // These keys protect nothing; they differ so that the caches work as hard as with real ones.
        let byte = nth as u8;
        let (key, salt) = (vec![byte; profile.key_len()], vec![byte ^ 0xff; profile.salt_len()]);
        let context = Context::new(profile, &key, &salt).map_err(io::Error::other)?;
        Ok(Self { context, remote, sequences: [0; 2] })
    }

    /// Appends a group's packets; returns the length of one.
    fn protect(&mut self, group: Group, payload: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let start = out.len();
        for number in group.first..group.first + group.count {
            let at = out.len();
            let sequence = &mut self.sequences[traffic::index_of(group.kind)];
            *sequence = sequence.wrapping_add(1);
            let marker = u8::from(traffic::marker(group.kind, number)) << 7;
            let (payload_type, ssrc) = if group.kind == Kind::Audio { (97, 1) } else { (96, 2) };
            out.extend_from_slice(&[0x90, marker | payload_type]);
            out.extend_from_slice(&sequence.to_be_bytes());
            out.extend_from_slice(&traffic::timestamp(group.kind, number).to_be_bytes());
            // The SSRC, and a header extension of one element (RFC 8285 §4.2), as a media identification has.
            out.extend_from_slice(&[0, 0, 0, ssrc, 0xbe, 0xde, 0, 1, 0x10, b'0', 0, 0]);
            out.extend_from_slice(payload);
            self.context.protect_rtp(out, at).ok()?;
        }
        Some((out.len() - start) / group.count as usize)
    }
}

struct Sender {
    socket: Socket,
    bytes: Vec<u8>,
    messages: Vec<Outgoing>,
}

impl Sender {
    fn new() -> io::Result<Self> {
        let socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &Options::default())?;
        Ok(Self { socket, bytes: Vec::with_capacity(2 * BYTES), messages: Vec::with_capacity(MESSAGES) })
    }

    fn run(&mut self, viewers: &mut [Viewer], pace: u32, window: Duration) -> io::Result<f64> {
        let (start, mut schedule) = (Instant::now(), Schedule::new(pace));
        let mut used = Duration::ZERO;
        let (mut packets, mut is_warm) = (0_u64, false);
        let mut payload = [0; VIDEO_BYTES];
        while start.elapsed() < WARM_UP + window {
            if !is_warm && start.elapsed() >= WARM_UP {
                (used, packets, is_warm) = (proc::own_time()?, 0, true);
            }
            thread::sleep(schedule.due().saturating_sub(start.elapsed()));
            let group = schedule.next();
            let payload = traffic::payload(group.kind, group.first, false, &mut payload);
            for viewer in viewers.iter_mut() {
                let start = self.bytes.len();
                if let Some(segment) = viewer.protect(group, payload, &mut self.bytes) {
                    let len = self.bytes.len() - start;
                    let segment_size = u16::try_from(segment).ok().filter(|_| group.count > 1);
                    let (local, remote) = (None, viewer.remote);
                    self.messages.push(Outgoing { local, remote, start, len, segment_size });
                    packets += u64::from(group.count);
                }
                if self.messages.len() == MESSAGES || self.bytes.len() >= BYTES {
                    self.flush();
                }
            }
            self.flush();
        }
        Ok((proc::own_time()?.saturating_sub(used)).as_secs_f64() * 1e6 / (packets as f64).max(1.0))
    }

    /// The system calls, and the only place that knows them.
    fn flush(&mut self) {
        // A full buffer is the kernel's time, not ours: what does not fit is counted as sent, and seldom happens.
        self.socket.send(&self.bytes, &mut self.messages);
        self.messages.clear();
        self.bytes.clear();
    }
}
