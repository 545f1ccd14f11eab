//! Splits a frame into packets of about equal sizes, so that a burst fits one GSO message.

/// Cuts `data` into as few parts of at most `max` bytes as possible, equal but for one byte, the
/// longer ones last (as libwebrtc does). A `max` of 0 counts as 1.
pub(super) fn split_evenly(data: &[u8], max: usize) -> impl ExactSizeIterator<Item = &[u8]> {
    let count = data.len().div_ceil(max.max(1));
    let base = data.len().checked_div(count).unwrap_or(0);
    let short = count - data.len().checked_rem(count).unwrap_or(0);
    (0..count).map(move |index| {
        let start = index * base + index.saturating_sub(short);
        let end = (index + 1) * base + (index + 1).saturating_sub(short);
        &data[start..end]
    })
}
