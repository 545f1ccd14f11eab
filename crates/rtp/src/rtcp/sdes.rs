//! Source description (RFC 3550 §6.5).

use super::split_u32;
use crate::{ParseError, Ssrc};

/// Chunks of | SSRC (32) | items: type (8), length (8), text | zeros to the next word |
#[derive(Clone, Copy, Debug)]
pub struct Sdes<'a> {
    chunks: &'a [u8],
    count: u8,
}

/// What an item says about its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SdesItemKind {
    /// Canonical name: equal for all streams of one sender that play in sync.
    Cname,
    /// Simulcast encoding (RFC 8852).
    Rid,
    /// Repaired simulcast encoding (RFC 8852).
    RepairedRid,
    /// Media section (RFC 9143).
    Mid,
    /// Anything else: name, email, phone ..
    Other(u8),
}

impl SdesItemKind {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Cname,
            12 => Self::Rid,
            13 => Self::RepairedRid,
            15 => Self::Mid,
            other => Self::Other(other),
        }
    }
}

/// One item of a source description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SdesItem<'a> {
    /// The stream described.
    pub ssrc: Ssrc,
    /// What is said about it.
    pub kind: SdesItemKind,
    /// The text: UTF-8 by the standard, not checked here.
    pub text: &'a [u8],
}

impl<'a> Sdes<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut items = Items { rest: body, chunks: count, ssrc: None };
        while items.step()?.is_some() {}
        Ok(Self { chunks: body, count })
    }

    /// The items of all chunks, in order.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + 'a {
        let mut items = Items { rest: self.chunks, chunks: self.count, ssrc: None };
        std::iter::from_fn(move || items.step().ok().flatten())
    }

    /// The canonical names.
    pub fn cnames(&self) -> impl Iterator<Item = (Ssrc, &'a [u8])> + 'a {
        self.items().filter(|item| item.kind == SdesItemKind::Cname).map(|item| (item.ssrc, item.text))
    }
}

/// Walks over chunks; each step consumes at least one byte.
struct Items<'a> {
    rest: &'a [u8],
    /// Chunks not yet begun.
    chunks: u8,
    ssrc: Option<Ssrc>,
}

impl<'a> Items<'a> {
    fn step(&mut self) -> Result<Option<SdesItem<'a>>, ParseError> {
        loop {
            let Some(ssrc) = self.ssrc else {
                let Some(left) = self.chunks.checked_sub(1) else { return Ok(None) };
                let (ssrc, rest) = split_u32(self.rest)?;
                self.chunks = left;
                self.ssrc = Some(Ssrc(ssrc));
                self.rest = rest;
                continue;
            };
            let Some((&kind, rest)) = self.rest.split_first() else { return Err(ParseError::BadLength) };
            if kind == 0 {
                self.end_chunk()?;
                continue;
            }
            let Some((&len, rest)) = rest.split_first() else { return Err(ParseError::BadLength) };
            let Some((text, rest)) = rest.split_at_checked(usize::from(len)) else {
                return Err(ParseError::BadLength);
            };
            self.rest = rest;
            return Ok(Some(SdesItem { ssrc, kind: SdesItemKind::from_byte(kind), text }));
        }
    }

    /// One to four zeros end a chunk at the next word. The body began at a word and is whole words
    /// long, so what is left tells where we are.
    fn end_chunk(&mut self) -> Result<(), ParseError> {
        let zeros = match self.rest.len() % 4 {
            0 => 4,
            left => left,
        };
        let Some((zeros, rest)) = self.rest.split_at_checked(zeros) else {
            return Err(ParseError::BadLength);
        };
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(ParseError::BadValue);
        }
        self.rest = rest;
        self.ssrc = None;
        Ok(())
    }
}
