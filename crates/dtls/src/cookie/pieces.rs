//! Hellos of which a part is here: the only thing that who may be anybody can make us keep.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Error;
use crate::crypto::hash::SuiteHash;
use crate::handshake::Fragment;
use crate::handshake::body::Body;

/// The most hellos of which a part is kept, one for each address. Beyond, the oldest gives way.
pub const MAX_PARTIAL: usize = 256;
/// The longest of them. With post-quantum shares one has 1.5 kB.
pub const MAX_PARTIAL_LEN: usize = 4096;
/// How long the rest is waited for; the next datagram after that has it forgotten. Who lacks an answer says all of it again.
pub const PARTIAL_AGE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Pieces {
    /// The oldest first.
    hellos: VecDeque<Partial>,
}

struct Partial {
    /// The hash of its sender's address: as short as any, however long that is.
    sender: [u8; 32],
    since: Instant,
    message_seq: u16,
    body: Body,
}

impl Pieces {
    pub(super) fn len(&self) -> usize {
        self.hellos.len()
    }

    /// Forgets what has waited for too long.
    pub(super) fn forget_old(&mut self, now: Instant) {
        while let Some(oldest) = self.hellos.front()
            && now.saturating_duration_since(oldest.since) >= PARTIAL_AGE
        {
            self.hellos.pop_front();
        }
    }

    /// Takes a piece. Returns the hello if it is whole now; it is forgotten then.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        address: &[u8],
        fragment: &Fragment<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        if fragment.length > MAX_PARTIAL_LEN {
            return Err(Error::LimitReached);
        }
        if fragment.data.is_empty() {
            return Ok(None); // RFC 6347 §4.2.3 allows it; there is nothing in it to keep
        }
        let digest = SuiteHash::Sha256.digest(&[address]);
        let sender = *digest.first_chunk().expect("SHA-256 has 32 bytes");
        let mut found = self.hellos.iter().position(|hello| hello.sender == sender);
        // A contradiction is settled for the newer one: the older may be somebody else's, or the client's former hello.
        if let Some(index) = found
            && !self.hellos[index].is_of(fragment)
        {
            self.hellos.remove(index);
            found = None;
        }
        let index = found.unwrap_or_else(|| {
            if self.hellos.len() >= MAX_PARTIAL {
                self.hellos.pop_front();
            }
            self.hellos.push_back(Partial {
                sender,
                since: now,
                message_seq: fragment.message_seq,
                body: Body::new(fragment.length),
            });
            self.hellos.len() - 1
        });
        self.hellos[index].body.fill(fragment)?;
        let is_whole = self.hellos[index].body.is_whole();
        Ok(is_whole.then(|| self.hellos.remove(index)).flatten().map(|hello| hello.body.into_bytes()))
    }
}

impl Partial {
    fn is_of(&self, fragment: &Fragment<'_>) -> bool {
        self.message_seq == fragment.message_seq && self.body.len() == fragment.length
    }
}
