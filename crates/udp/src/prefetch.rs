//! Telling the processor what will be needed soon.
#![allow(unsafe_code)]

/// Bytes of a cache line.
const LINE: usize = 64;
/// More than this is not fetched ahead: it would push out what is in use.
const MAX_BYTES: usize = 1024;

/// Says that `bytes` bytes from `start` on will be read soon, so that they are in the cache by then. Only a hint: the
/// address may be any, the memory is not accessed as far as the program can tell. Does nothing where there is no such
/// instruction.
///
/// A media server serves thousands of viewers in turn, and what it keeps of each has left the cache when its turn comes
/// again. It is here because this crate alone may have `unsafe`.
#[inline]
pub fn prefetch(start: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let skew = start.addr() % LINE;
        for offset in (0..bytes.min(MAX_BYTES) + skew).step_by(LINE) {
            // SAFETY: a prefetch of any address, mapped or not, has no effect but on the cache.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset).cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes, LINE, MAX_BYTES);
}

#[cfg(test)]
mod tests {
    use super::prefetch;

    #[test]
    fn any_address_will_do() {
        prefetch(std::ptr::null(), 4096);
        prefetch(std::ptr::without_provenance(usize::MAX - 10), usize::MAX);
        let value = [1_u8; 100];
        prefetch(value.as_ptr(), value.len());
        assert_eq!(value, [1; 100]);
    }
}
