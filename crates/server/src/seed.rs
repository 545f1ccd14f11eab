//! The only place that asks the operating system for randomness.

use ring::rand::{SecureRandom, SystemRandom};

/// RFC 4648 §6 in lower case: 32 letters that survive URLs, shells and being read aloud.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 26 letters of 5 bits: 130 bits.
const TOKEN_LEN: usize = 26;

/// Draws a seed for the media node.
pub(crate) fn seed() -> [u8; 32] {
    random()
}

/// Draws a token of 130 bits, made of letters that need no escaping in a URL.
pub(crate) fn token() -> String {
    random::<TOKEN_LEN>().iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_url_safe_and_differ() {
        let (one, two) = (token(), token());
        assert_eq!(one.len(), TOKEN_LEN);
        assert!(one.bytes().all(|byte| LETTERS.contains(&byte)));
        assert_ne!(one, two);
        assert_ne!(seed(), seed());
    }
}
