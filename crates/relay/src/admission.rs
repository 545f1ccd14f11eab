//! How many connections there may be, in total and from one address, over all workers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Counts connections.
#[derive(Debug)]
pub(crate) struct Admission {
    total: usize,
    per_address: usize,
    counts: Mutex<Counts>,
}

/// No larger than there may be connections.
#[derive(Debug, Default)]
struct Counts {
    total: usize,
    of: HashMap<IpAddr, usize>,
}

impl Admission {
    pub(crate) fn new(total: usize, per_address: usize) -> Self {
        Self { total, per_address, counts: Mutex::default() }
    }

    /// Lets one in, or not.
    pub(crate) fn admit(&self, ip: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.total {
            return false;
        }
        let count = counts.of.entry(network(ip)).or_default();
        if *count >= self.per_address {
            return false;
        }
        *count += 1;
        counts.total += 1;
        true
    }

    /// One that was let in has ended.
    pub(crate) fn release(&self, ip: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.of.entry(network(ip)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
            counts.total -= 1;
        }
    }
}

/// Who counts as one: an IPv4 address, or what a subscriber of IPv6 has.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => (u128::from(ip) >> 64 << 64).to_be_bytes().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_places_come_back() {
        let admission = Admission::new(3, 2);
        let [a, b]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        assert!(admission.admit(a) && admission.admit(a) && !admission.admit(a));
        assert!(admission.admit(b) && !admission.admit(b));
        admission.release(a);
        assert!(admission.admit(b));
        (0..5).for_each(|_| admission.release(a));
        assert!(admission.admit(a) && !admission.admit(a), "what was not admitted gives no place");
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one() {
        let admission = Admission::new(9, 1);
        assert!(admission.admit("2001:db8::1".parse().unwrap()));
        assert!(!admission.admit("2001:db8::2".parse().unwrap()));
        assert!(admission.admit("2001:db8:0:1::1".parse().unwrap()));
    }
}
