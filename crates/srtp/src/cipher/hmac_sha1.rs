//! HMAC-SHA1 (RFC 2104) with a prepared key, over the compression function alone.
//!
//! The `hmac` crate buffers, since it doesn't know what comes next. A packet lies there as a whole.

use sha1::block_api::compress;
use zeroize::{Zeroize, ZeroizeOnDrop};

const BLOCK: usize = 64;
const DIGEST: usize = 20;
/// The mark behind the message, and its length in bits.
const PADDING: usize = 1 + 8;
const START: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

type State = [u32; 5];

/// A key after its inner and outer pads were hashed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Key {
    inner: State,
    outer: State,
}

impl Key {
    /// RFC 3711 §4.2.1: SRTP's keys have 20 bytes, less than a block.
    pub(super) fn new(key: &[u8; DIGEST]) -> Self {
        let after = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            let mut state = START;
            compress(&mut state, &[block]);
            block.zeroize();
            state
        };
        Self { inner: after(0x36), outer: after(0x5c) }
    }

    pub(super) fn begin(&self) -> Mac {
        Mac { state: self.inner, taken: 0 }
    }

    /// The tag of `packet` and the few bytes behind it, of which `mac` may have taken a part.
    pub(super) fn finish(&self, mut mac: Mac, packet: &[u8], behind: &[u8]) -> [u8; DIGEST] {
        mac.take(packet);
        let rest = &packet[mac.taken..];
        let length = packet.len() + behind.len();
        let mut last = [0; 2 * BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        last[rest.len()..rest.len() + behind.len()].copy_from_slice(behind);
        let end = rest.len() + behind.len();
        close(&mut last, end, length);
        let blocks = if end + PADDING <= BLOCK { 1 } else { 2 };
        compress(&mut mac.state, &last.as_chunks().0[..blocks]);

        let mut block = [0; BLOCK];
        write(&mac.state, &mut block);
        close(&mut block, DIGEST, DIGEST);
        let mut state = self.outer;
        compress(&mut state, &[block]);
        let mut tag = [0; DIGEST];
        write(&state, &mut tag);
        tag
    }
}

/// A tag in the making.
pub(super) struct Mac {
    state: State,
    taken: usize,
}

impl Mac {
    /// Takes the whole blocks of `packet` that it has not taken before; what came before must not have changed.
    pub(super) fn take(&mut self, packet: &[u8]) {
        let blocks = packet[self.taken..].as_chunks().0;
        if !blocks.is_empty() {
            compress(&mut self.state, blocks);
            self.taken += BLOCK * blocks.len();
        }
    }
}

/// Ends a message of `length` bytes, whose pad was hashed before it, at `end` of its last blocks.
fn close(last: &mut [u8], end: usize, length: usize) {
    last[end] = 0x80;
    let bits = 8 * (BLOCK + length) as u64;
    let size = if end + PADDING <= BLOCK { BLOCK } else { 2 * BLOCK };
    last[size - 8..size].copy_from_slice(&bits.to_be_bytes());
}

fn write(state: &State, out: &mut [u8]) {
    out.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
}
