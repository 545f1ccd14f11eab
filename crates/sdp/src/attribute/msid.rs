//! `a=msid` (RFC 8830 §2): which stream and track a media section carries.

use core::fmt;

/// `a=msid:<stream> [<track>]`
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Msid {
    /// The stream's id; `-` for none.
    pub stream: String,
    /// The track's id, where the browser gives one.
    pub track: Option<String>,
}

impl Msid {
    /// `a=msid:<stream> <track>`
    pub fn new(stream: impl Into<String>, track: impl Into<String>) -> Self {
        Self { stream: stream.into(), track: Some(track.into()) }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().map(str::to_owned);
        Some(Self { stream: words.next()?, track: words.next() })
    }
}

impl fmt::Display for Msid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stream)?;
        self.track.iter().try_for_each(|track| write!(f, " {track}"))
    }
}
