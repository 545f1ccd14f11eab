//! `application/trickle-ice-sdpfrag` (RFC 8840 §9, RFC 9725 §4.3): candidates after the offer, and ICE restarts.

use core::str::FromStr;

use crate::{
    attribute::{Attribute, Direction, Group},
    error::Error,
    line::lines,
    media::{Media, MediaKind},
    session::Session,
    transport::Transport,
};

/// A piece of a description: ICE attributes, and media sections with candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fragment {
    /// `a=ice-lite`
    pub ice_lite: bool,
    /// ICE attributes before the first `m=` line.
    pub transport: Transport,
    /// `a=group`
    pub groups: Vec<Group>,
    /// Other attributes before the first `m=` line.
    pub attributes: Vec<Attribute>,
    /// The media sections; of each, what the sender cared to repeat.
    pub media: Vec<Media>,
}

impl Fragment {
    /// A fragment that says `transport` for one section of a bundle, as both sides of WHIP send it.
    ///
    /// `media` is any section of the session's description: its kind, formats and mid are repeated.
    pub fn new(media: &Media, transport: Transport) -> Self {
        let mut section = Media::new(media.kind.clone(), 9, media.protocol.clone());
        // RFC 9725 §4.3.1 shows one format; a recipient ignores them.
        section.formats = vec![media.formats.first().map_or_else(|| "0".to_owned(), String::clone)];
        section.mid = media.mid.clone();
        section.transport = Transport {
            ufrag: transport.ufrag.clone(),
            password: transport.password.clone(),
            candidates: transport.candidates.clone(),
            end_of_candidates: transport.end_of_candidates,
            ..Transport::default()
        };
        let transport = Transport { ice_options: transport.ice_options, ..Transport::default() };
        let groups = media.mid.iter().map(|mid| Group::new("BUNDLE", vec![mid.clone()])).collect();
        Self { transport, groups, media: vec![section], ..Self::default() }
    }

    /// A fragment for a section of which only the mid is known.
    pub fn for_mid(mid: impl Into<String>, transport: Transport) -> Self {
        let mut media = Media::new(MediaKind::Audio, 9, "UDP/TLS/RTP/SAVPF");
        media.mid = Some(mid.into());
        Self::new(&media, transport)
    }

    /// Reads a fragment, with the tolerance of [`Session::parse`]. A whole description is read too.
    ///
    /// # Errors
    /// As [`Session::parse`], but no `v=0` is asked for.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut session = Session::default();
        session.read(lines(text)?)?;
        let Session { ice_lite, transport, groups, mut attributes, mut media, .. } = session;
        // Codecs and the like are not what a fragment is about; the formats stay as text.
        attributes.retain(|attribute| {
            !attribute.name.starts_with("extmap") && Direction::parse(&attribute.name).is_none()
        });
        for media in &mut media {
            media.codecs.clear();
            media.feedback.clear();
            media.attributes.retain(|attribute| !["rtpmap", "fmtp", "rtcp-fb"].contains(&&*attribute.name));
        }
        Ok(Self { ice_lite, transport, groups, attributes, media })
    }

    /// The ufrag: the first that any part gives. All sections of a bundle have the same.
    pub fn ufrag(&self) -> Option<&str> {
        self.transports().find_map(|transport| transport.ufrag.as_deref())
    }

    /// The password that belongs to [`ufrag`](Self::ufrag).
    pub fn password(&self) -> Option<&str> {
        self.transports().find_map(|transport| transport.password.as_deref())
    }

    /// All candidates, as text.
    pub fn candidates(&self) -> impl Iterator<Item = &str> {
        self.transports().flat_map(|transport| &transport.candidates).map(String::as_str)
    }

    /// Whether the sender says that no more candidates come.
    pub fn is_end_of_candidates(&self) -> bool {
        self.transports().any(|transport| transport.end_of_candidates)
    }

    fn transports(&self) -> impl Iterator<Item = &Transport> {
        core::iter::once(&self.transport).chain(self.media.iter().map(|media| &media.transport))
    }
}

impl FromStr for Fragment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}
