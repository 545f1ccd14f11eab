use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;

/// A node that a test plays.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    opened: Vec<(StreamKind, SocketAddr, SocketAddr)>,
    wake: Option<Wake>,
    /// Bytes that came in, and how many more it takes.
    received: Vec<u8>,
    room: usize,
    output: VecDeque<Vec<u8>>,
    closed: bool,
    /// What comes back without being asked for: everything.
    echoes: bool,
    dropped: bool,
}

impl Fake {
    /// Takes all and answers with the same.
    pub(crate) fn echo() -> Self {
        let fake = Self::default();
        (fake.lock().room, fake.lock().echoes) = (usize::MAX, true);
        fake
    }

    fn with_room(room: usize) -> Self {
        let fake = Self::default();
        fake.lock().room = room;
        fake
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn opened(&self) -> Vec<(StreamKind, SocketAddr, SocketAddr)> {
        self.lock().opened.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let wake = state.wake.clone();
        drop(state);
        if let Some(wake) = wake {
            wake();
        }
    }
}

impl Streams for Fake {
    fn open(
        &self,
        kind: StreamKind,
        local: SocketAddr,
        remote: SocketAddr,
        wake: Wake,
    ) -> Option<Box<dyn StreamEnd>> {
        let mut state = self.lock();
        state.opened.push((kind, local, remote));
        state.wake = Some(wake);
        Some(Box::new(self.clone()))
    }
}

impl StreamEnd for Fake {
    fn push(&self, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        if bytes.len() > state.room {
            return false;
        }
        state.room -= bytes.len();
        state.received.extend_from_slice(bytes);
        if state.echoes {
            state.output.push_back(bytes.to_vec());
            let wake = state.wake.clone().unwrap();
            drop(state);
            wake();
        }
        true
    }

    fn pull(&self, out: &mut Vec<u8>) -> usize {
        let frame = self.lock().output.pop_front().unwrap_or_default();
        out.extend_from_slice(&frame);
        frame.len()
    }

    fn has_ended(&self) -> bool {
        self.lock().closed
    }
}

/// Boxed ends are clones of one state: the last to go is the pump's.
impl Drop for Fake {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.lock() {
            state.dropped = true;
        }
    }
}

struct NoStreams;

impl Streams for NoStreams {
    fn open(&self, _: StreamKind, _: SocketAddr, _: SocketAddr, _: Wake) -> Option<Box<dyn StreamEnd>> {
        None
    }
}

const LOCAL: &str = "192.0.2.1:443";
const REMOTE: &str = "198.51.100.7:50000";

struct Running {
    client: DuplexStream,
    stop: watch::Sender<bool>,
    served: JoinHandle<bool>,
}

fn start(fake: &Fake, capacity: usize) -> Running {
    let (client, server) = duplex(capacity);
    let (stop, stopped) = watch::channel(false);
    let fake = fake.clone();
    let addresses = (LOCAL.parse().unwrap(), REMOTE.parse().unwrap());
    let served =
        tokio::spawn(async move { serve(server, &fake, StreamKind::Turn, addresses, stopped).await });
    Running { client, stop, served }
}

/// Lets all tasks go as far as they can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_go_both_ways_and_the_node_knows_the_addresses() {
    let fake = Fake::with_room(1000);
    let mut running = start(&fake, 64);
    running.client.write_all(b"request").await.unwrap();
    settle().await;
    assert_eq!(fake.lock().received, b"request");
    assert_eq!(fake.opened(), [(StreamKind::Turn, LOCAL.parse().unwrap(), REMOTE.parse().unwrap())]);
    fake.change(|state| state.output.extend([b"ans".to_vec(), b"wer".to_vec()]));
    let mut answer = [0; 6];
    running.client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
    drop(running.client);
    assert!(running.served.await.unwrap());
    assert!(fake.lock().dropped, "the node's end goes with the connection");
}

