//! Whose data an allocation lets in: permissions by IP address (RFC 8656 §9).

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// RFC 8656 §9: fixed.
pub(super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// Most permissions of one allocation. Beyond: 508.
pub(super) const MAX_PERMISSIONS: usize = 256;

/// The permissions of one allocation, in order of their addresses.
#[derive(Debug, Default)]
pub(super) struct Permissions(Vec<Permission>);

#[derive(Clone, Copy, Debug)]
struct Permission {
    address: IpAddr,
    expires: Instant,
}

impl Permissions {
    /// Whether data may pass from and to this address. HOT.
    pub(super) fn permits(&self, now: Instant, address: IpAddr) -> bool {
        self.find(address).is_ok_and(|index| now < self.0[index].expires)
    }

    /// Whether there is room for these, as far as they are new. Drops what has expired.
    pub(super) fn has_room(&mut self, now: Instant, addresses: &[IpAddr]) -> bool {
        self.0.retain(|it| now < it.expires);
        // An address that stands there twice is counted twice: a client has no reason to.
        let new = addresses.iter().filter(|address| self.find(**address).is_err()).count();
        self.0.len() + new <= MAX_PERMISSIONS
    }

    /// Makes or renews one. There is room: see [`has_room`](Self::has_room).
    pub(super) fn install(&mut self, address: IpAddr, expires: Instant) {
        match self.find(address) {
            Ok(index) => self.0[index].expires = expires,
            Err(index) => {
                reserve_one(&mut self.0);
                self.0.insert(index, Permission { address, expires });
            }
        }
    }

    /// Drops those that are no longer allowed.
    pub(super) fn retain(&mut self, allowed: impl Fn(IpAddr) -> bool) {
        self.0.retain(|it| allowed(it.address));
    }

    fn find(&self, address: IpAddr) -> Result<usize, usize> {
        self.0.binary_search_by_key(&address, |it| it.address)
    }
}

/// Room for one more. Most allocations have one or two of anything, where `Vec` would begin with four.
pub(super) fn reserve_one<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len().max(1));
    }
}
