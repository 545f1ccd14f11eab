//! Answering an offer (RFC 9429 §5.3, RFC 3264 §6): a pure function.

mod codec;
mod error;
mod extension;
mod section;
mod transport;

pub use error::AnswerError;
pub(crate) use section::{OutgoingTracks, bandwidths, describe_outgoing, local_transport};
pub(crate) use transport::{bundle_tag, remote, takes_cryptex};

use self::codec::Chosen;
pub use self::codec::plays;

use crate::{
    attribute::{Direction, Extension, Group},
    capabilities::Capabilities,
    codec::Codec,
    local::Local,
    media::{Media, MediaKind},
    negotiated::{Negotiated, NegotiatedMedia, Remote, remote_ssrcs},
    session::{Origin, Session},
    transport::RENOMINATION,
};

/// An answer and what it settled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The description to send.
    pub session: Session,
    /// One for each media section of the offer, in order, rejected ones too.
    pub media: Vec<NegotiatedMedia>,
    /// The peer's side of the transport.
    pub remote: Remote,
}

/// An offered section that we accept: what the answer says of it, and what was settled.
struct Accepted {
    codecs: Vec<Chosen>,
    extensions: Vec<Extension>,
    negotiated: NegotiatedMedia,
    /// Nothing of it is wanted: it only keeps the bundle's transport alive.
    is_placeholder: bool,
}

/// Answers `offer` with what `capabilities` and it have in common.
///
/// The answer names no codec, payload type or header extension that the offer lacks, keeps its numbers, sections and
/// their order, and rejects (port 0) data channels, kinds without capabilities and more sections of a kind than we take.
/// If such a section is the first of the bundle it is answered `inactive` instead, with one of its own codecs: Chromium
/// with `max-bundle` can't go on when the section that speaks for the bundle is rejected.
/// Simulcast is declined: the answer names no rid, so the peer sends one encoding.
///
/// # Errors
/// [`AnswerError`] says what was wrong with the offer.
pub fn answer(offer: &Session, capabilities: &Capabilities, local: &Local) -> Result<Answer, AnswerError> {
    if offer.media.is_empty() {
        return Err(AnswerError::NoMedia);
    }
    if offer.ice_lite && local.ice_lite {
        return Err(AnswerError::BothIceLite);
    }
    check_mids(offer)?;
    let judged = judge(offer, capabilities)?;
    let accepted: Vec<&Media> = offer
        .media
        .iter()
        .zip(&judged)
        .filter(|(_, judged)| judged.is_some())
        .map(|(media, _)| media)
        .collect();
    if judged.iter().flatten().all(|accepted| accepted.is_placeholder) {
        let offered = offer.media.iter().map(|media| media.kind.to_string()).collect();
        return Err(AnswerError::NothingAccepted { offered });
    }
    check_directions(judged.iter().flatten(), capabilities.direction)?;
    let tag = bundle_tag(offer, &accepted)?;
    let setup = transport::answered_setup(offer.transport_of(tag).setup, local.setup)?;
    let mut remote = remote(offer, tag, setup)?;
    remote.cryptex = local.cryptex && takes_cryptex(offer, &accepted);
    remote.renomination &= local.renomination;

    let mut session = header(offer, &accepted, local);
    session.transport.cryptex = remote.cryptex && offer.transport.cryptex;
    session.transport.add_option(RENOMINATION, remote.renomination);
    let mut media = Vec::with_capacity(offer.media.len());
    let mut outgoing = OutgoingTracks::new(local);
    for (index, (offered, judged)) in offer.media.iter().zip(judged).enumerate() {
        let Some(Accepted { codecs, extensions, negotiated, .. }) = judged else {
            session.media.push(section::rejected(offered));
            media.push(NegotiatedMedia::rejected(index, offered));
            continue;
        };
        let direction = negotiated.direction;
        let mut section = section::accepted(offered, direction, codecs, extensions);
        section.transport = local_transport(local, setup, core::ptr::eq(offered, tag));
        section.transport.cryptex = remote.cryptex && offered.transport.cryptex;
        section.extmap_allow_mixed = offered.extmap_allow_mixed && !offer.extmap_allow_mixed;
        if direction.receives() && offered.kind == MediaKind::Video {
            section.bandwidths = bandwidths(capabilities.max_video_bitrate);
        }
        if direction.sends() {
            describe_outgoing(&mut section, outgoing.next(&offered.kind));
        }
        session.media.push(section);
        media.push(NegotiatedMedia { index, ..negotiated });
    }
    Ok(Answer { session, media, remote })
}