#[tokio::test(start_paused = true)]
async fn a_node_without_room_makes_the_client_wait() {
    let fake = Fake::with_room(8);
    let mut running = start(&fake, 8);
    let writing = tokio::spawn(async move {
        running.client.write_all(&[7; 4 * 8]).await.unwrap();
        running.client
    });
    settle().await;
    assert_eq!(fake.lock().received.len(), 8);
    assert!(!writing.is_finished(), "one buffer waits here, one in the connection");
    fake.change(|state| state.room = usize::MAX);
    let client = writing.await.unwrap();
    settle().await;
    assert_eq!(fake.lock().received.len(), 4 * 8);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_has_room_loses_the_stream() {
    let started = Instant::now();
    let fake = Fake::with_room(0);
    let mut running = start(&fake, 8);
    running.client.write_all(b"x").await.unwrap();
    running.served.await.unwrap();
    assert_eq!(started.elapsed(), STUCK);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped_and_one_that_reads_late_gets_all() {
    let fake = Fake::with_room(1000);
    let mut running = start(&fake, 8);
    fake.change(|state| state.output.push_back(vec![1; 100]));
    tokio::time::sleep(STUCK / 2).await;
    let mut all = [0; 100];
    running.client.read_exact(&mut all).await.unwrap();
    fake.change(|state| state.output.push_back(vec![1; 100]));
    assert!(running.served.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_a_stream_has_the_last_word() {
    let fake = Fake::with_room(1000);
    let mut running = start(&fake, 64);
    settle().await;
    fake.change(|state| {
        state.output.push_back(b"bye".to_vec());
        state.closed = true;
    });
    let mut last = Vec::new();
    running.client.read_to_end(&mut last).await.unwrap();
    assert_eq!(last, b"bye");
    running.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_node_never_answers_ends() {
    let started = Instant::now();
    let fake = Fake::with_room(1000);
    let mut running = start(&fake, 64);
    let trickle = tokio::spawn(async move {
        while running.client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    running.served.await.unwrap();
    assert_eq!(started.elapsed(), FIRST_ANSWER);
    trickle.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answered_stream_that_goes_silent_ends_later() {
    let started = Instant::now();
    let fake = Fake::echo();
    let mut running = start(&fake, 64);
    running.client.write_all(b"x").await.unwrap();
    running.client.read_exact(&mut [0]).await.unwrap();
    running.served.await.unwrap();
    assert!(started.elapsed() >= IDLE && started.elapsed() < 2 * IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_the_node_time_for_its_goodbye_and_no_more() {
    let (polite, silent) = (Fake::with_room(9), Fake::with_room(9));
    let (mut first, second) = (start(&polite, 64), start(&silent, 64));
    settle().await;
    first.stop.send_replace(true);
    second.stop.send_replace(true);
    settle().await;
    polite.change(|state| {
        state.output.push_back(b"bye".to_vec());
        state.closed = true;
    });
    let mut last = Vec::new();
    first.client.read_to_end(&mut last).await.unwrap();
    assert_eq!(last, b"bye");
    let started = Instant::now();
    second.served.await.unwrap();
    assert!(started.elapsed() <= DRAIN);
}

#[tokio::test]
async fn a_node_may_take_no_stream() {
    let (_client, server) = duplex(8);
    let (_stop, stopped) = watch::channel(false);
    let addresses = (LOCAL.parse().unwrap(), REMOTE.parse().unwrap());
    assert!(!serve(server, &NoStreams, StreamKind::Ice, addresses, stopped).await);
}

/// How many bytes leave the node for a client that reads none of them, in frames of 4 KiB.
#[cfg(target_os = "linux")]
async fn taken(prepare: impl FnOnce(&TcpStream)) -> usize {
    const FRAME: usize = 4096;
    const FRAMES: usize = 2048;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = tokio::net::TcpSocket::new_v4().unwrap();
    // A window as small as a slow line's.
    client.set_recv_buffer_size(16 * 1024).unwrap();
    let client = client.connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    prepare(&server);
    let fake = Fake::with_room(0);
    fake.lock().output = (0..FRAMES).map(|_| vec![7; FRAME]).collect();
    let (_stop, stopped) = watch::channel(false);
    let addresses = (LOCAL.parse().unwrap(), REMOTE.parse().unwrap());
    let node = fake.clone();
    let served = tokio::spawn(async move { serve(server, &node, StreamKind::Ice, addresses, stopped).await });
    // Until nothing has moved for a while.
    let (mut left, mut still) = (FRAMES, 0);
    while still < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = fake.lock().output.len();
        still = if now == left { still + 1 } else { 0 };
        left = now;
    }
    drop(client);
    served.await.unwrap();
    (FRAMES - left) * FRAME
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_client_does_not_read_stays_with_the_node() {
    let fresh = taken(keep_fresh).await;
    assert!(fresh <= 100 * 1024, "{fresh} bytes are out of reach");
    let usual = taken(|_| ()).await;
    assert!(usual > 10 * fresh, "{usual} bytes without a limit, {fresh} with one");
}
