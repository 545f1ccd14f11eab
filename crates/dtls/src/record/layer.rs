//! Both directions of the record layer: sequence numbers and keys of epochs 0 and 1.
//!
//! Without renegotiation there are only two epochs: 0 in the clear, 1 protected.

use super::protection::{OVERHEAD, Protection};
use super::replay::ReplayWindow;
use super::{ContentType, HEADER_LEN, ProtocolVersion, Record};
use crate::Error;

/// Sequence numbers have 48 bits and never wrap (RFC 6347 §4.1).
const MAX_SEQUENCE_NUMBER: u64 = (1 << 48) - 1;

/// An epoch that we write in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epoch {
    Plain,
    Protected,
}

impl Epoch {
    /// The bytes that a record has beside its plaintext.
    pub(crate) fn overhead(self) -> usize {
        match self {
            Self::Plain => HEADER_LEN,
            Self::Protected => HEADER_LEN + OVERHEAD,
        }
    }
}

#[derive(Default)]
pub(crate) struct RecordLayer {
    next_plain: u64,
    next_protected: u64,
    write: Option<Protection>,
    read: Option<Protection>,
    replay: ReplayWindow,
}

impl RecordLayer {
    pub(crate) fn install(&mut self, write: Protection, read: Protection) {
        self.write = Some(write);
        self.read = Some(read);
    }

    pub(crate) fn can_read(&self) -> bool {
        self.read.is_some()
    }

    /// Goes on from the number of the client's hello (RFC 6347 §4.2.1, where the server has no state of its own).
    pub(crate) fn skip_plain_to(&mut self, sequence_number: u64) {
        self.next_plain = self.next_plain.max(sequence_number.min(MAX_SEQUENCE_NUMBER >> 1));
    }

    /// Appends one record.
    pub(crate) fn seal(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let version = ProtocolVersion::DTLS_1_2;
        let (number, next) = match epoch {
            Epoch::Plain => (0, &mut self.next_plain),
            Epoch::Protected => (1, &mut self.next_protected),
        };
        let sequence_number = *next;
        if sequence_number > MAX_SEQUENCE_NUMBER {
            return Err(Error::LimitReached);
        }
        let len = plaintext.len() + epoch.overhead() - HEADER_LEN;
        let len = u16::try_from(len).map_err(|_| Error::TooLong)?;
        *next += 1; // before sealing: a number that was tried is used
        let start = out.len();
        Record::emit_header(content_type, version, number, sequence_number, len, out);
        match epoch {
            Epoch::Plain => out.extend_from_slice(plaintext),
            Epoch::Protected => {
                let write = self.write.as_ref().ok_or(Error::NotConnected)?;
                if write.seal(content_type, number, sequence_number, plaintext, out).is_err() {
                    out.truncate(start);
                    return Err(Error::Crypto);
                }
            }
        }
        Ok(())
    }

    /// Opens a record of epoch 1. The window moves only if it is authentic.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Result<Vec<u8>, Error> {
        let read = self.read.as_ref().ok_or(Error::Unexpected)?;
        if record.epoch != 1 || record.version != ProtocolVersion::DTLS_1_2 {
            return Err(Error::Unexpected);
        }
        if !self.replay.is_new(record.sequence_number) {
            return Err(Error::Replayed);
        }
        let plaintext = read
            .open(record.content_type, record.epoch, record.sequence_number, record.fragment)
            .map_err(|_| Error::Unauthentic)?;
        self.replay.mark(record.sequence_number);
        Ok(plaintext)
    }
}
