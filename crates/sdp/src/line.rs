//! The `x=value` tokenizer (RFC 8866 §5), tolerant of how lines end.

use crate::error::{Error, Reason};

/// Longest description taken, in bytes. Browsers' are 5 to 40 KiB.
pub const MAX_SIZE: usize = 256 * 1024;

/// Longest line taken, in bytes.
pub const MAX_LINE: usize = 8 * 1024;

/// A line that has no typed field: kept, and written again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The letter before `=`.
    pub kind: char,
    /// All after `=`.
    pub value: String,
}

impl Line {
    /// A line of this kind and value.
    pub fn new(kind: char, value: impl Into<String>) -> Self {
        Self { kind, value: value.into() }
    }

    /// RFC 8866 §5: these come before `c=`, all others of ours after `b=`.
    pub(crate) fn is_descriptive(&self) -> bool {
        matches!(self.kind, 'i' | 'u' | 'e' | 'p')
    }
}

/// One line, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct RawLine<'a> {
    pub(crate) number: usize,
    pub(crate) kind: char,
    pub(crate) value: &'a str,
}

/// The lines of `text`. They end with CRLF, LF or CR, the last one with nothing too; empty ones are skipped.
///
/// Since no CR or LF can be part of a value, nothing read here can forge a line when it is written again.
pub(crate) fn lines(text: &str) -> Result<impl Iterator<Item = Result<RawLine<'_>, Error>>, Error> {
    if text.len() > MAX_SIZE {
        return Err(Error::new(1, Reason::TooLarge));
    }
    // `lines` of std splits at LF and CRLF; what CR remains ends a line too.
    Ok(text
        .lines()
        .enumerate()
        .flat_map(|(at, line)| line.split('\r').map(move |line| (at + 1, line)))
        .filter_map(|(number, line)| if line.trim().is_empty() { None } else { Some(parse(number, line)) }))
}

fn parse(number: usize, line: &str) -> Result<RawLine<'_>, Error> {
    if line.len() > MAX_LINE {
        return Err(Error::new(number, Reason::LineTooLong));
    }
    if line.contains('\0') {
        return Err(Error::new(number, Reason::Nul));
    }
    let mut characters = line.chars();
    match (characters.next(), characters.next()) {
        (Some(kind), Some('=')) if kind.is_ascii_alphabetic() => {
            Ok(RawLine { number, kind, value: characters.as_str() })
        }
        _ => Err(Error::new(number, Reason::NotALine)),
    }
}

/// An unsigned decimal number, digits only.
pub(crate) fn number<T: core::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