impl From<Answer> for Negotiated {
    fn from(answer: Answer) -> Self {
        Self { media: answer.media, remote: answer.remote }
    }
}

fn check_mids(offer: &Session) -> Result<(), AnswerError> {
    let mids: Vec<&str> = offer.media.iter().filter_map(|media| media.mid.as_deref()).collect();
    // At most MAX_MEDIA of them, so that comparing each with each is cheap.
    match mids.iter().enumerate().find(|(at, mid)| mids[..*at].contains(mid)) {
        Some((_, mid)) => Err(AnswerError::DuplicateMid { mid: (*mid).to_owned() }),
        None => Ok(()),
    }
}

/// Decides about each section. A section that nothing flows on counts towards no limit.
fn judge(offer: &Session, capabilities: &Capabilities) -> Result<Vec<Option<Accepted>>, AnswerError> {
    let (mut audio, mut video) = (0, 0);
    let mut judged = Vec::with_capacity(offer.media.len());
    for media in &offer.media {
        let count = match media.kind {
            MediaKind::Audio => &mut audio,
            MediaKind::Video => &mut video,
            _ => {
                judged.push(None);
                continue;
            }
        };
        let direction = offer.direction_of(media).reversed().intersection(capabilities.direction);
        let is_wanted = media.is_active()
            && !capabilities.codecs(&media.kind).is_empty()
            && (*count < capabilities.max_sections(&media.kind) || direction == Direction::Inactive);
        let accepted =
            if is_wanted { accept(offer, media, capabilities, direction).map(Some) } else { Ok(None) };
        judged.push(match accepted {
            Ok(Some(accepted)) => {
                *count += usize::from(direction != Direction::Inactive);
                Some(accepted)
            }
            Err(error) if direction != Direction::Inactive => return Err(error),
            // Not wanted, or nothing would flow there: no reason to refuse the whole offer.
            Ok(None) | Err(_) => placeholder(offer, media),
        });
    }
    Ok(judged)
}

/// The section that speaks for the offered bundle, inactive and with its first real codec; `None` for other sections.
fn placeholder(offer: &Session, media: &Media) -> Option<Accepted> {
    let is_tag = media.mid.is_some() && offer.bundle()?.mids.first() == media.mid.as_ref();
    if !is_tag || !media.is_active() || !is_dtls_srtp(&media.protocol) {
        return None;
    }
    let chosen = codec::first(media)?;
    let negotiated = NegotiatedMedia {
        rejected: false,
        codecs: vec![chosen.negotiated.clone()],
        rtcp_rsize: media.rtcp_rsize,
        ..NegotiatedMedia::rejected(0, media)
    };
    Some(Accepted { codecs: vec![chosen], extensions: Vec::new(), negotiated, is_placeholder: true })
}

fn accept(
    offer: &Session,
    media: &Media,
    capabilities: &Capabilities,
    direction: Direction,
) -> Result<Accepted, AnswerError> {
    if !is_dtls_srtp(&media.protocol) {
        let (kind, protocol) = (media.kind.clone(), media.protocol.clone());
        return Err(AnswerError::UnsupportedProtocol { kind, protocol });
    }
    let codecs = codec::choose(media, capabilities);
    if codecs.is_empty() {
        return Err(no_common_codec(media, capabilities));
    }
    let allow_mixed = offer.extmap_allow_mixed || media.extmap_allow_mixed;
    let offered = offer.extensions_of(media);
    let (extensions, common) =
        extension::choose(offered, capabilities.extensions(&media.kind), direction, allow_mixed)
            .into_iter()
            .unzip();
    let negotiated = NegotiatedMedia {
        rejected: false,
        direction,
        codecs: codecs.iter().map(|chosen| chosen.negotiated.clone()).collect(),
        extensions: common,
        extmap_allow_mixed: allow_mixed,
        rtcp_rsize: media.rtcp_rsize,
        remote_ssrcs: remote_ssrcs(media),
        remote_msid: media.msids.first().cloned(),
        rids: media.rids.clone(),
        simulcast: media.simulcast.clone(),
        ..NegotiatedMedia::rejected(0, media)
    };
    Ok(Accepted { codecs, extensions, negotiated, is_placeholder: false })
}

