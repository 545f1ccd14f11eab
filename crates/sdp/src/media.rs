//! A media section: an `m=` line and what belongs to it (RFC 8866 §5.14).

use core::fmt;

use crate::{
    attribute::{Attribute, Bandwidth, Direction, Extension, Msid, Rid, Simulcast, Ssrc, SsrcGroup},
    codec::{Codec, parse_rtpmap, payload_type, split_payload_type},
    error::{Error, Reason},
    line::{Line, RawLine, number},
    transport::{Transport, set, token},
};

/// How many formats an `m=` line may have. There are 128 payload types.
pub const MAX_FORMATS: usize = 128;

/// How many lines a section may have. A browser's longest has about 200.
pub const MAX_ATTRIBUTES: usize = 1024;

/// What a media section is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
    /// `m=application`: data channels.
    Application,
    /// Any other word.
    Other(String),
}

impl MediaKind {
    fn parse(text: &str) -> Self {
        match text {
            "audio" => Self::Audio,
            "video" => Self::Video,
            "application" => Self::Application,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Other(other) => other,
        })
    }
}

/// A media section: parsed, or built to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Media {
    /// The first word of `m=`.
    pub kind: MediaKind,
    /// 0 rejects the section, or (with `bundle_only`) leaves the port to the bundle.
    pub port: u16,
    /// `m=video 5000/2 ...`: how many ports.
    pub port_count: Option<u16>,
    /// `UDP/TLS/RTP/SAVPF` ...
    pub protocol: String,
    /// The rest of `m=`: payload types, as text.
    pub formats: Vec<String>,
    /// `c=`
    pub connection: Option<String>,
    /// `b=`
    pub bandwidths: Vec<Bandwidth>,
    /// Lines that have no field.
    pub lines: Vec<Line>,
    /// `a=mid` (RFC 5888 §4)
    pub mid: Option<String>,
    /// `a=sendrecv` and so on.
    pub direction: Option<Direction>,
    /// ICE and DTLS attributes.
    pub transport: Transport,
    /// `a=extmap`
    pub extensions: Vec<Extension>,
    /// `a=extmap-allow-mixed`
    pub extmap_allow_mixed: bool,
    /// `a=msid`
    pub msids: Vec<Msid>,
    /// `a=rtcp-mux` (RFC 5761)
    pub rtcp_mux: bool,
    /// `a=rtcp-rsize` (RFC 5506)
    pub rtcp_rsize: bool,
    /// `a=bundle-only` (RFC 9143 §6)
    pub bundle_only: bool,
    /// The payload types of an RTP section, in the order of the `m=` line.
    pub codecs: Vec<Codec>,
    /// `a=rtcp-fb:*`: feedback for every codec.
    pub feedback: Vec<String>,
    /// `a=rid`
    pub rids: Vec<Rid>,
    /// `a=simulcast`
    pub simulcast: Option<Simulcast>,
    /// `a=ssrc-group`
    pub ssrc_groups: Vec<SsrcGroup>,
    /// `a=ssrc`
    pub ssrcs: Vec<Ssrc>,
    /// Attributes without a field, and those of payload types that the `m=` line does not have.
    pub attributes: Vec<Attribute>,
}

