//! Which ports of the relays' addresses are taken, by all workers together.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use headwater_turn::attribute::Family;

use crate::RelayAddress;

/// Draws before the ports are looked through one after the other.
const DRAWS: u64 = 16;
/// Words of a set of all ports.
const WORDS: usize = (1 << 16) / 64;

/// What a port is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Any,
    Even,
    /// Even, and the next one too.
    Pair,
}

/// A port that was taken, by its number and the number of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: u8,
    pub(crate) port: u16,
}

impl Place {
    pub(crate) const fn next(self) -> Self {
        Self { address: self.address, port: self.port.wrapping_add(1) }
    }
}

/// All addresses with their ports.
#[derive(Debug)]
pub(crate) struct Ports {
    addresses: Vec<RelayAddress>,
    range: RangeInclusive<u16>,
    taken: Vec<Mutex<Box<[u64; WORDS]>>>,
}

impl Ports {
    pub(crate) fn new(addresses: Vec<RelayAddress>, range: RangeInclusive<u16>) -> Self {
        let taken = addresses.iter().map(|_| Mutex::new(Box::new([0; WORDS]))).collect();
        Self { addresses, range, taken }
    }

    pub(crate) fn addresses(&self) -> &[RelayAddress] {
        &self.addresses
    }

    pub(crate) fn has(&self, family: Family) -> bool {
        self.addresses.iter().any(|address| is_of(address.bind, family))
    }

    /// Where to bind.
    pub(crate) fn bind_address(&self, place: Place) -> SocketAddr {
        SocketAddr::new(self.addresses[usize::from(place.address)].bind, place.port)
    }

    /// What clients are told.
    pub(crate) fn public_address(&self, place: Place) -> SocketAddr {
        SocketAddr::new(self.addresses[usize::from(place.address)].public, place.port)
    }

    /// Takes a port, by chance.
    pub(crate) fn take(&self, family: Family, want: Want, random: &mut impl FnMut() -> u64) -> Option<Place> {
        let count = self.addresses.iter().filter(|address| is_of(address.bind, family)).count();
        if count == 0 {
            return None;
        }
        let first = below(random(), count as u64) as usize;
        let of_family: Vec<usize> =
            (0..self.addresses.len()).filter(|at| is_of(self.addresses[*at].bind, family)).collect();
        (0..count).map(|step| of_family[(first + step) % count]).find_map(|address| {
            let mut taken = self.taken[address].lock().unwrap_or_else(PoisonError::into_inner);
            let port = self.pick(&taken, want, random)?;
            set(&mut taken, port, true);
            if want == Want::Pair {
                set(&mut taken, port + 1, true);
            }
            Some(Place { address: u8::try_from(address).ok()?, port })
        })
    }

    /// Gives one port back.
    pub(crate) fn free(&self, place: Place) {
        let mut taken = self.taken[usize::from(place.address)].lock().unwrap_or_else(PoisonError::into_inner);
        set(&mut taken, place.port, false);
    }

    fn pick(&self, taken: &[u64; WORDS], want: Want, random: &mut impl FnMut() -> u64) -> Option<u16> {
        let (low, high) = (*self.range.start(), *self.range.end());
        let count = u64::from(high) - u64::from(low) + 1;
        let suits = |port: u16| {
            !is_set(taken, port)
                && match want {
                    Want::Any => true,
                    Want::Even => port.is_multiple_of(2),
                    Want::Pair => port.is_multiple_of(2) && port < high && !is_set(taken, port + 1),
                }
        };
        // A whole number below `count`, which is at most 65,536, above `low`: no more than `high`.
        let nth = |offset: u64| low + (offset % count) as u16;
        if let Some(port) = (0..DRAWS).map(|_| nth(below(random(), count))).find(|port| suits(*port)) {
            return Some(port);
        }
        let start = below(random(), count);
        (0..count).map(|step| nth(start + step)).find(|port| suits(*port))
    }
}

fn is_of(ip: IpAddr, family: Family) -> bool {
    ip.is_ipv4() == (family == Family::V4)
}

/// A number below `count` from 64 random bits; what it is off by is below 2^-47.
fn below(random: u64, count: u64) -> u64 {
    random % count
}

fn is_set(taken: &[u64; WORDS], port: u16) -> bool {
    taken[usize::from(port) / 64] >> (port % 64) & 1 != 0
}

fn set(taken: &mut [u64; WORDS], port: u16, on: bool) {
    let (word, bit) = (&mut taken[usize::from(port) / 64], 1 << (port % 64));
    if on { *word |= bit } else { *word &= !bit }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ports(range: RangeInclusive<u16>) -> Ports {
        let ips: [IpAddr; 3] =
            [[127, 0, 0, 1].into(), [127, 0, 0, 2].into(), [0, 0, 0, 0, 0, 0, 0, 1].into()];
        Ports::new(ips.map(RelayAddress::from).to_vec(), range)
    }

    fn random() -> impl FnMut() -> u64 {
        let mut state = 1_u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 8
        }
    }

    #[test]
    fn every_port_of_a_range_is_given_out_once() {
        let (ports, mut random) = (ports(65_530..=65_535), random());
        let mut seen = HashSet::new();
        while let Some(place) = ports.take(Family::V4, Want::Any, &mut random) {
            assert!(place.port >= 65_530);
            assert!(seen.insert(ports.bind_address(place)));
        }
        assert_eq!(seen.len(), 12);
        let one = *seen.iter().next().unwrap();
        let address = u8::from(one.ip() == IpAddr::from([127, 0, 0, 2]));
        ports.free(Place { address, port: one.port() });
        assert!(ports.take(Family::V4, Want::Any, &mut random).is_some());
        assert!(ports.take(Family::V6, Want::Any, &mut random).is_some());
    }

    #[test]
    fn even_ports_are_even_and_pairs_are_whole() {
        let (ports, mut random) = (ports(1_001..=1_005), random());
        for _ in 0..2 {
            let place = ports.take(Family::V6, Want::Pair, &mut random).unwrap();
            assert!([1_002, 1_004].contains(&place.port));
        }
        assert_eq!(ports.take(Family::V6, Want::Even, &mut random), None);
        assert_eq!(ports.take(Family::V6, Want::Any, &mut random).map(|place| place.port), Some(1_001));
    }
}
