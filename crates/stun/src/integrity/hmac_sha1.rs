//! HMAC-SHA1 (RFC 2104) of one message that lies there as a whole, over the compression function alone.
//!
//! Twice per consent check; the `hmac` crate buffers, since it doesn't know what comes next.

use sha1::Digest;
use sha1::block_api::compress;

use super::SHA1_LEN;
use crate::HEADER_LEN;

const BLOCK: usize = 64;
/// What of the body shares the first block with the header.
const FIRST: usize = BLOCK - HEADER_LEN;
/// The mark behind the message, and its length in bits.
const PADDING: usize = 1 + 8;
const START: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

type State = [u32; 5];

/// A key after its inner and outer pads were hashed.
#[derive(Clone)]
pub(super) struct HmacSha1 {
    inner: State,
    outer: State,
}

impl HmacSha1 {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut padded = [0; BLOCK];
        match padded.get_mut(..key.len()) {
            Some(start) => start.copy_from_slice(key),
            None => padded[..SHA1_LEN].copy_from_slice(&sha1::Sha1::digest(key)),
        }
        let after = |pad: u8| {
            let mut state = START;
            compress(&mut state, &[padded.map(|byte| byte ^ pad)]);
            state
        };
        Self { inner: after(0x36), outer: after(0x5c) }
    }

    pub(super) fn of(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> [u8; SHA1_LEN] {
        let mut state = self.inner;
        let mut last = [0; 2 * BLOCK];
        last[..HEADER_LEN].copy_from_slice(header);
        let mut end = HEADER_LEN;
        let mut rest = body;
        if let Some((first, behind)) = body.split_first_chunk::<FIRST>() {
            last[HEADER_LEN..BLOCK].copy_from_slice(first);
            compress(&mut state, &last.as_chunks().0[..1]);
            let (blocks, behind) = behind.as_chunks();
            compress(&mut state, blocks);
            (end, rest) = (0, behind);
        }
        last[end..end + rest.len()].copy_from_slice(rest);
        let blocks = close(&mut last, end + rest.len(), HEADER_LEN + body.len());
        compress(&mut state, &last.as_chunks().0[..blocks]);

        let mut block = [0; BLOCK];
        block[..SHA1_LEN].copy_from_slice(&bytes(state));
        close(&mut block, SHA1_LEN, SHA1_LEN);
        let mut state = self.outer;
        compress(&mut state, &[block]);
        bytes(state)
    }
}

/// Ends a message of `length` bytes, whose pad was hashed before it, at `end` of its last blocks; says how many.
fn close(last: &mut [u8], end: usize, length: usize) -> usize {
    let blocks = if end + PADDING <= BLOCK { 1 } else { 2 };
    let last = &mut last[..blocks * BLOCK];
    last[end..].fill(0);
    last[end] = 0x80;
    let bits = 8 * (BLOCK + length) as u64;
    last[blocks * BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
    blocks
}

fn bytes(state: State) -> [u8; SHA1_LEN] {
    let mut out = [0; SHA1_LEN];
    out.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    #[test]
    fn it_is_what_the_hmac_crate_makes() {
        let text: Vec<u8> = (0..=255).cycle().take(600).collect();
        for key_length in [0, 1, 22, 24, 63, 64, 65, 256] {
            let key = &text[..key_length];
            let (ours, theirs) = (HmacSha1::new(key), Hmac::<sha1::Sha1>::new_from_slice(key).unwrap());
            for length in 0..text.len() - HEADER_LEN {
                let (header, body) = text[..HEADER_LEN + length].split_first_chunk().unwrap();
                let expected = theirs.clone().chain_update(header).chain_update(body).finalize();
                assert_eq!(ours.of(header, body)[..], expected.into_bytes()[..], "{key_length} {length}");
            }
        }
    }
}
