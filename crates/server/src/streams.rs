//! Connections that speak STUN: bytes between a TCP or TLS stream and the media node, both ways, bounded.
//!
//! ```text
//! client ── read ──► push ──► node      not taken: not read on until the node wakes us (back-pressure)
//! client ◄─ write ── pull ◄── node      not read by the client: the node's end bounds what waits, and drops
//! ```
//!
//! Frames are the node's matter: here is neither RFC 4571 nor RFC 8656.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use headwater_node::{Node, Stream, StreamKind};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use crate::listen::DRAIN;

/// Most bytes that are read at once, and so most that wait for the node here.
const READ_LEN: usize = 16 * 1024;
/// Bytes that the kernel holds back for a client beyond those that are on their way. Without a limit it takes megabytes, and
/// a viewer with a slow line sees what was new many seconds ago; with one they stay with the node, which then sends what is
/// new. At 50 Mbit/s half of it is a millisecond's, time enough to bring more.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_UNSENT: u32 = 16 * 1024;
/// How long either side may take nothing: the client does not read, or the node is stuck.
const STUCK: Duration = Duration::from_secs(20);
/// How long the node may find nothing worth an answer in what a new client says.
const FIRST_ANSWER: Duration = Duration::from_secs(30);
/// How long nothing may come from a client. Consent checks come every 5 s (RFC 7675 §5.1), refreshes of an
/// allocation within its 10 minutes (RFC 8656 §3.2).
const IDLE: Duration = Duration::from_secs(15 * 60);

/// Called, from any thread, when the node has something to write, room for more, or ends the stream.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// The node's end of one stream; dropping it ends the stream. None of this blocks.
pub(crate) trait StreamEnd: Send + Sync {
    /// Takes all of these bytes, or none: then it is to be tried again after a wake-up.
    fn push(&self, bytes: &[u8]) -> bool;
    /// Appends what is to be written next, and says how much that is; the end bounds it.
    fn pull(&self, out: &mut Vec<u8>) -> usize;
    /// The node is done with the stream: what there is to pull is the last.
    fn has_ended(&self) -> bool;
}

/// Where streams go.
pub(crate) trait Streams: Send + Sync + 'static {
    /// Opens a stream between these addresses; `None` if the node takes none of the kind, or no more.
    fn open(
        &self,
        kind: StreamKind,
        local: SocketAddr,
        remote: SocketAddr,
        wake: Wake,
    ) -> Option<Box<dyn StreamEnd>>;
}

impl Streams for Node {
    fn open(
        &self,
        kind: StreamKind,
        local: SocketAddr,
        remote: SocketAddr,
        wake: Wake,
    ) -> Option<Box<dyn StreamEnd>> {
        let opened = self.open_stream(kind, local, remote, move || wake());
        opened.ok().map(|stream| Box::new(stream) as Box<dyn StreamEnd>)
    }
}

impl StreamEnd for Stream {
    fn push(&self, bytes: &[u8]) -> bool {
        Self::push(self, bytes)
    }

    fn pull(&self, out: &mut Vec<u8>) -> usize {
        Self::pull(self, out)
    }

    fn has_ended(&self) -> bool {
        Self::has_ended(self)
    }
}

/// Has the kernel take no more than it can soon send, where it can be told so.
pub(crate) fn keep_fresh(stream: &TcpStream) {
    let stream = SockRef::from(stream);
    // A failure costs delay.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = stream.set_tcp_notsent_lowat(MOST_UNSENT);
    let _ = stream.set_tcp_nodelay(true);
}

/// Moves bytes until either side ends, and on `stop` until the node has said its goodbye. `false`: the node did
/// not take the stream.
pub(crate) async fn serve<S>(
    stream: S,
    streams: &dyn Streams,
    kind: StreamKind,
    (local, remote): (SocketAddr, SocketAddr),
    mut stop: watch::Receiver<bool>,
) -> bool
where
    S: AsyncRead + AsyncWrite + Send,
{
    let signals = Arc::new(Signals::default());
    let waker = Arc::clone(&signals);
    let wake: Wake = Arc::new(move || {
        waker.output.notify_one();
        waker.room.notify_one();
    });
    let Some(end) = streams.open(kind, local, remote, wake) else { return false };
    let pump = Pump { end, signals };
    let (reader, writer) = split(stream);
    let mut both = pin!(async {
        tokio::select! {
            ended = pump.inward(reader) => ended,
            ended = pump.outward(writer) => ended,
        }
    });
    let ended = tokio::select! {
        ended = both.as_mut() => Some(ended),
        () = stopped(&mut stop) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => timeout(DRAIN, both).await,
    };
    debug!(?kind, ?ended, "stream ended");
    true
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Both directions of one stream.
struct Pump {
    end: Box<dyn StreamEnd>,
    signals: Arc<Signals>,
}

/// A wake-up of the node may mean either.
#[derive(Default)]
struct Signals {
    output: Notify,
    room: Notify,
}

/// Why a stream is over.
#[derive(Debug)]
#[expect(dead_code, reason = "read by the log line only")]
enum Ended {
    ByClient,
    ByNode,
    /// The client said nothing for too long.
    Idle,
    /// The client does not read, or the node does not.
    Stuck,
    /// The node found nothing to answer.
    Useless,
    Error(io::Error),
}

impl Pump {
    async fn inward(&self, mut reader: ReadHalf<impl AsyncRead>) -> Ended {
        let mut buf = vec![0; READ_LEN];
        loop {
            let len = match timeout(IDLE, reader.read(&mut buf)).await {
                Ok(Ok(0)) => return Ended::ByClient,
                Ok(Ok(len)) => len,
                Ok(Err(error)) => return Ended::Error(error),
                Err(_elapsed) => return Ended::Idle,
            };
            while !self.end.push(&buf[..len]) {
                if timeout(STUCK, self.signals.room.notified()).await.is_err() {
                    return Ended::Stuck;
                }
            }
        }
    }

    async fn outward(&self, mut writer: WriteHalf<impl AsyncWrite>) -> Ended {
        let mut buf = Vec::new();
        let mut useless_at = Some(Instant::now() + FIRST_ANSWER);
        loop {
            // Asked first: what comes before the end is not lost.
            let has_ended = self.end.has_ended();
            self.end.pull(&mut buf);
            if buf.is_empty() && has_ended {
                let _ = timeout(STUCK, writer.shutdown()).await;
                return Ended::ByNode;
            }
            if buf.is_empty() {
                let notified = self.signals.output.notified();
                match useless_at {
                    None => notified.await,
                    Some(deadline) if timeout_at(deadline, notified).await.is_err() => return Ended::Useless,
                    Some(_) => (),
                }
                continue;
            }
            let written = async {
                writer.write_all(&buf).await?;
                writer.flush().await
            };
            match timeout(STUCK, written).await {
                Ok(Ok(())) => (),
                Ok(Err(error)) => return Ended::Error(error),
                Err(_elapsed) => return Ended::Stuck,
            }
            buf.clear();
            useless_at = None;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
