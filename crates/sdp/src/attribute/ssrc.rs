//! `a=ssrc` and `a=ssrc-group` (RFC 5576 §4).

use core::fmt;

use crate::line::number;

/// `a=ssrc:<ssrc> <name>[:<value>]`
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ssrc {
    /// The stream's number in RTP.
    pub ssrc: u32,
    /// `cname`, `msid` ...
    pub name: String,
    /// The part after the colon.
    pub value: Option<String>,
}

impl Ssrc {
    /// `a=ssrc:<ssrc> cname:<cname>`
    pub fn cname(ssrc: u32, cname: impl Into<String>) -> Self {
        Self { ssrc, name: "cname".into(), value: Some(cname.into()) }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (ssrc, attribute) = text.trim().split_once(' ')?;
        let (name, value) = super::Attribute::split(attribute.trim_start());
        (!name.is_empty()).then_some(Self {
            ssrc: number(ssrc)?,
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ssrc, self.name)?;
        self.value.iter().try_for_each(|value| write!(f, ":{value}"))
    }
}

/// `a=ssrc-group:<semantics> <ssrc> ...`; `FID` pairs a stream with its retransmissions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SsrcGroup {
    /// `FID`, `SIM`, `FEC-FR` ...
    pub semantics: String,
    /// The streams in it.
    pub ssrcs: Vec<u32>,
}

impl SsrcGroup {
    /// A stream and the one that repeats its lost packets (RFC 4588 §8.8).
    pub fn flow_identification(ssrc: u32, rtx: u32) -> Self {
        Self { semantics: "FID".into(), ssrcs: vec![ssrc, rtx] }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let semantics = words.next()?.to_owned();
        let ssrcs = words.map(number).collect::<Option<Vec<_>>>()?;
        (!ssrcs.is_empty()).then_some(Self { semantics, ssrcs })
    }
}

impl fmt::Display for SsrcGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.ssrcs.iter().try_for_each(|ssrc| write!(f, " {ssrc}"))
    }
}
