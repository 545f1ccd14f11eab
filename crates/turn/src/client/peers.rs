//! Permissions and channels, kept as long as they are wanted (RFC 8656 §9, §12).
//!
//! A permission lasts 5 min, a channel 10 min; binding a channel permits its peer's address too. Permissions are asked
//! for again every 4 min, so that a request has time for all its repetitions; channels a little earlier, so that
//! their peers' permissions need not be asked for.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::request::Ask;
use crate::Error;
use crate::channel_data::{LAST_CHANNEL, MIN_CHANNEL};

/// How long a permission lasts.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// How long a channel lasts.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// After that a number may stand for another peer (RFC 8656 §12: 5 min after it ended).
const NUMBER_REST: Duration = Duration::from_secs(900);
/// When to ask again for a permission.
const PERMIT_AFTER: Duration = Duration::from_secs(240);
/// When to ask again for a channel.
const BIND_AFTER: Duration = Duration::from_secs(200);
/// Most permissions.
const MAX_PERMISSIONS: usize = 1024;
/// Most channels: as many as RFC 8656 §12 has numbers.
const MAX_CHANNELS: usize = (LAST_CHANNEL - MIN_CHANNEL) as usize + 1;

/// The peers of one allocation.
#[derive(Debug, Default)]
pub(super) struct Peers {
    permissions: HashMap<IpAddr, Permission>,
    /// The channel of number `MIN_CHANNEL + index`.
    channels: Vec<Channel>,
    /// Which channel is for whom.
    indexes: HashMap<SocketAddr, usize>,
    /// Nothing is due before this; found anew when it has come.
    next_due: Option<Instant>,
}

#[derive(Debug)]
struct Permission {
    /// The owner wants it; else it came with a channel.
    is_wanted: bool,
    /// The owner knows that it is there.
    is_told: bool,
    until: Option<Instant>,
    renewal: Renewal,
}

#[derive(Debug)]
struct Channel {
    peer: SocketAddr,
    is_wanted: bool,
    is_told: bool,
    until: Option<Instant>,
    /// When the number may be another's.
    rests_until: Option<Instant>,
    renewal: Renewal,
}

/// When something is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    At(Instant),
    UnderWay,
    Never,
}

impl Renewal {
    fn is_due(&self, now: Instant) -> bool {
        self.at().is_some_and(|at| at <= now)
    }

    const fn at(&self) -> Option<Instant> {
        match self {
            Self::At(at) => Some(*at),
            Self::UnderWay | Self::Never => None,
        }
    }
}

impl Peers {
    fn renew_at(next_due: &mut Option<Instant>, at: Instant) -> Renewal {
        *next_due = Some(next_due.map_or(at, |next| next.min(at)));
        Renewal::At(at)
    }

