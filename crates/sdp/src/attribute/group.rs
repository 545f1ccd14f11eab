//! `a=group` (RFC 5888 §5, RFC 9143 §4).

use core::fmt;

/// `a=group:<semantics> <mid> ...`
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// `BUNDLE`, `LS` ...
    pub semantics: String,
    /// The media sections in it, by their mid. A bundle's first one speaks for its transport.
    pub mids: Vec<String>,
}

impl Group {
    /// A group of these sections.
    pub fn new(semantics: impl Into<String>, mids: Vec<String>) -> Self {
        Self { semantics: semantics.into(), mids }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().map(str::to_owned);
        Some(Self { semantics: words.next()?, mids: words.collect() })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.mids.iter().try_for_each(|mid| write!(f, " {mid}"))
    }
}
