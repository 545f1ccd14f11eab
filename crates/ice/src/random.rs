//! The agent's own random stream, from its seed.

use headwater_stun::TransactionId;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Transaction ids, tie-breakers, jitter.
#[derive(Debug)]
pub(crate) struct Random(ChaCha12Rng);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    pub(crate) fn transaction_id(&mut self) -> TransactionId {
        let mut id = [0; TransactionId::LEN];
        self.0.fill_bytes(&mut id);
        TransactionId::new(id)
    }

    pub(crate) fn tie_breaker(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 up to but not including 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }
}
