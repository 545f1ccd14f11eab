//! What we can take and give, in the terms of SDP, and what was agreed, in the terms of the media plane.

use headwater_rtp::extension::{Kind as ExtensionKind, Map};
use headwater_rtp::{Codec, PayloadType, Ssrc};
use headwater_sdp::{
    self as sdp, Capabilities, CodecCapability, Direction, Extension, Fragment, MediaKind, NegotiatedMedia,
    OfferedMedia, Outgoing, Preference, Session,
};

use headwater_ice::Credentials;

use crate::error::SignalError;
use crate::forward::{self, PayloadTypes};
use crate::publisher::{self, Meaning};
use crate::signal::Offering;
use crate::template::ExtensionIds;
use crate::track::{Format, Kind};

/// Video codecs that we forward; the order is the browsers' own where we have a say.
const VIDEO: [&str; 4] = ["VP8", "H264", "VP9", "AV1"];
/// Header extensions that we read from a publisher, or write to a viewer.
const VIDEO_IN: [ExtensionKind; 4] = [
    ExtensionKind::Mid,
    ExtensionKind::TransportSequence,
    ExtensionKind::Orientation,
    ExtensionKind::PlayoutDelay,
];
const AUDIO_IN: [ExtensionKind; 3] =
    [ExtensionKind::Mid, ExtensionKind::TransportSequence, ExtensionKind::AudioLevel];
const VIDEO_OUT: [ExtensionKind; 3] =
    [ExtensionKind::Mid, ExtensionKind::Orientation, ExtensionKind::PlayoutDelay];
const AUDIO_OUT: [ExtensionKind; 2] = [ExtensionKind::Mid, ExtensionKind::AudioLevel];
/// First dynamic payload type of our own offers (RFC 3551 §6).
const FIRST_DYNAMIC: u8 = 96;

/// What we take from a publisher, of at most `bitrate` bits per second.
pub(crate) fn inbound(bitrate: u64) -> Capabilities {
    let mut capabilities = Capabilities::new(Direction::RecvOnly);
    capabilities.audio = vec![CodecCapability::opus()];
    capabilities.video = VIDEO.map(CodecCapability::video).to_vec();
    capabilities.audio_extensions = uris(&AUDIO_IN);
    capabilities.video_extensions = uris(&VIDEO_IN);
    capabilities.max_video_bitrate = Some(bitrate);
    capabilities
}

/// What we give a viewer of a stream with these kinds of media: what is live first, and further what a later publisher
/// may bring.
pub(crate) fn outbound(live: &[(Kind, Format)], kinds: &[Kind]) -> Capabilities {
    let feedback = ["nack", "nack pli", "ccm fir"];
    let mut capabilities = Capabilities::new(Direction::SendOnly);
    capabilities.audio = vec![CodecCapability::opus().with_feedback(&[])];
    for (_, format) in live.iter().filter(|(kind, _)| *kind == Kind::Video) {
        let capability = CodecCapability::new(format.codec.name(), format.clock_rate)
            .with_feedback(&feedback)
            .with_fmtp(&*format.parameters);
        capabilities.video.push(capability);
    }
    capabilities.video.extend(VIDEO.map(|name| CodecCapability::video(name).with_feedback(&feedback)));
    capabilities.audio_extensions = uris(&AUDIO_OUT);
    capabilities.video_extensions = uris(&VIDEO_OUT);
    if !kinds.contains(&Kind::Audio) {
        capabilities.audio.clear();
    }
    if !kinds.contains(&Kind::Video) {
        capabilities.video.clear();
    }
    capabilities.preference = Preference::Ours;
    capabilities
}

