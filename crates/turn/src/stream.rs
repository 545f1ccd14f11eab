//! Messages in a byte stream: STUN messages and ChannelData one after the other (RFC 8656 §3.1, §12.5).

use headwater_stun::{HEADER_LEN, MAGIC_COOKIE, ParseError};

use crate::channel_data::{self, ChannelData};

/// The longest message: ChannelData with its 65,535 bytes of data and padding.
pub const MAX_MESSAGE_LEN: usize = channel_data::HEADER_LEN + 65_536;
/// Bytes kept when they are few, so that an idle connection costs little.
const IDLE_CAPACITY: usize = 4096;

/// How long the message at the beginning of `bytes` is, padding included; `None` as long as that can't be said.
///
/// # Errors
/// [`ParseError::BadMagic`] if neither a STUN message nor ChannelData begins like this: the stream is lost.
pub fn message_len(bytes: &[u8]) -> Result<Option<usize>, ParseError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    if ChannelData::is_first_byte(first) {
        let Some(&[_, _, l0, l1]) = bytes.first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        return Ok(Some(channel_data::HEADER_LEN + length.next_multiple_of(4)));
    }
    if first & 0xC0 != 0 {
        return Err(ParseError::BadMagic);
    }
    // Judged as early as possible: what is not STUN need not send 20 bytes to be told.
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let there = bytes.get(4..bytes.len().min(8)).unwrap_or_default();
    if !cookie.starts_with(there) {
        return Err(ParseError::BadMagic);
    }
    let Some(&[_, _, l0, l1]) = bytes.first_chunk() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if length % 4 != 0 {
        return Err(ParseError::BadLength);
    }
    Ok(Some(HEADER_LEN + length))
}

/// Takes a stream's bytes as they come and gives out whole messages.
///
/// It holds at most one message that is not whole, and what was fed behind it.
#[derive(Debug, Default)]
pub struct Messages {
    buffer: Vec<u8>,
    /// Bytes at the beginning that were given out.
    taken: usize,
}

impl Messages {
    /// Without bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes of the stream. Take all messages out before the next call, so that it stays bounded.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_CAPACITY {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, padding included.
    ///
    /// # Errors
    /// What [`message_len`] says: the stream is lost and should be closed.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, ParseError> {
        let rest = &self.buffer[self.taken..];
        let Some(length) = message_len(rest)?.filter(|length| *length <= rest.len()) else {
            return Ok(None);
        };
        let start = self.taken;
        self.taken += length;
        Ok(Some(&self.buffer[start..start + length]))
    }

    /// Bytes of a message that is not whole yet, once all that are were taken out. One of a client without an allocation has no
    /// more than [`MAX_REQUEST_LEN`](crate::MAX_REQUEST_LEN): if there are more, it can be closed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// What was not given out: after a ConnectionBind these bytes are the application's.
    #[must_use]
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buffer.drain(..self.taken);
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_stun::{MessageBuilder, Method, TransactionId, Transport};

    fn stream() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut lengths = Vec::new();
        for index in 0..3 {
            let id = TransactionId::new([index; 12]);
            lengths.push(MessageBuilder::request(Method::BINDING, id, &mut bytes).fingerprint());
            let data = vec![index; usize::from(index) + 1];
            lengths.extend(channel_data::emit(Transport::Tcp, 0x4000, &data, &mut bytes));
        }
        (bytes, lengths)
    }

    #[test]
    fn every_way_to_cut_a_stream_gives_the_same_messages() {
        let (bytes, lengths) = stream();
        for size in 1..=bytes.len() {
            let mut messages = Messages::new();
            let mut got = Vec::new();
            for piece in bytes.chunks(size) {
                messages.push(piece);
                while let Some(message) = messages.next_message().expect("proper bytes") {
                    got.push(message.len());
                }
            }
            assert_eq!(got, lengths, "pieces of {size}");
            assert!(messages.into_rest().is_empty());
        }
    }

    #[test]
    fn what_is_no_message_is_told_as_early_as_possible() {
        assert_eq!(message_len(b"GET / HTTP/1.1"), Ok(Some(channel_data::HEADER_LEN + 0x5420)), "G is 71");
        assert_eq!(message_len(&[0x16, 3, 1, 0, 5]), Err(ParseError::BadMagic), "TLS");
        assert_eq!(message_len(&[0, 1, 0, 0, 0x21, 0x12, 0xA4]), Ok(Some(20)));
        assert_eq!(message_len(&[0, 1, 0, 0, 0x21, 0x13]), Err(ParseError::BadMagic));
        assert_eq!(message_len(&[0, 1, 0]), Ok(None));
        assert_eq!(message_len(&[0, 1, 0, 3, 0x21, 0x12, 0xA4, 0x42]), Err(ParseError::BadLength));
        assert_eq!(message_len(&[0x80]), Err(ParseError::BadMagic));
    }

    #[test]
    fn what_waits_for_its_end_is_counted() {
        let (bytes, lengths) = stream();
        let mut messages = Messages::new();
        messages.push(&bytes[..lengths[0] + 3]);
        assert_eq!(messages.pending(), lengths[0] + 3);
        assert!(matches!(messages.next_message(), Ok(Some(_))));
        assert!(matches!(messages.next_message(), Ok(None)));
        assert_eq!(messages.pending(), 3);
    }

    #[test]
    fn the_rest_belongs_to_the_application() {
        let (mut bytes, lengths) = stream();
        bytes.truncate(lengths[0]);
        bytes.extend_from_slice(b"hello");
        let mut messages = Messages::new();
        messages.push(&bytes);
        assert_eq!(messages.next_message().map(|it| it.map(<[u8]>::len)), Ok(Some(lengths[0])));
        assert_eq!(messages.into_rest(), b"hello");
    }
}
