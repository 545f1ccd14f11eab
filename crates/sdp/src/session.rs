//! A session description (RFC 8866): the session's part and its media sections.

use core::{fmt, str::FromStr};

use crate::{
    attribute::{Attribute, Bandwidth, Direction, Extension, Group},
    error::{Error, Reason},
    line::{Line, RawLine, lines},
    media::{MAX_ATTRIBUTES, Media},
    transport::{Transport, set},
};

/// How many `m=` lines a description may have.
pub const MAX_MEDIA: usize = 64;

/// A session description: parsed, or built to be written by its `Display`.
///
/// What has no field is kept in `lines` and `attributes`, so that nothing is lost by reading and writing;
/// writing puts it into the order of RFC 8866 §5, with CRLF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// `o=`
    pub origin: Origin,
    /// `s=`; `-` for none.
    pub name: String,
    /// `c=`
    pub connection: Option<String>,
    /// `b=`
    pub bandwidths: Vec<Bandwidth>,
    /// `t=` and every other line of the session's part that has no field.
    pub lines: Vec<Line>,
    /// `a=group`
    pub groups: Vec<Group>,
    /// `a=ice-lite` (RFC 8839 §5.3)
    pub ice_lite: bool,
    /// `a=extmap-allow-mixed` (RFC 8285 §6), for all sections.
    pub extmap_allow_mixed: bool,
    /// `a=sendrecv` and so on, for sections that don't say.
    pub direction: Option<Direction>,
    /// `a=extmap`, for all sections.
    pub extensions: Vec<Extension>,
    /// ICE and DTLS attributes, for sections that have none.
    pub transport: Transport,
    /// Attributes without a field.
    pub attributes: Vec<Attribute>,
    /// The media sections, in order.
    pub media: Vec<Media>,
}

/// `o=` (RFC 8866 §5.2)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// `-` for none.
    pub username: String,
    /// The same in all descriptions of one session.
    pub session_id: String,
    /// Grows with each description of the session.
    pub session_version: String,
    /// `IN`
    pub network_type: String,
    /// `IP4` or `IP6`
    pub address_type: String,
    /// Of no use today.
    pub address: String,
}

impl Origin {
    /// `o=- <session id> <version> IN IP4 127.0.0.1`
    pub fn new(session_id: u64, session_version: u64) -> Self {
        Self {
            session_id: session_id.to_string(),
            session_version: session_version.to_string(),
            ..Self::default()
        }
    }

    /// Hand-made clients write all kinds of things here and nothing depends on it: what is missing gets a default.
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace().map(str::to_owned);
        let mut word = |default: String| words.next().unwrap_or(default);
        let default = Self::default();
        Self {
            username: word(default.username),
            session_id: word(default.session_id),
            session_version: word(default.session_version),
            network_type: word(default.network_type),
            address_type: word(default.address_type),
            address: word(default.address),
        }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self {
            username: "-".into(),
            session_id: "0".into(),
            session_version: "0".into(),
            network_type: "IN".into(),
            address_type: "IP4".into(),
            address: "127.0.0.1".into(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, session_id, session_version, network_type, address_type, address } = self;
        write!(f, "{username} {session_id} {session_version} {network_type} {address_type} {address}")
    }
}

impl Session {
    /// An empty description, `t=0 0`.
    pub fn new(origin: Origin) -> Self {
        Self { origin, name: "-".into(), lines: vec![Line::new('t', "0 0")], ..Self::default() }
    }