/// Is everything that is live among what was agreed? If not, says what is missing.
pub(crate) fn check_playable(
    live: &[(Kind, Format)],
    media: &[NegotiatedMedia],
    offer: &Session,
) -> Result<(), SignalError> {
    for (kind, format) in live {
        let sections = || media.iter().filter(|section| self::kind(&section.kind) == Some(*kind));
        // Somebody who wants sound only need not take pictures.
        if sections().next().is_none() {
            continue;
        }
        let playable = sections().filter(|section| !section.rejected).any(|section| {
            section.codecs.iter().any(|codec| {
                codec.is(format.codec.name())
                    && sdp::plays(&codec.name, codec.fmtp.as_deref().unwrap_or(""), &format.parameters)
            })
        });
        if !playable {
            let offered: Vec<_> = offer
                .media
                .iter()
                .filter(|section| self::kind(&section.kind) == Some(*kind))
                .flat_map(|section| section.codecs.iter().map(|codec| codec.name.as_str()))
                .collect();
            let mut offered = offered;
            offered.sort_unstable();
            offered.dedup();
            return Err(SignalError::NoCommonCodec(format!(
                "the stream's {} is {} {}, which the offer lacks (offered: {})",
                word(*kind),
                format.codec.name(),
                format.parameters,
                offered.join(", ")
            )));
        }
    }
    Ok(())
}

/// What a publisher agreed to, line by line.
pub(crate) fn publisher_agreements(media: &[NegotiatedMedia]) -> Vec<publisher::Agreement> {
    media
        .iter()
        .filter(|section| !section.rejected && section.direction.receives())
        .filter_map(|section| {
            let kind = kind(&section.kind)?;
            let mut payload_types = Vec::new();
            let mut formats = Vec::new();
            for codec in &section.codecs {
                let (Some(payload_type), Some(known)) =
                    (PayloadType::new(codec.payload_type), Codec::from_name(&codec.name))
                else {
                    continue;
                };
                payload_types.push((payload_type, Meaning::Media(formats.len() as u8)));
                if let Some(rtx) = codec.rtx.and_then(PayloadType::new) {
                    payload_types.push((rtx, Meaning::Rtx(payload_type)));
                }
                formats.push(Format {
                    codec: known,
                    clock_rate: codec.clock_rate,
                    parameters: codec.fmtp.clone().unwrap_or_default(),
                });
            }
            let mut announced = Vec::new();
            for source in &section.remote_ssrcs {
                announced.push((Ssrc(source.ssrc), false));
                announced.extend(source.rtx.map(|rtx| (Ssrc(rtx), true)));
            }
            let has = |feedback: &str| section.codecs.iter().any(|codec| codec.has_feedback(feedback));
            Some(publisher::Agreement {
                kind,
                mid: section.mid.clone().unwrap_or_default(),
                payload_types,
                formats,
                extensions: map(section),
                announced,
                nack: has("nack"),
                pli: has("nack pli") || !has("ccm fir"),
            })
        })
        .collect()
}

/// What a viewer agreed to on one line.
pub(crate) fn viewer_agreement(section: &NegotiatedMedia, outgoing: &Outgoing) -> forward::Agreement {
    let formats = section
        .codecs
        .iter()
        .filter_map(|codec| {
            let format = Format {
                codec: Codec::from_name(&codec.name)?,
                clock_rate: codec.clock_rate,
                parameters: codec.fmtp.clone().unwrap_or_default(),
            };
            let media = PayloadType::new(codec.payload_type)?;
            let rtx = codec.rtx.filter(|_| codec.has_feedback("nack")).and_then(PayloadType::new);
            Some((format, PayloadTypes { media, rtx }))
        })
        .collect();
    let ids = section
        .extensions
        .iter()
        .filter_map(|extension| Some((extension.id, ExtensionKind::from_uri(&extension.uri)?)))
        .collect();
    forward::Agreement {
        formats,
        extensions: ExtensionIds { ids, mid: section.mid.clone().unwrap_or_default() },
        ssrc: Ssrc(outgoing.ssrc),
        rtx_ssrc: Ssrc(outgoing.rtx_ssrc.unwrap_or(outgoing.ssrc)),
    }
}

