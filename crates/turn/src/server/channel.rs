//! Which number stands for which peer (RFC 8656 §12).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::permission::reserve_one;

/// RFC 8656 §12: fixed.
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// Most channels of one allocation. Beyond: 508.
pub(super) const MAX_CHANNELS: usize = 256;

/// A bound channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    pub(super) number: u16,
    pub(super) peer: SocketAddr,
    /// When the binding ends.
    pub(super) expires: Instant,
    /// When the permission for the peer's address ends, so that data needs one look only.
    pub(super) permitted: Instant,
}

impl Channel {
    /// Whether it is bound at this moment.
    pub(super) fn is_bound(&self, now: Instant) -> bool {
        now < self.expires
    }
}

/// Why a channel could not be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindError {
    /// The number has another peer, or the peer another number.
    Taken,
    /// The allocation has all it may have.
    Full,
}

/// The channels of one allocation.
#[derive(Debug, Default)]
pub(super) struct Channels {
    /// In order of their numbers.
    list: Vec<Channel>,
    /// Places in `list`, in order of the peers.
    by_peer: Vec<u16>,
}

impl Channels {
    /// HOT.
    pub(super) fn by_number(&self, number: u16) -> Option<&Channel> {
        let index = self.list.binary_search_by_key(&number, |it| it.number).ok()?;
        self.list.get(index)
    }

    /// HOT.
    pub(super) fn by_peer(&self, peer: SocketAddr) -> Option<&Channel> {
        let place = self.by_peer.binary_search_by_key(&peer, |place| self.list[usize::from(*place)].peer);
        self.list.get(usize::from(*self.by_peer.get(place.ok()?)?))
    }

    /// Whether [`bind`](Self::bind) would succeed. Drops what has expired.
    pub(super) fn check(&mut self, now: Instant, number: u16, peer: SocketAddr) -> Result<(), BindError> {
        if self.list.iter().any(|it| !it.is_bound(now)) {
            self.list.retain(|it| it.is_bound(now));
            self.index();
        }
        match (self.by_number(number), self.by_peer(peer)) {
            (Some(channel), _) if channel.peer != peer => Err(BindError::Taken),
            (None, Some(_)) => Err(BindError::Taken),
            (None, None) if self.list.len() >= MAX_CHANNELS => Err(BindError::Full),
            _ => Ok(()),
        }
    }

    /// Binds or renews a channel that was [checked](Self::check).
    pub(super) fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr, permitted: Instant) {
        let channel = Channel { number, peer, expires: now + CHANNEL_LIFETIME, permitted };
        match self.list.binary_search_by_key(&number, |it| it.number) {
            Ok(index) => self.list[index] = channel,
            Err(index) => {
                reserve_one(&mut self.list);
                self.list.insert(index, channel);
                self.index();
            }
        }
    }

    /// A permission was made or renewed.
    pub(super) fn permit(&mut self, address: IpAddr, until: Instant) {
        self.list.iter_mut().filter(|it| it.peer.ip() == address).for_each(|it| it.permitted = until);
    }

    /// Drops those that are no longer allowed.
    pub(super) fn retain(&mut self, allowed: impl Fn(SocketAddr) -> bool) {
        self.list.retain(|it| allowed(it.peer));
        self.index();
    }

    fn index(&mut self) {
        let Self { list, by_peer } = self;
        by_peer.clear();
        by_peer.reserve_exact(list.len());
        by_peer.extend((0..=u16::MAX).take(list.len()));
        by_peer.sort_unstable_by_key(|place| list[usize::from(*place)].peer);
    }
}
