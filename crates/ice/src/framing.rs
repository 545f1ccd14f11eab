//! Datagrams on a stream: two bytes of length before each (RFC 4571, as RFC 6544 §3 wants for ICE-TCP).
//!
//! A length can't be wrong, so nothing here fails: whatever arrives is frames. What they hold is for others to
//! judge.

use crate::Error;

/// The length before a frame.
const HEADER_LEN: usize = 2;
/// Longest frame: what two bytes can say.
pub const MAX_FRAME_LEN: usize = 65_535;
/// Most bytes that a [`Deframer`] keeps: one frame that is not whole yet, and its length.
pub const MAX_BUFFERED: usize = HEADER_LEN + MAX_FRAME_LEN;
/// A buffer that has grown beyond this is given back after its frame: few frames are longer than a datagram.
const MAX_KEPT: usize = 4096;

/// Finds the frames of one direction of one connection.
///
/// It keeps a frame that has begun and nothing else; frames that lie whole in the input are not copied. It grows
/// with bytes that have arrived, never with a length that was only announced.
///
/// ```
/// let mut sent = Vec::new();
/// headwater_ice::framing::frame(b"one", &mut sent).unwrap();
/// headwater_ice::framing::frame(b"two", &mut sent).unwrap();
///
/// let mut deframer = headwater_ice::framing::Deframer::new();
/// let mut received = Vec::new();
/// for mut chunk in sent.chunks(4) {
///     while let Some(frame) = deframer.next_frame(&mut chunk) {
///         received.push(frame.to_vec());
///     }
/// }
/// assert_eq!(received, [b"one", b"two"]);
/// ```
#[derive(Debug)]
pub struct Deframer {
    /// The begun frame behind its length. A whole one stays until the next call.
    buffer: Vec<u8>,
    /// Longer frames are passed over.
    limit: usize,
    /// How many bytes of such a frame are still to come.
    to_skip: usize,
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

impl Deframer {
    /// Takes frames of all lengths.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limit(MAX_FRAME_LEN)
    }

    /// Passes over frames of more than `limit` bytes without keeping any of them. For peers that nobody knows yet:
    /// a check has some 100 bytes.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit, to_skip: 0 }
    }

    /// Changes the limit, for frames whose length has not arrived yet.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// How many bytes it keeps: at most [`MAX_BUFFERED`].
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Takes bytes off the front of `input` until a frame is whole, and returns it. `None`: all bytes are taken, and
    /// the next frame needs more. Empty frames are passed over: they are what some send to keep a NAT open.
    pub fn next_frame<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Option<&'a [u8]> {
        if self.frame_len().is_some_and(|len| self.buffer.len() >= HEADER_LEN + len) {
            self.forget();
        }
        loop {
            let skipped = self.to_skip.min(input.len());
            *input = input.get(skipped..)?;
            self.to_skip -= skipped;
            if input.is_empty() {
                return None;
            }
            if self.buffer.is_empty()
                && let Some((header, rest)) = input.split_first_chunk()
                && let len = usize::from(u16::from_be_bytes(*header))
                && len <= self.limit
                && let Some((frame, rest)) = rest.split_at_checked(len)
            {
                *input = rest;
                if frame.is_empty() {
                    continue;
                }
                return Some(frame);
            }
            let Some(len) = self.frame_len() else {
                self.take(input, HEADER_LEN);
                if let Some(len) = self.frame_len()
                    && (len == 0 || len > self.limit)
                {
                    self.to_skip = len;
                    self.forget();
                }
                continue;
            };
            self.take(input, HEADER_LEN + len);
            if self.buffer.len() == HEADER_LEN + len {
                return self.buffer.get(HEADER_LEN..);
            }
        }
    }

    /// The announced length of the frame in the buffer.
    fn frame_len(&self) -> Option<usize> {
        self.buffer.first_chunk().map(|it| usize::from(u16::from_be_bytes(*it)))
    }

    /// Moves bytes to the buffer until it has `wanted`.
    fn take(&mut self, input: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.buffer.len()).min(input.len());
        let (head, rest) = input.split_at(missing);
        self.buffer.extend_from_slice(head);
        *input = rest;
    }

    fn forget(&mut self) {
        match self.buffer.capacity() > MAX_KEPT {
            true => self.buffer = Vec::new(),
            false => self.buffer.clear(),
        }
    }
}

/// Appends `payload` as a frame to `out`.
///
/// # Errors
/// [`Error::TooLong`] if it has more than 65,535 bytes; `out` is unchanged.
pub fn frame(payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    out.extend_from_slice(&header(payload.len())?);
    out.extend_from_slice(payload);
    Ok(())
}

/// The two bytes that stand before a frame of `len` bytes, for those who write both with one call.
///
/// # Errors
/// [`Error::TooLong`] if `len` is more than 65,535.
pub fn header(len: usize) -> Result<[u8; HEADER_LEN], Error> {
    u16::try_from(len).map(u16::to_be_bytes).map_err(|_| Error::TooLong)
}