    /// Reads a description. Lines may end with LF, unknown lines and attributes are kept, and a known attribute
    /// that can't be read is kept as an unknown one.
    ///
    /// # Errors
    /// If the text is larger than the limits, a line is not of the form `x=value`, the first one is not `v=0`, or an
    /// `m=` line lacks a part.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = lines(text)?;
        match lines.next() {
            Some(Ok(RawLine { kind: 'v', value, .. })) if value.trim() == "0" => {}
            Some(Err(error)) => return Err(error),
            Some(Ok(line)) => return Err(Error::new(line.number, Reason::NoVersion)),
            None => return Err(Error::new(1, Reason::NoVersion)),
        }
        let mut session = Self::default();
        session.read(lines)?;
        if session.name.is_empty() {
            session.name = "-".into();
        }
        if !session.lines.iter().any(|line| line.kind == 't') {
            session.lines.push(Line::new('t', "0 0"));
        }
        session.lines.sort_by_key(|line| !line.is_descriptive());
        Ok(session)
    }

    /// Reads everything after `v=`, or a fragment, which has no `v=`.
    pub(crate) fn read<'a>(
        &mut self,
        lines: impl Iterator<Item = Result<RawLine<'a>, Error>>,
    ) -> Result<(), Error> {
        let mut has_origin = false;
        let mut count = 0_usize;
        for line in lines {
            let line = line?;
            count += 1;
            if line.kind == 'm' {
                if self.media.len() >= MAX_MEDIA {
                    return Err(Error::new(line.number, Reason::TooManyMedia));
                }
                self.media.push(Media::parse_line(line)?);
                count = 0;
            } else if count > MAX_ATTRIBUTES {
                return Err(Error::new(line.number, Reason::TooManyAttributes));
            } else if let Some(media) = self.media.last_mut() {
                media.read_line(line);
            } else if line.kind == 'o' && !has_origin {
                self.origin = Origin::parse(line.value);
                has_origin = true;
            } else {
                self.read_line(line);
            }
        }
        self.media.iter_mut().for_each(Media::finish);
        Ok(())
    }

    fn read_line(&mut self, line: RawLine<'_>) {
        let taken = match line.kind {
            'a' => {
                let (name, value) = Attribute::split(line.value);
                if !self.read_attribute(name, value) {
                    self.attributes.push(Attribute::new(name, value.map(str::to_owned)));
                }
                true
            }
            's' if self.name.is_empty() => {
                self.name = line.value.to_owned();
                !self.name.is_empty()
            }
            'c' => set(&mut self.connection, Some(line.value.to_owned())),
            'b' => Bandwidth::parse(line.value).map(|value| self.bandwidths.push(value)).is_some(),
            _ => false,
        };
        if !taken && !matches!(line.kind, 's' | 'v') {
            self.lines.push(Line::new(line.kind, line.value));
        }
    }

    fn read_attribute(&mut self, name: &str, value: Option<&str>) -> bool {
        match (name, value) {
            ("group", Some(value)) => Group::parse(value).map(|group| self.groups.push(group)).is_some(),
            ("ice-lite", None) => !core::mem::replace(&mut self.ice_lite, true),
            ("extmap-allow-mixed", None) => !core::mem::replace(&mut self.extmap_allow_mixed, true),
            ("extmap", Some(value)) => {
                Extension::parse(value).map(|extension| self.extensions.push(extension)).is_some()
            }
            (_, None) if Direction::parse(name).is_some() => set(&mut self.direction, Direction::parse(name)),
            _ => self.transport.take(name, value),
        }
    }

    /// The bundle (RFC 9143): the first `a=group:BUNDLE`.
    pub fn bundle(&self) -> Option<&Group> {
        self.groups.iter().find(|group| group.semantics == "BUNDLE")
    }

    /// The section of that mid.
    pub fn media_by_mid(&self, mid: &str) -> Option<&Media> {
        self.media.iter().find(|media| media.mid.as_deref() == Some(mid))
    }

    /// A section's ICE and DTLS attributes, with the session's where it has none of its own.
    pub fn transport_of(&self, media: &Media) -> Transport {
        media.transport.or(&self.transport)
    }

    /// A section's direction; what neither it nor the session says is `sendrecv`.
    pub fn direction_of(&self, media: &Media) -> Direction {
        media.direction.or(self.direction).unwrap_or(Direction::SendRecv)
    }

    /// A section's header extensions, and the session's.
    pub fn extensions_of<'a>(&'a self, media: &'a Media) -> impl Iterator<Item = &'a Extension> {
        media.extensions.iter().chain(&self.extensions)
    }
}

impl FromStr for Session {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}
