//! `a=simulcast` (RFC 8853 §5.1): which encodings are sent and received at the same time.

use core::fmt;

/// `a=simulcast:send <streams> recv <streams>`; each stream is a list of alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Simulcast {
    /// What the writer sends.
    pub send: Vec<Vec<SimulcastStream>>,
    /// What the writer receives.
    pub recv: Vec<Vec<SimulcastStream>>,
}

/// One encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulcastStream {
    /// The encoding's name, see [`Rid`](crate::Rid).
    pub rid: String,
    /// Whether it starts paused (`~`).
    pub is_paused: bool,
}

impl Simulcast {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut simulcast = Self::default();
        while let Some(direction) = words.next() {
            let streams = words
                .next()?
                .split(';')
                .map(|alternatives| alternatives.split(',').map(SimulcastStream::parse).collect())
                .collect::<Option<Vec<Vec<_>>>>()?;
            let place = match direction {
                "send" => &mut simulcast.send,
                "recv" => &mut simulcast.recv,
                _ => return None,
            };
            if !place.is_empty() {
                return None;
            }
            *place = streams;
        }
        (simulcast != Self::default()).then_some(simulcast)
    }
}

impl SimulcastStream {
    fn parse(text: &str) -> Option<Self> {
        let (rid, is_paused) = text.strip_prefix('~').map_or((text, false), |rid| (rid, true));
        let is_rid = !rid.is_empty() && rid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        is_rid.then(|| Self { rid: rid.to_owned(), is_paused })
    }
}

impl fmt::Display for Simulcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |streams: &[Vec<SimulcastStream>]| {
            let alternatives = |stream: &Vec<SimulcastStream>| {
                stream.iter().map(SimulcastStream::to_string).collect::<Vec<_>>().join(",")
            };
            streams.iter().map(alternatives).collect::<Vec<_>>().join(";")
        };
        match (self.send.is_empty(), self.recv.is_empty()) {
            (false, false) => write!(f, "send {} recv {}", list(&self.send), list(&self.recv)),
            (false, true) => write!(f, "send {}", list(&self.send)),
            (true, _) => write!(f, "recv {}", list(&self.recv)),
        }
    }
}

impl fmt::Display for SimulcastStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_paused { "~" } else { "" }, self.rid)
    }
}
