//! The keystream of AES in counter mode (RFC 3711 §4.1.1), and the tag made in the same pass.
//!
//! The `ctr` crate would do, but not for packets: on processors with VAES it works in batches of 30 or 64 blocks, and
//! what does not fill one goes through other paths, each with a preparation of its own.

use aes::Aes128Enc;
use aes::cipher::{
    Array, Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, ParBlocks,
    consts::U16, typenum::Unsigned,
};

use super::hmac_sha1::Mac;

const BLOCK: usize = 16;
/// Blocks that are worked on side by side.
const LANES: usize = 4;

/// Encrypts or decrypts `payload` by the keystream that starts at `iv`, whose last two bytes are zero: there the
/// blocks of a packet are counted. 65,536 of them are more than a datagram holds.
pub(super) fn apply_keystream(key: &Aes128Enc, iv: [u8; BLOCK], payload: &mut [u8]) {
    key.encrypt_with_backend(Pass { iv, packet: payload, start: 0, mac: None });
}

/// Encrypts `packet[start..]`, and gives the whole packet to `mac` except for an incomplete block at its end.
///
/// SHA-1 is one long chain in which each step waits for the one before; the processor has room to encrypt what comes
/// next at the same time, if both are in view together.
pub(super) fn encrypt_then_mac(
    key: &Aes128Enc,
    iv: [u8; BLOCK],
    packet: &mut [u8],
    start: usize,
    mac: &mut Mac,
) {
    key.encrypt_with_backend(Pass { iv, packet, start, mac: Some(mac) });
}

struct Pass<'p> {
    iv: [u8; BLOCK],
    packet: &'p mut [u8],
    start: usize,
    mac: Option<&'p mut Mac>,
}

impl BlockSizeUser for Pass<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Pass<'_> {
    // Inlined into the backend, which has the processor's features switched on.
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Self { iv, packet, start, mut mac } = self;
        let mut counter = u128::from_be_bytes(iv);
        let mut next = || {
            let block = counter;
            counter = counter.wrapping_add(1);
            Array(block.to_be_bytes())
        };
        let mut at = start;
        while let Some(chunk) =
            packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<{ LANES * BLOCK }>())
        {
            let mut blocks: [Block<B>; LANES] = core::array::from_fn(|_| next());
            encrypt(backend, &mut blocks);
            for (bytes, block) in chunk.as_chunks_mut::<BLOCK>().0.iter_mut().zip(&blocks) {
                *bytes = (u128::from_ne_bytes(*bytes) ^ u128::from_ne_bytes(block.0)).to_ne_bytes();
            }
            // What was encrypted just now is still on its way to the cache.
            if let Some(mac) = &mut mac {
                mac.take(&packet[..at]);
            }
            at += LANES * BLOCK;
        }
        for chunk in packet[at..].chunks_mut(BLOCK) {
            let mut block = next();
            backend.encrypt_block((&mut block).into());
            chunk.iter_mut().zip(&block).for_each(|(byte, key)| *byte ^= key);
        }
    }
}

/// A processor with instructions for AES works on blocks side by side that don't depend on each other; software needs to
/// be given them together.
#[inline(always)]
fn encrypt<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, blocks: &mut [Block<B>; LANES]) {
    if B::ParBlocksSize::USIZE == LANES {
        let mut together: ParBlocks<B> = Array::from_fn(|index| blocks[index]);
        backend.encrypt_par_blocks((&mut together).into());
        blocks.copy_from_slice(&together);
    } else {
        blocks.iter_mut().for_each(|block| backend.encrypt_block(block.into()));
    }
}
