//! What a payload type stands for: `a=rtpmap`, `a=fmtp`, `a=rtcp-fb` (RFC 8866 §6.6, §6.15, RFC 4585 §4.2).

use core::fmt;

use crate::line::number;

/// One payload type of a media section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Codec {
    /// 0 to 127.
    pub payload_type: u8,
    /// As written; compare without case. Empty if the section does not say.
    pub name: String,
    /// In Hz; 0 if the section does not say.
    pub clock_rate: u32,
    /// For audio, where given.
    pub channels: Option<u16>,
    /// `a=fmtp`, the part after the payload type.
    pub fmtp: Option<String>,
    /// `a=rtcp-fb`, the parts after the payload type: `nack`, `nack pli`, `transport-cc` ...
    pub feedback: Vec<String>,
}

impl Codec {
    /// A codec without parameters.
    pub fn new(payload_type: u8, name: impl Into<String>, clock_rate: u32) -> Self {
        Self { payload_type, name: name.into(), clock_rate, channels: None, fmtp: None, feedback: Vec::new() }
    }

    /// The codec that a payload type means when no `a=rtpmap` says so (RFC 3551 §6), or one without a name.
    pub(crate) fn unmapped(payload_type: u8) -> Self {
        let (name, clock_rate) = match payload_type {
            0 => ("PCMU", 8_000),
            3 => ("GSM", 8_000),
            4 => ("G723", 8_000),
            8 => ("PCMA", 8_000),
            9 => ("G722", 8_000),
            13 => ("CN", 8_000),
            18 => ("G729", 8_000),
            26 => ("JPEG", 90_000),
            31 => ("H261", 90_000),
            32 => ("MPV", 90_000),
            33 => ("MP2T", 90_000),
            34 => ("H263", 90_000),
            _ => ("", 0),
        };
        Self::new(payload_type, name, clock_rate)
    }

    /// Whether this is the codec of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// A parameter of `a=fmtp`, by its name in any case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.as_deref().and_then(|fmtp| parameter(fmtp, name))
    }

    /// RFC 4588 §8.1: the payload type that an `rtx` repeats.
    pub fn associated_payload_type(&self) -> Option<u8> {
        if self.is("rtx") { self.parameter("apt").and_then(payload_type) } else { None }
    }
}

/// A payload type: 0 to 127.
pub(crate) fn payload_type(text: &str) -> Option<u8> {
    number(text).filter(|value| *value <= 127)
}

/// `<payload type> <rest>`
pub(crate) fn split_payload_type(text: &str) -> Option<(u8, &str)> {
    let (number, rest) = text.trim().split_once(' ')?;
    Some((payload_type(number)?, rest.trim_start()))
}

/// `<name>/<clock rate>[/<channels>]`
pub(crate) fn parse_rtpmap(text: &str) -> Option<(&str, u32, Option<u16>)> {
    let mut parts = text.trim().split('/');
    let name = parts.next().filter(|name| !name.is_empty() && !name.contains(char::is_whitespace))?;
    let clock_rate = parts.next().and_then(number)?;
    let channels = match parts.next() {
        Some(channels) => Some(number(channels)?),
        None => None,
    };
    parts.next().is_none().then_some((name, clock_rate, channels))
}

/// One parameter of an `a=fmtp` value: `name=value` parts between semicolons.
pub(crate) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What an H.264 `profile-level-id` says about the profile (RFC 6184 §8.1, table 5).
///
/// Several ids mean the same profile; levels are not compared, since browsers negotiate with
/// `level-asymmetry-allowed=1` and mean it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum H264Profile {
    /// The one all browsers have.
    ConstrainedBaseline,
    /// With the error-resilience tools.
    Baseline,
    /// Main.
    Main,
    /// High without the interlaced tools.
    ConstrainedHigh,
    /// High.
    High,
    /// Any other: `profile_idc` and the constraint flags.
    Other(u8, u8),
}

impl H264Profile {
    /// The profile of an `a=fmtp` value; without `profile-level-id` that is 420010, Baseline (RFC 6184 §8.1).
    pub fn of_fmtp(fmtp: &str) -> Option<Self> {
        parameter(fmtp, "profile-level-id").map_or(Some(Self::Baseline), Self::parse)
    }

    /// The profile of a `profile-level-id`: six hexadecimal digits.
    pub fn parse(id: &str) -> Option<Self> {
        if id.len() != 6 || !id.is_ascii() {
            return None;
        }
        let byte = |at: usize| u8::from_str_radix(id.get(at..at + 2)?, 16).ok();
        let (profile, constraints, _level) = (byte(0)?, byte(2)?, byte(4)?);
        Some(match (profile, constraints) {
            (0x42, flags) if flags & 0x4f == 0x40 => Self::ConstrainedBaseline,
            (0x4d, flags) if flags & 0x8f == 0x80 => Self::ConstrainedBaseline,
            (0x58, flags) if flags & 0xcf == 0xc0 => Self::ConstrainedBaseline,
            (0x42, flags) if flags & 0x4f == 0x00 => Self::Baseline,
            (0x58, flags) if flags & 0xcf == 0x80 => Self::Baseline,
            (0x4d, flags) if flags & 0xaf == 0x00 => Self::Main,
            (0x64, 0x00) => Self::High,
            (0x64, 0x0c) => Self::ConstrainedHigh,
            (profile, flags) => Self::Other(profile, flags),
        })
    }
}

impl fmt::Display for Codec {
    /// As in `a=rtpmap`, without the payload type: `opus/48000/2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.clock_rate)?;
        self.channels.iter().try_for_each(|channels| write!(f, "/{channels}"))
    }
}
