//! From a 5-tuple to what it belongs to. HOT.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use headwater_stun::Transport;

use crate::FiveTuple;

/// What a 5-tuple belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The client of an allocation.
    Allocation(u32),
    /// A client's data connection (RFC 6062): the number of its connection with the peer.
    Connection(u32),
}

/// A table by 5-tuple. Its bound is that of allocations and connections.
#[derive(Debug)]
pub(super) struct Clients(HashMap<Tuple, Owner, Seed>);

impl Clients {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self(HashMap::with_hasher(Seed(seed)))
    }

    /// The number of the allocation of this client. HOT.
    pub(super) fn allocation(&self, client: &FiveTuple) -> Option<u32> {
        match self.get(client)? {
            Owner::Allocation(key) => Some(key),
            Owner::Connection(_) => None,
        }
    }

    pub(super) fn get(&self, client: &FiveTuple) -> Option<Owner> {
        self.0.get(&Tuple(*client)).copied()
    }

    pub(super) fn insert(&mut self, client: FiveTuple, owner: Owner) {
        self.0.insert(Tuple(client), owner);
    }

    pub(super) fn remove(&mut self, client: &FiveTuple) {
        self.0.remove(&Tuple(*client));
        // Memory goes back after a crowd has left.
        if self.0.capacity() > 1024 && self.0.len() < self.0.capacity() / 8 {
            self.0.shrink_to(self.0.len() * 2);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tuple(FiveTuple);

impl Hash for Tuple {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self(FiveTuple { transport, local, remote }) = self;
        hasher.write_u64(u64::from(*transport == Transport::Tcp));
        for address in [local, remote] {
            write_address(address, hasher);
        }
    }
}

fn write_address(address: &SocketAddr, hasher: &mut impl Hasher) {
    let port = u64::from(address.port());
    match address.ip() {
        IpAddr::V4(ip) => hasher.write_u64(u64::from(u32::from(ip)) << 16 | port),
        IpAddr::V6(ip) => {
            let [high, low] = [u128::from(ip) >> 64, u128::from(ip)].map(|half| half as u64);
            hasher.write_u64(high);
            hasher.write_u64(low);
            hasher.write_u64(1 << 63 | port);
        }
    }
}

/// Secret, so that nobody can choose addresses that fall together.
#[derive(Clone, Copy, Debug)]
struct Seed([u64; 2]);

impl BuildHasher for Seed {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding { state: self.0[0], factor: self.0[1] | 1 }
    }
}

/// Multiplies to 128 bits and folds them: a few instructions for each word.
#[derive(Debug)]
struct Folding {
    state: u64,
    factor: u64,
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        // The state turns, so that a zero product is no end of it.
        self.state = (product as u64 ^ (product >> 64) as u64).wrapping_add(self.state.rotate_left(23));
    }

    fn finish(&self) -> u64 {
        let product = u128::from(self.state) * 0x9E37_79B9_7F4A_7C15;
        product as u64 ^ (product >> 64) as u64
    }
}