impl Media {
    /// `m=<kind> <port> <protocol>`, with nothing else yet.
    pub fn new(kind: MediaKind, port: u16, protocol: impl Into<String>) -> Self {
        Self {
            kind,
            port,
            port_count: None,
            protocol: protocol.into(),
            formats: Vec::new(),
            connection: None,
            bandwidths: Vec::new(),
            lines: Vec::new(),
            mid: None,
            direction: None,
            transport: Transport::default(),
            extensions: Vec::new(),
            extmap_allow_mixed: false,
            msids: Vec::new(),
            rtcp_mux: false,
            rtcp_rsize: false,
            bundle_only: false,
            codecs: Vec::new(),
            feedback: Vec::new(),
            rids: Vec::new(),
            simulcast: None,
            ssrc_groups: Vec::new(),
            ssrcs: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Adds a codec, and its payload type to the `m=` line.
    pub fn push_codec(&mut self, codec: Codec) {
        self.formats.push(codec.payload_type.to_string());
        self.codecs.push(codec);
    }

    /// Whether the section carries RTP.
    pub fn is_rtp(&self) -> bool {
        self.protocol.split('/').any(|part| part == "RTP")
    }

    /// Whether the section is neither rejected nor given up: it has a port, or the bundle's.
    pub fn is_active(&self) -> bool {
        self.port != 0 || self.bundle_only
    }

    /// The codec of a payload type.
    pub fn codec(&self, payload_type: u8) -> Option<&Codec> {
        self.codecs.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// `m=<kind> <port>[/<count>] <protocol> <format> ...`
    pub(crate) fn parse_line(line: RawLine<'_>) -> Result<Self, Error> {
        let malformed = || Error::new(line.number, Reason::MalformedMedia);
        let mut words = line.value.split_whitespace();
        let kind = MediaKind::parse(words.next().ok_or_else(malformed)?);
        let port = words.next().ok_or_else(malformed)?;
        let (port, port_count) = match port.split_once('/') {
            Some((port, count)) => (port, Some(number(count).ok_or_else(malformed)?)),
            None => (port, None),
        };
        let protocol = words.next().ok_or_else(malformed)?;
        let mut media = Self::new(kind, number(port).ok_or_else(malformed)?, protocol);
        media.port_count = port_count;
        media.formats.extend(words.take(MAX_FORMATS + 1).map(str::to_owned));
        match media.formats.len() {
            0 => return Err(malformed()),
            1..=MAX_FORMATS => {}
            _ => return Err(Error::new(line.number, Reason::TooManyFormats)),
        }
        if media.is_rtp() {
            // A format that is no payload type (128 and more, say) stays a word of the `m=` line and names no codec.
            for format in &media.formats {
                if let Some(payload_type) = payload_type(format)
                    && !media.codecs.iter().any(|codec| codec.payload_type == payload_type)
                {
                    media.codecs.push(Codec::new(payload_type, "", 0));
                }
            }
        }
        Ok(media)
    }

    pub(crate) fn read_line(&mut self, line: RawLine<'_>) {
        let taken = match line.kind {
            'a' => {
                let (name, value) = Attribute::split(line.value);
                if !self.read_attribute(name, value) {
                    self.attributes.push(Attribute::new(name, value.map(str::to_owned)));
                }
                true
            }
            'c' => set(&mut self.connection, Some(line.value.to_owned())),
            'b' => Bandwidth::parse(line.value).map(|value| self.bandwidths.push(value)).is_some(),
            _ => false,
        };
        if !taken {
            self.lines.push(Line::new(line.kind, line.value));
        }
    }

    /// To be called when the section's last line was read.
    pub(crate) fn finish(&mut self) {
        for codec in self.codecs.iter_mut().filter(|codec| codec.name.is_empty()) {
            let unmapped = Codec::unmapped(codec.payload_type);
            (codec.name, codec.clock_rate) = (unmapped.name, unmapped.clock_rate);
        }
        self.lines.sort_by_key(|line| !line.is_descriptive());
    }

    /// Takes an attribute that has a field; `false` leaves it to the unknown ones.
    fn read_attribute(&mut self, name: &str, value: Option<&str>) -> bool {
        fn push<T>(list: &mut Vec<T>, item: Option<T>) -> bool {
            item.map(|item| list.push(item)).is_some()
        }
        fn flag(place: &mut bool) -> bool {
            !core::mem::replace(place, true)
        }
        match (name, value) {
            ("mid", Some(value)) => set(&mut self.mid, token(value)),
            ("rtpmap", Some(value)) => self.read_rtpmap(value).is_some(),
            ("fmtp", Some(value)) => self.read_fmtp(value).is_some(),
            ("rtcp-fb", Some(value)) => self.read_feedback(value).is_some(),
            ("extmap", Some(value)) => push(&mut self.extensions, Extension::parse(value)),
            ("msid", Some(value)) => push(&mut self.msids, Msid::parse(value)),
            ("ssrc", Some(value)) => push(&mut self.ssrcs, Ssrc::parse(value)),
            ("ssrc-group", Some(value)) => push(&mut self.ssrc_groups, SsrcGroup::parse(value)),
            ("rid", Some(value)) => push(&mut self.rids, Rid::parse(value)),
            ("simulcast", Some(value)) => set(&mut self.simulcast, Simulcast::parse(value)),
            ("rtcp-mux", None) => flag(&mut self.rtcp_mux),
            ("rtcp-rsize", None) => flag(&mut self.rtcp_rsize),
            ("bundle-only", None) => flag(&mut self.bundle_only),
            ("extmap-allow-mixed", None) => flag(&mut self.extmap_allow_mixed),
            (_, None) if Direction::parse(name).is_some() => set(&mut self.direction, Direction::parse(name)),
            _ => self.transport.take(name, value),
        }
    }

    fn read_rtpmap(&mut self, value: &str) -> Option<()> {
        let (payload_type, rest) = split_payload_type(value)?;
        let codec = self.codec_mut(payload_type).filter(|codec| codec.name.is_empty())?;
        let (name, clock_rate, channels) = parse_rtpmap(rest)?;
        codec.name = name.to_owned();
        codec.clock_rate = clock_rate;
        codec.channels = channels;
        Some(())
    }

    fn read_fmtp(&mut self, value: &str) -> Option<()> {
        let (payload_type, rest) = split_payload_type(value)?;
        let codec = self.codec_mut(payload_type)?;
        set(&mut codec.fmtp, Some(rest.to_owned()).filter(|rest| !rest.is_empty())).then_some(())
    }

    fn read_feedback(&mut self, value: &str) -> Option<()> {
        let (target, kind) = value.trim().split_once(' ')?;
        let kind = kind.split_whitespace().collect::<Vec<_>>().join(" ");
        let list = match target {
            "*" => &mut self.feedback,
            _ => &mut self.codec_mut(payload_type(target)?)?.feedback,
        };
        if kind.is_empty() || list.contains(&kind) {
            return None;
        }
        list.push(kind);
        Some(())
    }

    fn codec_mut(&mut self, payload_type: u8) -> Option<&mut Codec> {
        self.codecs.iter_mut().find(|codec| codec.payload_type == payload_type)
    }
}
