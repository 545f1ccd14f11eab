//! Which of the offered codecs the answer keeps.

use crate::{
    capabilities::{Capabilities, CodecCapability, Preference},
    codec::{Codec, H264Profile, parameter, payload_type},
    media::Media,
    negotiated::NegotiatedCodec,
};

/// A codec as the answer writes it and as both sides use it.
pub(super) struct Chosen {
    /// The codec's lines in the answer.
    pub(super) codec: Codec,
    /// Its retransmissions' lines.
    pub(super) rtx: Option<Codec>,
    pub(super) negotiated: NegotiatedCodec,
}

/// The offered codecs that we have too, in the order that the capabilities want.
pub(super) fn choose(media: &Media, capabilities: &Capabilities) -> Vec<Chosen> {
    let ours = capabilities.codecs(&media.kind);
    let mut matches: Vec<(usize, &Codec)> = media
        .codecs
        .iter()
        .filter_map(|codec| Some((ours.iter().position(|ours| is_match(codec, ours))?, codec)))
        .collect();
    if capabilities.preference == Preference::Ours {
        matches.sort_by_key(|(rank, _)| *rank); // stable: the offer's order among equals
    }
    // RFC 2198: a redundant encoding makes sense only with the payload types that it wraps.
    let kept: Vec<u8> = matches.iter().map(|(_, codec)| codec.payload_type).collect();
    matches.retain(|(_, codec)| wraps_only(codec, &kept));
    if matches.iter().all(|(_, codec)| is_auxiliary(codec)) {
        return Vec::new();
    }
    matches.into_iter().map(|(rank, codec)| chosen(media, codec, &ours[rank], capabilities.rtx)).collect()
}

fn chosen(media: &Media, offered: &Codec, ours: &CodecCapability, rtx: bool) -> Chosen {
    let mut codec = offered.clone();
    codec.fmtp = answered_fmtp(offered, ours);
    for kind in &media.feedback {
        if !codec.feedback.contains(kind) {
            codec.feedback.push(kind.clone());
        }
    }
    codec.feedback.retain(|kind| ours.feedback.contains(kind));
    let is_its_rtx = |candidate: &&Codec| {
        candidate.associated_payload_type() == Some(offered.payload_type)
            && candidate.clock_rate == offered.clock_rate
    };
    // RFC 4588 wants one; of several the first counts.
    let rtx = media.codecs.iter().filter(|_| rtx).find(is_its_rtx).map(|offered| {
        let mut rtx = offered.clone();
        rtx.feedback.clear();
        rtx
    });
    let rtx_payload_type = rtx.as_ref().map(|rtx| rtx.payload_type);
    let negotiated = NegotiatedCodec::new(&codec, rtx_payload_type, offered.fmtp.clone());
    Chosen { codec, rtx, negotiated }
}

/// The offer's parameters, which say the format (RFC 9429 §5.3.1), with ours put in.
fn answered_fmtp(offered: &Codec, ours: &CodecCapability) -> Option<String> {
    if ours.answer_parameters.is_empty() {
        return offered.fmtp.clone();
    }
    let is_ours = |part: &&str| {
        let name = part.split_once('=').map_or(*part, |(name, _)| name).trim();
        ours.answer_parameters.iter().any(|(ours, _)| ours.eq_ignore_ascii_case(name))
    };
    let kept = offered
        .fmtp
        .as_deref()
        .unwrap_or_default()
        .split(';')
        .filter(|part| !part.trim().is_empty() && !is_ours(part));
    let added = ours.answer_parameters.iter().map(|(name, value)| format!("{name}={value}"));
    Some(kept.map(|part| part.trim().to_owned()).chain(added).collect::<Vec<_>>().join(";"))
}

/// Whether an offered codec is one of ours, in the same format.
fn is_match(offered: &Codec, ours: &CodecCapability) -> bool {
    let channels_match = ours.channels.is_none_or(|channels| offered.channels.unwrap_or(1) == channels);
    // Retransmissions go with their codec, never alone.
    offered.is(&ours.name)
        && !offered.is("rtx")
        && offered.clock_rate == ours.clock_rate
        && channels_match
        && ours
            .fmtp
            .as_deref()
            .is_none_or(|fmtp| is_same_format(&ours.name, offered.fmtp.as_deref().unwrap_or_default(), fmtp))
}

/// Whether two `a=fmtp` values mean the same format, so that what one side encodes the other can decode.
pub fn is_same_format(name: &str, one: &str, other: &str) -> bool {
    let same = |key: &str, default: &str| {
        parameter(one, key).unwrap_or(default).eq_ignore_ascii_case(parameter(other, key).unwrap_or(default))
    };
    match name.to_ascii_lowercase().as_str() {
        // RFC 6184 §8.2.2: profile and packetization mode are symmetric, the level is not.
        "h264" => {
            let (one, other) = (H264Profile::of_fmtp(one), H264Profile::of_fmtp(other));
            one.is_some() && one == other && same("packetization-mode", "0")
        }
        // RFC 9628 §6
        "vp9" => same("profile-id", "0"),
        // AV1 RTP payload §7.2.3
        "av1" => same("profile", "0"),
        // RFC 7798 §7.2.2
        "h265" => same("profile-id", "1") && same("tier-flag", "0") && same("tx-mode", "SRST"),
        _ => true,
    }
}

/// A codec that only helps others: alone it makes no media.
fn is_auxiliary(codec: &Codec) -> bool {
    ["red", "ulpfec", "flexfec-03", "CN", "telephone-event"].iter().any(|name| codec.is(name))
}

/// RED's `a=fmtp` lists the payload types inside, `111/111`; any other codec wraps none.
fn wraps_only(codec: &Codec, kept: &[u8]) -> bool {
    let Some(fmtp) = codec.fmtp.as_deref().filter(|_| codec.is("red")) else {
        return true;
    };
    fmtp.split('/').all(|inner| payload_type(inner.trim()).is_some_and(|inner| kept.contains(&inner)))
}
