//! The client's side: making an offer and reading its answer (RFC 9429 §5.2, §5.11).

use crate::{
    answer::{
        AnswerError, OutgoingTracks, bandwidths, bundle_tag, describe_outgoing, local_transport, remote,
        takes_cryptex,
    },
    attribute::{Direction, Extension, Group, Setup},
    codec::Codec,
    local::Local,
    media::{Media, MediaKind},
    negotiated::{Negotiated, NegotiatedCodec, NegotiatedExtension, NegotiatedMedia, remote_ssrcs},
    session::{Origin, Session},
    transport::RENOMINATION,
};

/// What to offer: one entry for each section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The sections, in order. Their mids are `0`, `1` ...
    pub media: Vec<OfferedMedia>,
}

/// One section to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfferedMedia {
    /// Audio or video.
    pub kind: MediaKind,
    /// `SendOnly` to publish, `RecvOnly` to watch.
    pub direction: Direction,
    /// Payload types with their parameters and feedback, in order of preference; `rtx` entries too.
    pub codecs: Vec<Codec>,
    /// Header extensions. The same URI should have the same number in every section (RFC 9143 §8).
    pub extensions: Vec<Extension>,
    /// In bit/s: the most that we want to receive.
    pub max_bitrate: Option<u64>,
}

impl OfferedMedia {
    /// A section without header extensions.
    pub fn new(kind: MediaKind, direction: Direction, codecs: Vec<Codec>) -> Self {
        Self { kind, direction, codecs, extensions: Vec::new(), max_bitrate: None }
    }
}

impl Offer {
    /// An offer of these sections.
    pub fn new(media: Vec<OfferedMedia>) -> Self {
        Self { media }
    }
}

/// Writes an offer: everything in one bundle, RTCP on the same port and of reduced size, `actpass`.
pub fn offer(what: &Offer, local: &Local) -> Session {
    let mut session = Session::new(Origin::new(local.session_id, local.session_version));
    session.ice_lite = local.ice_lite;
    session.extmap_allow_mixed = true;
    session.transport.ice_options.clone_from(&local.ice_options);
    session.transport.add_option(RENOMINATION, local.renomination);
    let mids = (0..what.media.len()).map(|index| index.to_string());
    session.groups.push(Group::new("BUNDLE", mids.collect()));
    let mut outgoing = OutgoingTracks::new(local);
    for (index, offered) in what.media.iter().enumerate() {
        let mut section = Media::new(offered.kind.clone(), 9, "UDP/TLS/RTP/SAVPF");
        section.connection = Some("IN IP4 0.0.0.0".into());
        section.mid = Some(index.to_string());
        section.transport = local_transport(local, Setup::ActPass, index == 0);
        section.transport.cryptex = local.cryptex;
        section.direction = Some(offered.direction);
        section.extensions.clone_from(&offered.extensions);
        section.bandwidths = bandwidths(offered.max_bitrate);
        section.rtcp_mux = true;
        section.rtcp_rsize = true;
        offered.codecs.iter().cloned().for_each(|codec| section.push_codec(codec));
        if offered.direction.sends() {
            describe_outgoing(&mut section, outgoing.next(&offered.kind));
        }
        session.media.push(section);
    }
    session
}

/// Reads the answer to an offer of ours.
///
/// # Errors
/// [`AnswerError`] says what was wrong with the answer.
pub fn read_answer(offer: &Session, answer: &Session) -> Result<Negotiated, AnswerError> {
    let is_same = |(offered, answered): (&Media, &Media)| {
        offered.kind == answered.kind && (!answered.is_active() || offered.mid == answered.mid)
    };
    if offer.media.len() != answer.media.len() || !offer.media.iter().zip(&answer.media).all(is_same) {
        return Err(AnswerError::OtherSections);
    }
    if offer.ice_lite && answer.ice_lite {
        return Err(AnswerError::BothIceLite);
    }
    let accepted: Vec<&Media> = answer.media.iter().filter(|media| media.is_active()).collect();
    if accepted.is_empty() {
        let offered = offer.media.iter().map(|media| media.kind.to_string()).collect();
        return Err(AnswerError::NothingAccepted { offered });
    }
    let tag = bundle_tag(answer, &accepted)?;
    let setup = match answer.transport_of(tag).setup {
        Some(Setup::Active) => Setup::Passive,
        Some(Setup::Passive) => Setup::Active,
        // RFC 8842 §5.3 wants one of the two; without the attribute the answerer waits, as in RFC 4145 §4.
        None => Setup::Active,
        Some(other) => return Err(AnswerError::UnsupportedSetup(other)),
    };
    let mut remote = remote(answer, tag, setup)?;
    let offered: Vec<&Media> = offer.media.iter().collect();
    remote.renomination &= offer.transport.has_option(RENOMINATION);
    remote.cryptex = takes_cryptex(offer, &offered) && takes_cryptex(answer, &accepted);
    let sections = offer.media.iter().zip(&answer.media).enumerate();
    let media = sections.map(|(index, (offered, answered))| {
        if answered.is_active() {
            read_section(offer, answer, index, offered, answered)
        } else {
            Ok(NegotiatedMedia::rejected(index, offered))
        }
    });
    Ok(Negotiated { media: media.collect::<Result<_, _>>()?, remote })
}

fn read_section(
    offer: &Session,
    answer: &Session,
    index: usize,
    offered: &Media,
    answered: &Media,
) -> Result<NegotiatedMedia, AnswerError> {
    let direction = answer.direction_of(answered).reversed().intersection(offer.direction_of(offered));
    let mut codecs = Vec::new();
    for codec in &answered.codecs {
        let ours = offered.codec(codec.payload_type).filter(|ours| ours.is(&codec.name));
        let ours = ours.ok_or(AnswerError::UnknownPayloadType(codec.payload_type))?;
        if codec.is("rtx") {
            continue;
        }
        let is_its_rtx = |rtx: &&Codec| rtx.associated_payload_type() == Some(codec.payload_type);
        let rtx = answered.codecs.iter().find(is_its_rtx).map(|rtx| rtx.payload_type);
        let mut common = codec.clone();
        common.feedback.retain(|kind| ours.feedback.contains(kind));
        codecs.push(NegotiatedCodec::new(&common, rtx, codec.fmtp.clone()));
    }
    if codecs.is_empty() {
        return Err(AnswerError::NoCommonCodec {
            kind: offered.kind.clone(),
            offered: offered.codecs.iter().map(|codec| codec.name.clone()).collect(),
            ours: Vec::new(),
        });
    }
    let mut extensions = Vec::new();
    for extension in answer.extensions_of(answered) {
        let is_ours =
            offer.extensions_of(offered).any(|ours| ours.id == extension.id && ours.uri == extension.uri);
        match u8::try_from(extension.id) {
            Ok(id) if is_ours => extensions.push(NegotiatedExtension { id, uri: extension.uri.clone() }),
            _ => {
                let (id, uri) = (extension.id, extension.uri.clone());
                return Err(AnswerError::UnknownExtension { id, uri });
            }
        }
    }
    Ok(NegotiatedMedia {
        rejected: false,
        direction,
        codecs,
        extensions,
        extmap_allow_mixed: answer.extmap_allow_mixed || answered.extmap_allow_mixed,
        rtcp_rsize: offered.rtcp_rsize && answered.rtcp_rsize,
        remote_ssrcs: remote_ssrcs(answered),
        remote_msid: answered.msids.first().cloned(),
        rids: answered.rids.clone(),
        simulcast: answered.simulcast.clone(),
        ..NegotiatedMedia::rejected(index, offered)
    })
}
