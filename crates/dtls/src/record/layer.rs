//! Both directions of the record layer: keys and record numbers of all epochs.
//!
//! Epoch 0 is in the clear. DTLS 1.2 has one more, 1. DTLS 1.3 has 2 for the handshake, 3 for data, and one more after
//! each KeyUpdate (RFC 9147 §6.1).

use super::protection::{OVERHEAD_13, Protection12, Protection13};
use super::replay::ReplayWindow;
use super::unified::{self, UnifiedRecord, inner, reconstruct};
use super::{ContentType, HEADER_LEN, MAX_PLAINTEXT, ProtocolVersion, Record};
use crate::{Error, ParseError};

/// Sequence numbers have 48 bits and never wrap (RFC 6347 §4.1, RFC 9147 §4.2.1).
const MAX_SEQUENCE_NUMBER: u64 = (1 << 48) - 1;
/// Epochs whose records we still open: the handshake's, the present one, and the one before it (RFC 9147 §4.2.1).
const MAX_READ_EPOCHS: usize = 3;
/// So many forgeries may be tried against one key (RFC 9147 §4.5.3, the same for all three ciphers); then it opens
/// nothing more.
const MAX_FORGERIES: u64 = 1 << 36;
/// No protection adds more to a plaintext.
const MAX_OVERHEAD: usize = 32;

/// Which keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) u16);

impl Epoch {
    pub(crate) const PLAIN: Self = Self(0);
    /// DTLS 1.2.
    pub(crate) const PROTECTED: Self = Self(1);
    /// DTLS 1.3.
    pub(crate) const HANDSHAKE: Self = Self(2);
    /// DTLS 1.3, until the first KeyUpdate.
    pub(crate) const DATA: Self = Self(3);
}

/// A record's full number; what an ACK names (RFC 9147 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordNumber {
    pub(crate) epoch: Epoch,
    pub(crate) sequence_number: u64,
}

/// A record that was opened.
pub(crate) struct Opened {
    pub(crate) content_type: ContentType,
    pub(crate) plaintext: Vec<u8>,
    pub(crate) number: RecordNumber,
}

pub(crate) enum Protection {
    Dtls12(Protection12),
    Dtls13(Protection13),
}

struct Writer {
    epoch: Epoch,
    protection: Protection,
    next: u64,
}

struct Reader {
    epoch: Epoch,
    protection: Protection,
    replay: ReplayWindow,
    forgeries: u64,
}

#[derive(Default)]
pub(crate) struct RecordLayer {
    next_plain: u64,
    writers: Vec<Writer>,
    readers: Vec<Reader>,
}

impl RecordLayer {
    pub(crate) fn install_write(&mut self, epoch: Epoch, protection: Protection) {
        self.writers.reserve_exact(1); // for hours there is one
        self.writers.push(Writer { epoch, protection, next: 0 });
    }

    pub(crate) fn install_read(&mut self, epoch: Epoch, protection: Protection) {
        if self.readers.len() == MAX_READ_EPOCHS {
            self.readers.remove(1); // the handshake's stays: its last messages may still be repeated
        }
        self.readers.reserve_exact(1);
        self.readers.push(Reader { epoch, protection, replay: ReplayWindow::default(), forgeries: 0 });
    }

    /// Nothing will be written below `epoch` any more.
    pub(crate) fn retire_writers_below(&mut self, epoch: Epoch) {
        self.writers.retain(|writer| writer.epoch >= epoch);
    }

    pub(crate) fn can_read(&self) -> bool {
        !self.readers.is_empty()
    }

    /// The newest epoch to write in.
    pub(crate) fn write_epoch(&self) -> Epoch {
        self.writers.last().map_or(Epoch::PLAIN, |writer| writer.epoch)
    }

    /// The newest epoch to read in.
    pub(crate) fn read_epoch(&self) -> Epoch {
        self.readers.last().map_or(Epoch::PLAIN, |reader| reader.epoch)
    }

    /// How many records were written in the newest epoch.
    pub(crate) fn written(&self) -> u64 {
        self.writers.last().map_or(0, |writer| writer.next)
    }

    /// As if so many records had been written in the newest epoch, and forged.
    #[cfg(test)]
    pub(crate) fn wear_out(&mut self, written: u64, forged: u64) {
        if let (Some(writer), Some(reader)) = (self.writers.last_mut(), self.readers.last_mut()) {
            (writer.next, reader.forgeries) = (written, forged);
        }
    }

    /// The bytes that a record has beside its plaintext.
    pub(crate) fn overhead(&self, epoch: Epoch) -> usize {
        match self.writers.iter().find(|writer| writer.epoch == epoch).map(|writer| &writer.protection) {
            None => HEADER_LEN,
            Some(Protection::Dtls12(protection)) => HEADER_LEN + protection.overhead(),
            Some(Protection::Dtls13(_)) => unified::HEADER_LEN + OVERHEAD_13,
        }
    }