/// RFC 8842 and RFC 9429 §5.1.2: `UDP/TLS/RTP/SAVPF`, and the spellings that must be taken for it.
pub(crate) fn is_dtls_srtp(protocol: &str) -> bool {
    matches!(
        protocol,
        "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "TCP/TLS/RTP/SAVPF" | "RTP/SAVPF" | "RTP/SAVP"
    )
}

/// How many codecs an error names, and how many characters of each: the peer wrote them.
const MAX_NAMES: usize = 24;
const MAX_NAME: usize = 120;

/// The codecs of both sides by name, each once. Where we want one format of a codec, the formats are named too:
/// "offered H264, supported H264" would help nobody.
fn no_common_codec(media: &Media, capabilities: &Capabilities) -> AnswerError {
    let ours = capabilities.codecs(&media.kind);
    let is_particular =
        |name: &str| ours.iter().any(|ours| ours.name.eq_ignore_ascii_case(name) && ours.fmtp.is_some());
    let text = |name: &str, fmtp: Option<&str>| {
        let text = match fmtp {
            Some(fmtp) if is_particular(name) && !fmtp.is_empty() => format!("{name} ({fmtp})"),
            _ => name.to_owned(),
        };
        text.chars().take(MAX_NAME).collect()
    };
    let once = |mut list: Vec<String>, name: String| {
        if list.len() < MAX_NAMES && !list.contains(&name) {
            list.push(name);
        }
        list
    };
    let is_named = |codec: &&Codec| !codec.name.is_empty() && !codec.is("rtx");
    let offered = media.codecs.iter().filter(is_named).map(|codec| text(&codec.name, codec.fmtp.as_deref()));
    let supported = ours.iter().map(|ours| text(&ours.name, ours.fmtp.as_deref()));
    AnswerError::NoCommonCodec {
        kind: media.kind.clone(),
        offered: offered.fold(Vec::new(), once),
        ours: supported.fold(Vec::new(), once),
    }
}

fn check_directions<'a>(
    mut accepted: impl Iterator<Item = &'a Accepted>,
    wanted: Direction,
) -> Result<(), AnswerError> {
    let flows = accepted.any(|accepted| accepted.negotiated.direction != Direction::Inactive);
    if flows || wanted == Direction::Inactive {
        return Ok(());
    }
    let needed = if wanted.receives() { "sendonly" } else { "recvonly" };
    Err(AnswerError::WrongDirection { needed })
}

/// The session's part (RFC 9429 §5.3.1).
fn header(offer: &Session, accepted: &[&Media], local: &Local) -> Session {
    let mut session = Session::new(Origin::new(local.session_id, local.session_version));
    session.ice_lite = local.ice_lite;
    session.extmap_allow_mixed = offer.extmap_allow_mixed;
    session.transport.ice_options.clone_from(&local.ice_options);
    if let Some(bundle) = offer.bundle() {
        // RFC 9143 §7.3: only accepted sections, in the offer's order of the group, so the tag comes first.
        let is_accepted = |mid: &&String| accepted.iter().any(|media| media.mid.as_ref() == Some(mid));
        let mut mids: Vec<String> = bundle.mids.iter().filter(is_accepted).cloned().collect();
        let mut seen = Vec::with_capacity(mids.len());
        mids.retain(|mid| {
            !seen.contains(mid) && {
                seen.push(mid.clone());
                true
            }
        });
        if !mids.is_empty() {
            session.groups.push(Group::new("BUNDLE", mids));
        }
    }
    session
}
