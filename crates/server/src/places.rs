//! How many TCP connections there may be, whatever they speak.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How many may connect.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) total: usize,
    pub(crate) per_address: usize,
}

/// Counts connections, in all and by address; at most `limits.total` addresses are kept.
pub(crate) struct Places {
    limits: ConnectionLimits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; dropping it gives it back.
pub(crate) struct Place {
    places: Arc<Places>,
    ip: IpAddr,
}

impl Places {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default() })
    }

    pub(crate) fn take(places: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let ip = group(ip);
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let here = taken.by_address.get(&ip).copied().unwrap_or(0);
        // A reverse proxy on this machine brings everybody's connections.
        let crowded = here >= places.limits.per_address && !ip.is_loopback();
        if crowded || taken.total >= places.limits.total {
            return None;
        }
        taken.total += 1;
        taken.by_address.insert(ip, here + 1);
        Some(Place { places: Arc::clone(places), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.ip) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.ip);
            }
        }
    }
}

/// An IPv6 client owns a whole /64 (RFC 4291 §2.5.4): it counts as one address.
fn group(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6((u128::from(ip) & !u128::from(u64::MAX)).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn places(total: usize, per_address: usize) -> Arc<Places> {
        Places::new(ConnectionLimits { total, per_address })
    }

    #[test]
    fn one_address_gets_its_share_only_and_gives_places_back() {
        let places = places(3, 2);
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = Places::take(&places, one);
        let second = Places::take(&places, one);
        assert!(first.is_some() && second.is_some());
        assert!(Places::take(&places, one).is_none(), "per address");
        let third = Places::take(&places, other);
        assert!(third.is_some());
        assert!(Places::take(&places, other).is_none(), "in all");
        drop((first, second, third));
        let taken = places.taken.lock().unwrap();
        assert_eq!((taken.total, taken.by_address.len()), (0, 0));
    }

    #[test]
    fn a_network_of_64_bits_is_one_client_and_loopback_is_not_counted() {
        let places = places(10, 1);
        let v6 = |text: &str| IpAddr::V6(text.parse().unwrap());
        let _first = Places::take(&places, v6("2001:db8::1")).unwrap();
        assert!(Places::take(&places, v6("2001:db8::ffff")).is_none());
        let _second = Places::take(&places, v6("2001:db8:0:1::1")).unwrap();
        let local = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let held: Vec<_> = (0..6).map(|i| Places::take(&places, local[i % 2])).collect();
        assert!(held.iter().all(Option::is_some));
    }
}