    /// Goes on from the number of the client's hello (RFC 6347 §4.2.1, where the server has no state of its own).
    pub(crate) fn skip_plain_to(&mut self, sequence_number: u64) {
        self.next_plain = self.next_plain.max(sequence_number.min(MAX_SEQUENCE_NUMBER >> 1));
    }

    /// Appends one record and says its number.
    pub(crate) fn seal(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<RecordNumber, Error> {
        let start = out.len();
        let fitting = |len: usize| u16::try_from(len).map_err(|_| Error::TooLong);
        let version = ProtocolVersion::DTLS_1_2;
        if epoch == Epoch::PLAIN {
            let len = fitting(plaintext.len())?;
            let sequence_number = take_number(&mut self.next_plain)?;
            Record::emit_header(content_type, version, epoch.0, sequence_number, len, out);
            out.extend_from_slice(plaintext);
            return Ok(RecordNumber { epoch, sequence_number });
        }
        let writer =
            self.writers.iter_mut().find(|writer| writer.epoch == epoch).ok_or(Error::NotConnected)?;
        let len = fitting(plaintext.len() + MAX_OVERHEAD)? - MAX_OVERHEAD as u16;
        let sequence_number = take_number(&mut writer.next)?; // before sealing: a number that was tried is used
        let sealed = match &writer.protection {
            Protection::Dtls12(protection) => {
                let len = len + protection.overhead() as u16;
                Record::emit_header(content_type, version, epoch.0, sequence_number, len, out);
                protection.seal(content_type, epoch.0, sequence_number, plaintext, out)
            }
            Protection::Dtls13(protection) => {
                protection.seal(content_type, u64::from(epoch.0), sequence_number, plaintext, out)
            }
        };
        if sealed.is_err() {
            out.truncate(start);
            return Err(Error::Crypto);
        }
        Ok(RecordNumber { epoch, sequence_number })
    }

    /// Opens a record of DTLS 1.2's epoch 1. The window moves only if it is authentic.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Result<Opened, Error> {
        let epoch = Epoch(record.epoch);
        let reader = self.readers.iter_mut().find(|reader| reader.epoch == epoch).ok_or(Error::Unexpected)?;
        let Protection::Dtls12(protection) = &reader.protection else {
            return Err(Error::Unexpected);
        };
        if record.version != ProtocolVersion::DTLS_1_2 {
            return Err(Error::Unexpected);
        }
        if !reader.replay.is_new(record.sequence_number) {
            return Err(Error::Replayed);
        }
        let plaintext = protection
            .open(record.content_type, record.epoch, record.sequence_number, record.fragment)
            .map_err(|_| Error::Unauthentic)?;
        reader.replay.mark(record.sequence_number);
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(ParseError::BadLength.into());
        }
        let number = RecordNumber { epoch, sequence_number: record.sequence_number };
        Ok(Opened { content_type: record.content_type, plaintext, number })
    }

    /// Opens a record of DTLS 1.3. The window moves only if it is authentic.
    pub(crate) fn open_unified(&mut self, record: &UnifiedRecord<'_>) -> Result<Opened, Error> {
        // Epochs that we have the keys of differ in their two bits, but for four KeyUpdates behind the handshake's.
        let reader = self
            .readers
            .iter_mut()
            .rfind(|reader| reader.epoch.0 as u8 & 3 == record.epoch_bits)
            .ok_or(Error::Unexpected)?;
        let Protection::Dtls13(protection) = &reader.protection else {
            return Err(Error::Unexpected);
        };
        let low = protection.unmask(record).ok_or(ParseError::Truncated)?;
        let sequence_number = reconstruct(reader.replay.next(), low, record.number_len);
        if sequence_number > MAX_SEQUENCE_NUMBER || !reader.replay.is_new(sequence_number) {
            return Err(Error::Replayed);
        }
        if reader.forgeries >= MAX_FORGERIES {
            return Err(Error::LimitReached);
        }
        let mut plaintext = protection.open(record, low, sequence_number).map_err(|_| {
            reader.forgeries += 1;
            Error::Unauthentic
        })?;
        reader.replay.mark(sequence_number);
        // RFC 8446 §5.4: no type at all ends the connection; one record less does no harm to ours.
        let (content_type, len) = inner(&plaintext).ok_or(ParseError::Truncated)?;
        if len > MAX_PLAINTEXT {
            return Err(ParseError::BadLength.into());
        }
        plaintext.truncate(len);
        let number = RecordNumber { epoch: reader.epoch, sequence_number };
        Ok(Opened { content_type, plaintext, number })
    }
}

fn take_number(next: &mut u64) -> Result<u64, Error> {
    let number = *next;
    if number > MAX_SEQUENCE_NUMBER {
        return Err(Error::LimitReached);
    }
    *next += 1;
    Ok(number)
}
