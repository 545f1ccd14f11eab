//! Where a datagram goes, whatever it came by.

use std::time::Instant;

use headwater_sfu::{Datagram, Error, Path, Sfu, Transport};

use crate::Inner;
use crate::strays::{self, Strays};

/// What takes datagrams for peers.
pub(super) struct Arrivals<'w> {
    pub(super) sfu: &'w mut Sfu,
    pub(super) strays: &'w mut Strays,
    pub(super) inner: &'w Inner,
    pub(super) index: usize,
}

impl Arrivals<'_> {
    /// Gives a datagram to the peer that it belongs to, here or at another worker. HOT.
    pub(super) fn take(&mut self, now: Instant, datagram: Datagram<'_>) {
        let Self { sfu, strays, inner, index } = self;
        let path = Path::new(datagram.transport, datagram.local, datagram.remote);
        let received = datagram.received;
        let Datagram { transport, local, remote, ecn, contents, .. } = datagram;
        let mut datagram = Datagram::new(local, remote, received, &mut *contents);
        (datagram.transport, datagram.ecn) = (transport, ecn);
        if sfu.handle_datagram(now, datagram) == Err(Error::Unrouted) && inner.directory.is_some() {
            let stray = strays::Datagram { from: *index, hops: 0, path, received, contents };
            strays.pass_on(inner, *index, now, &stray);
        }
    }

    /// The same over a connection or an allocation.
    pub(super) fn take_along(&mut self, now: Instant, path: &Path, contents: &mut [u8]) {
        let Path { transport, local, remote, .. } = *path;
        let mut datagram = Datagram::new(local, remote, now, contents);
        datagram.transport = transport;
        debug_assert_ne!(transport, Transport::Udp, "that has stamps of the kernel's");
        self.take(now, datagram);
    }
}
