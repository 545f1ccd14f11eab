//! The publisher: one thread with its own socket, which notes when it sends what.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headwater_sfu::rtp::SequenceNumber;
use headwater_sfu::track::Kind;
use headwater_sfu::{Certificate, Event, LocalStream, MediaPacket, Offering, Sfu};
use headwater_udp::{Batch, Options, Socket};

use super::link;
use super::run::Shared;
use super::signal::{Http, STREAM};
use super::traffic::{self, FRAME_PACKETS, Group, Schedule, VIDEO_BYTES, formats, wall_clock};

const CONNECTS_WITHIN: Duration = Duration::from_secs(10);
/// Feedback waits for at most this long.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);

/// Publishes until the run is over.
pub(super) struct Publisher {
    sfu: Sfu,
    stream: LocalStream,
    socket: Socket,
    batch: Batch,
    address: SocketAddr,
    wants_key_frame: bool,
    is_key: bool,
    buf: Vec<u8>,
    payload: [u8; VIDEO_BYTES],
}

impl Publisher {
    /// Connects to the server.
    pub(super) fn connect(http: SocketAddr, certificate: &Certificate, profile: u16) -> io::Result<Self> {
        let socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &Options::default())?;
        let address = socket.local_addr();
        let mut sfu = link::client(address, certificate, profile, u32::MAX)?;
        let now = Instant::now();
        let stream = sfu.open_stream(now, STREAM, &formats()).map_err(io::Error::other)?;
        let offered = sfu.offer(now, STREAM, &Offering::sending(formats())).map_err(io::Error::other)?;
        let answer = Http::connect(http)?.post("whip", &offered.offer)?;
        sfu.accept_answer(Instant::now(), offered.peer, &answer).map_err(io::Error::other)?;
        let mut publisher = Self {
            sfu,
            stream,
            batch: Batch::new(&socket),
            socket,
            address,
            wants_key_frame: true,
            is_key: true,
            buf: Vec::with_capacity(64 << 10),
            payload: [0; VIDEO_BYTES],
        };
        let deadline = now + CONNECTS_WITHIN;
        while !publisher.turn() {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the publisher does not connect"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(publisher)
    }

    /// Publishes on a thread of its own until the run is over.
    pub(super) fn start(mut self, shared: Arc<Shared>, pace: u32) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("publisher".to_owned()).spawn(move || self.run(&shared, pace))
    }

    fn run(&mut self, shared: &Shared, pace: u32) {
        let (start, mut schedule) = (Instant::now(), Schedule::new(pace));
        while !shared.is_over.load(Ordering::Relaxed) {
            while start.elapsed() >= schedule.due() {
                let group = schedule.next();
                self.produce(shared, group);
            }
            self.turn();
            thread::sleep(schedule.due().saturating_sub(start.elapsed()).min(LONGEST_SLEEP));
        }
    }

    fn produce(&mut self, shared: &Shared, group: Group) {
        let sent = wall_clock();
        for number in group.first..group.first + group.count {
            if group.kind == Kind::Video && number % FRAME_PACKETS == 0 {
                self.is_key = std::mem::take(&mut self.wants_key_frame);
            }
            let payload = traffic::payload(group.kind, number, self.is_key, &mut self.payload);
            let packet = MediaPacket {
                sequence: SequenceNumber(number as u16),
                timestamp: traffic::timestamp(group.kind, number),
                marker: traffic::marker(group.kind, number),
                payload,
            };
            shared.sent.note(group.kind, number, sent);
            // The stream's tracks are those of `formats`: video, audio.
            let track = usize::from(group.kind == Kind::Audio);
            self.sfu.handle_media(Instant::now(), self.stream, track, &packet);
        }
        link::flush(&mut self.sfu, Instant::now(), &mut self.socket, &mut self.buf);
    }

    /// Takes what has come in. Returns `true` when that connected us.
    fn turn(&mut self) -> bool {
        let now = Instant::now();
        let Self { sfu, socket, batch, address, .. } = self;
        while socket.receive(batch).is_ok() {
            batch.for_each(|received, datagram| {
                link::hand_in(sfu, now, *address, received, datagram);
            });
        }
        self.sfu.handle_timeout(now);
        link::flush(&mut self.sfu, now, &mut self.socket, &mut self.buf);
        let mut is_connected = false;
        while let Some(event) = self.sfu.poll_event() {
            match event {
                Event::KeyFrameWanted { .. } => self.wants_key_frame = true,
                Event::Connected(_) => is_connected = true,
                _ => {}
            }
        }
        is_connected
    }
}
