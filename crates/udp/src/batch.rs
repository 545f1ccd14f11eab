//! A receive batch: the buffers that one system call fills.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use quinn_udp::{BATCH_SIZE, RecvMeta};

use crate::Socket;

/// Room for one datagram without GRO; larger ones are cut by the kernel and then refused by the protocols.
const DATAGRAM_BYTES: usize = 2048;
/// Room for what the kernel may put together of one sender's datagrams.
const COALESCED_BYTES: usize = 64 << 10;
/// Messages taken per call. Each may be up to 64 datagrams put together.
const MESSAGES: usize = if BATCH_SIZE < 32 { BATCH_SIZE } else { 32 };

/// What is known of a datagram that arrived.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Received {
    /// Who sent it.
    pub remote: SocketAddr,
    /// The local address that it was sent to, where the system tells.
    pub local: Option<IpAddr>,
    /// When the kernel received it, since the Unix epoch, where the system tells.
    pub stamp: Option<Duration>,
    /// The two bits of Explicit Congestion Notification (RFC 3168 §5).
    pub ecn: u8,
}

/// Buffers for one receive call.
pub struct Batch {
    storage: Box<[u8]>,
    stride: usize,
    metas: [RecvMeta; MESSAGES],
    filled: usize,
}

impl Batch {
    /// Buffers that suit `socket`.
    pub fn new(socket: &Socket) -> Self {
        let stride = if socket.coalesces() { COALESCED_BYTES } else { DATAGRAM_BYTES };
        Self {
            storage: vec![0; stride * MESSAGES].into_boxed_slice(),
            stride,
            metas: [RecvMeta::default(); MESSAGES],
            filled: 0,
        }
    }

    /// Did the last call use all the room, so that there may be more?
    pub fn is_full(&self) -> bool {
        self.filled == MESSAGES
    }

    /// Calls `each` with every datagram of the batch, in the order of arrival, and empties it.
    pub fn for_each(&mut self, mut each: impl FnMut(Received, &mut [u8])) {
        let filled = std::mem::take(&mut self.filled);
        for (meta, buffer) in self.metas[..filled].iter().zip(self.storage.chunks_exact_mut(self.stride)) {
            let received = Received {
                remote: meta.addr,
                local: meta.dst_ip,
                stamp: meta.timestamp,
                ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
            };
            let filled = &mut buffer[..meta.len.min(self.stride)];
            for datagram in filled.chunks_mut(meta.stride.max(1)) {
                each(received, datagram);
            }
        }
    }

    /// The datagrams of the batch, in the order of arrival.
    pub fn datagrams(&self) -> impl Iterator<Item = (Received, &[u8])> {
        self.metas[..self.filled].iter().zip(self.storage.chunks_exact(self.stride)).flat_map(
            |(meta, buffer)| {
                let received = Received {
                    remote: meta.addr,
                    local: meta.dst_ip,
                    stamp: meta.timestamp,
                    ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
                };
                buffer[..meta.len.min(self.stride)]
                    .chunks(meta.stride.max(1))
                    .map(move |datagram| (received, datagram))
            },
        )
    }

    pub(crate) fn fill(
        &mut self,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> std::io::Result<usize>,
    ) -> std::io::Result<usize> {
        let mut buffers = self.storage.chunks_exact_mut(self.stride);
        let mut slices: [IoSliceMut<'_>; MESSAGES] =
            std::array::from_fn(|_| IoSliceMut::new(buffers.next().expect("one buffer for each message")));
        self.filled = 0;
        self.filled = receive(&mut slices, &mut self.metas)?;
        Ok(self.filled)
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("filled", &self.filled).finish_non_exhaustive()
    }
}
