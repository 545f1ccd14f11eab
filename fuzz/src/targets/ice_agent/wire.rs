//! What needs no agent: frames, candidates as text, attributes.

use headwater_ice::Candidate;
use headwater_ice::attribute::TABLE;
use headwater_ice::framing::{Deframer, MAX_BUFFERED, frame, header};
use headwater_stun::{Message, RawAttribute};

/// The bytes as a stream: cut anywhere, the frames are the same.
pub(super) fn deframe(data: &[u8]) {
    let frames = |chunk_len: usize| {
        let (mut deframer, mut frames) = (Deframer::with_limit(1500), Vec::new());
        for mut chunk in data.chunks(chunk_len) {
            while let Some(frame) = deframer.next_frame(&mut chunk) {
                assert!(!frame.is_empty() && frame.len() <= 1500);
                frames.push(frame.to_vec());
            }
            assert!(chunk.is_empty() && deframer.buffered() <= MAX_BUFFERED);
        }
        frames
    };
    let whole = frames(data.len().max(1));
    let cut = usize::from(data.first().copied().unwrap_or(0)) % 16 + 1;
    assert_eq!(frames(cut), whole, "in chunks of {cut}");
    reframe(data);
}

/// What was framed comes out as it went in, and behind a frame that is passed over as well.
fn reframe(data: &[u8]) {
    let mut sent = Vec::new();
    let Ok([high, low]) = header(data.len()) else { return };
    for _ in 0..2 {
        frame(data, &mut sent).expect("its length has two bytes");
    }
    assert_eq!(sent[..2], [high, low]);
    let (mut deframer, mut came) = (Deframer::new(), 0);
    for mut piece in sent.chunks(data.len() / 2 + 1) {
        while let Some(frame) = deframer.next_frame(&mut piece) {
            assert_eq!(frame, data);
            came += 1;
            deframer.set_limit(data.len() - 1);
        }
    }
    assert_eq!(came, usize::from(!data.is_empty()), "the second one is over the limit");
}

/// A candidate as signalling would bring it: its text is stable.
pub(super) fn candidate(data: &[u8]) -> Option<Candidate> {
    let candidate: Candidate = String::from_utf8_lossy(data).parse().ok()?;
    let written = candidate.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&candidate), "`{written}` parses to something else");
    Some(candidate)
}

/// What an attribute's value is written as parses again, to the same bytes.
pub(super) fn attributes(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    for raw in message.attributes() {
        let Some(row) = TABLE.iter().find(|row| row.kind == raw.kind) else { continue };
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        if (row.rewrite)(raw, &mut once).is_ok() {
            let again = RawAttribute::new(raw.kind, &once, raw.transaction_id);
            (row.rewrite)(again, &mut twice).unwrap_or_else(|error| panic!("{}: {error}", row.name));
            assert_eq!(once, twice, "{} is not stable", row.name);
        }
    }
}