    pub(super) fn permit(&mut self, now: Instant, ip: IpAddr) -> Result<(), Error> {
        if self.permissions.len() >= MAX_PERMISSIONS && !self.permissions.contains_key(&ip) {
            // Those that came with channels do not count: they are bounded by the channels.
            self.permissions.retain(|_, it| it.is_wanted || it.until.is_some_and(|until| now < until));
            if self.permissions.values().filter(|it| it.is_wanted).count() >= MAX_PERMISSIONS {
                return Err(Error::Overloaded);
            }
        }
        let permission = self.permissions.entry(ip).or_insert_with(Permission::none);
        if !permission.is_wanted {
            (permission.is_wanted, permission.is_told) = (true, false);
            permission.renewal = Self::renew_at(&mut self.next_due, now);
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, ip: IpAddr) {
        if let Some(permission) = self.permissions.get_mut(&ip) {
            (permission.is_wanted, permission.renewal) = (false, Renewal::Never);
        }
    }

    pub(super) fn bind(&mut self, now: Instant, peer: SocketAddr) -> Result<(), Error> {
        let index = match self.indexes.get(&peer) {
            Some(index) => *index,
            None => self.new_channel(now, peer).ok_or(Error::Overloaded)?,
        };
        let channel = &mut self.channels[index];
        if !channel.is_wanted {
            (channel.is_wanted, channel.is_told) = (true, false);
            channel.renewal = Self::renew_at(&mut self.next_due, now);
        }
        Ok(())
    }

    pub(super) fn unbind(&mut self, peer: SocketAddr) {
        if let Some(index) = self.indexes.get(&peer) {
            let channel = &mut self.channels[*index];
            (channel.is_wanted, channel.renewal) = (false, Renewal::Never);
        }
    }

    fn new_channel(&mut self, now: Instant, peer: SocketAddr) -> Option<usize> {
        let channel = Channel {
            peer,
            is_wanted: false,
            is_told: false,
            until: None,
            rests_until: None,
            renewal: Renewal::Never,
        };
        let free = self
            .channels
            .iter()
            .position(|it| !it.is_wanted && it.rests_until.is_none_or(|rests_until| rests_until <= now));
        let index = match free {
            Some(index) => {
                self.indexes.remove(&self.channels[index].peer);
                self.channels[index] = channel;
                index
            }
            None if self.channels.len() < MAX_CHANNELS => {
                self.channels.push(channel);
                self.channels.len() - 1
            }
            None => return None,
        };
        self.indexes.insert(peer, index);
        Some(index)
    }

    /// What is to be asked for now, one at a time. Channels first: they bring permissions with them.
    pub(super) fn next_ask(&mut self, now: Instant) -> Option<Ask> {
        self.next_due.filter(|due| *due <= now)?;
        if let Some(index) = self.channels.iter().position(|it| it.renewal.is_due(now)) {
            let channel = &mut self.channels[index];
            channel.renewal = Renewal::UnderWay;
            return Some(Ask::BindChannel { number: number(index), peer: channel.peer });
        }
        self.permissions.retain(|_, it| it.is_wanted || it.until.is_some_and(|until| now < until));
        if let Some((ip, permission)) = self.permissions.iter_mut().find(|(_, it)| it.renewal.is_due(now)) {
            permission.renewal = Renewal::UnderWay;
            return Some(Ask::Permit(*ip));
        }
        let permissions = self.permissions.values().filter_map(|it| it.renewal.at());
        self.next_due = permissions.chain(self.channels.iter().filter_map(|it| it.renewal.at())).min();
        None
    }

    /// Asks again for what was under way: the requests are gone.
    pub(super) fn restart(&mut self, now: Instant) {
        let renewals = self.permissions.values_mut().map(|it| &mut it.renewal);
        renewals
            .chain(self.channels.iter_mut().map(|it| &mut it.renewal))
            .filter(|it| **it == Renewal::UnderWay)
            .for_each(|it| *it = Self::renew_at(&mut self.next_due, now));
    }

    /// The server permits. Says whether the owner, who asked for it, has yet to be told.
    pub(super) fn permitted(&mut self, now: Instant, ip: IpAddr) -> bool {
        let permission = self.permissions.entry(ip).or_insert_with(Permission::none);
        permission.until = Some(now + PERMISSION_LIFETIME);
        permission.renewal = if permission.is_wanted {
            Self::renew_at(&mut self.next_due, now + PERMIT_AFTER)
        } else {
            Renewal::Never
        };
        permission.is_wanted && !std::mem::replace(&mut permission.is_told, true)
    }

    /// It has not said so. What is still valid is asked for again, if the server did not say no. Says whether the
    /// owner is to be told.
    pub(super) fn not_permitted(&mut self, now: Instant, ip: IpAddr, is_certain: bool) -> bool {
        let Some(permission) = self.permissions.get_mut(&ip) else { return false };
        let is_valid = permission.until.is_some_and(|until| now < until);
        if !is_certain && is_valid {
            permission.renewal =
                if permission.is_wanted { Self::renew_at(&mut self.next_due, now) } else { Renewal::Never };
            return false;
        }
        let is_wanted = permission.is_wanted;
        self.permissions.remove(&ip);
        is_wanted
    }

    /// The server has bound the channel; the caller notes that it permits the peer. Says whether the owner
    /// has yet to be told.
    pub(super) fn bound(&mut self, now: Instant, peer: SocketAddr) -> bool {
        let Some(index) = self.indexes.get(&peer) else { return false };
        let channel = &mut self.channels[*index];
        channel.until = Some(now + CHANNEL_LIFETIME);
        channel.rests_until = Some(now + NUMBER_REST);
        channel.renewal = if channel.is_wanted {
            Self::renew_at(&mut self.next_due, now + BIND_AFTER)
        } else {
            Renewal::Never
        };
        channel.is_wanted && !std::mem::replace(&mut channel.is_told, true)
    }

    /// It has not said so: as for permissions. If nobody knows whether it has bound it, the number rests as if it had.
    pub(super) fn not_bound(&mut self, now: Instant, peer: SocketAddr, is_certain: bool) -> bool {
        let Some(index) = self.indexes.get(&peer) else { return false };
        let channel = &mut self.channels[*index];
        let is_valid = channel.until.is_some_and(|until| now < until);
        if !is_certain && is_valid {
            channel.renewal =
                if channel.is_wanted { Self::renew_at(&mut self.next_due, now) } else { Renewal::Never };
            return false;
        }
        if !is_certain {
            channel.rests_until = Some(now + NUMBER_REST);
        }
        (channel.until, channel.renewal) = (None, Renewal::Never);
        std::mem::replace(&mut channel.is_wanted, false)
    }

    /// HOT.
    pub(super) fn is_permitted(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.get(&ip).is_some_and(|it| it.until.is_some_and(|until| now < until))
    }

    /// The number under which `peer` is known to the server. HOT.
    pub(super) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let index = *self.indexes.get(&peer)?;
        self.channels[index].until.is_some_and(|until| now < until).then(|| number(index))
    }

    /// Whom this number stands for. HOT.
    ///
    /// Also while the binding is not confirmed: the server's data may be faster than its answer.
    pub(super) fn peer_of(&self, channel: u16) -> Option<SocketAddr> {
        self.channels.get(usize::from(channel.checked_sub(MIN_CHANNEL)?)).map(|it| it.peer)
    }

    /// May be early, after something was forgotten.
    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.next_due
    }
}

impl Permission {
    const fn none() -> Self {
        Self { is_wanted: false, is_told: false, until: None, renewal: Renewal::Never }
    }
}

fn number(index: usize) -> u16 {
    MIN_CHANNEL + u16::try_from(index).expect("fewer than MAX_CHANNELS")
}