/// What a client offers.
pub(crate) fn offer(what: &Offering) -> sdp::Offer {
    let direction = if what.send { Direction::SendOnly } else { Direction::RecvOnly };
    let mut next = FIRST_DYNAMIC;
    let mut take = || {
        next += 1;
        next - 1
    };
    let mut media = Vec::new();
    for kind in [Kind::Audio, Kind::Video] {
        let mut codecs = Vec::new();
        for format in what.formats.iter().filter(|format| kind_of(format.codec) == kind) {
            let mut codec = sdp::Codec::new(take(), format.codec.name(), format.clock_rate);
            codec.fmtp = Some(format.parameters.clone()).filter(|parameters| !parameters.is_empty());
            if kind == Kind::Audio {
                codec.channels = Some(2).filter(|_| format.codec == Codec::Opus);
                codec.feedback = vec!["transport-cc".into()];
                codecs.push(codec);
                continue;
            }
            codec.feedback = ["transport-cc", "ccm fir", "nack", "nack pli"].map(str::to_owned).to_vec();
            let mut rtx = sdp::Codec::new(take(), "rtx", format.clock_rate);
            rtx.fmtp = Some(format!("apt={}", codec.payload_type));
            codecs.extend([codec, rtx]);
        }
        if codecs.is_empty() {
            continue;
        }
        let kinds: &[ExtensionKind] = if kind == Kind::Audio { &AUDIO_IN } else { &VIDEO_IN };
        let mut section = OfferedMedia::new(media_kind(kind), direction, codecs);
        section.extensions = kinds
            .iter()
            .filter_map(|kind| {
                let id = EXTENSION_IDS.iter().position(|known| known == kind)?;
                Some(Extension::new(id as u16 + 1, kind.uri()))
            })
            .collect();
        media.push(section);
    }
    sdp::Offer::new(media)
}

/// Ids of our own offers: the place in this list, counted from 1. The same on all lines (RFC 9143 §8).
const EXTENSION_IDS: [ExtensionKind; 5] = [
    ExtensionKind::Mid,
    ExtensionKind::TransportSequence,
    ExtensionKind::Orientation,
    ExtensionKind::PlayoutDelay,
    ExtensionKind::AudioLevel,
];

/// The answer to a fragment that restarts ICE (RFC 9725 §4.3.3).
pub(crate) fn restart_fragment(
    theirs: &Fragment,
    local: &Credentials,
    candidates: Vec<String>,
    renominates: bool,
) -> String {
    let mut transport = sdp::Transport::default();
    transport.ufrag = Some(local.ufrag.clone());
    transport.password = Some(local.password.clone());
    transport.candidates = candidates;
    transport.end_of_candidates = true;
    transport.ice_options = vec!["trickle".into()];
    if renominates {
        transport.ice_options.push("renomination".into());
    }
    let mut fragment = match theirs.media.first() {
        Some(media) => Fragment::new(media, transport),
        None => Fragment::for_mid("0", transport),
    };
    fragment.ice_lite = true;
    fragment.to_string()
}

/// Audio or video, or neither.
pub(crate) fn kind(kind: &MediaKind) -> Option<Kind> {
    match kind {
        MediaKind::Audio => Some(Kind::Audio),
        MediaKind::Video => Some(Kind::Video),
        _ => None,
    }
}

/// The word for a kind of media.
pub(crate) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    }
}

fn media_kind(kind: Kind) -> MediaKind {
    match kind {
        Kind::Audio => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    }
}

fn kind_of(codec: Codec) -> Kind {
    if codec.is_video() { Kind::Video } else { Kind::Audio }
}

fn uris(kinds: &[ExtensionKind]) -> Vec<String> {
    kinds.iter().map(|kind| kind.uri().to_owned()).collect()
}

fn map(section: &NegotiatedMedia) -> Map {
    let mut map = Map::new();
    for extension in &section.extensions {
        if let Some(kind) = ExtensionKind::from_uri(&extension.uri) {
            // A number or a kind that comes twice keeps its first meaning.
            let _ = map.insert(extension.id, kind);
        }
    }
    map
}
