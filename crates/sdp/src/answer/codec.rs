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
    let only_sends = !capabilities.direction.receives();
    let rank = |codec: &Codec| {
        let fits = |(at, ours): (usize, &CodecCapability)| Some((at, fit(codec, ours, only_sends)?));
        ours.iter().enumerate().filter_map(fits).min()
    };
    let mut matches: Vec<((usize, Fit), &Codec)> =
        media.codecs.iter().filter_map(|codec| Some((rank(codec)?, codec))).collect();
    if capabilities.preference == Preference::Ours {
        matches.sort_by_key(|(rank, _)| *rank); // stable: the offer's order among equals
    }
    // RFC 2198: a redundant encoding makes sense only with the payload types that it wraps.
    let kept: Vec<u8> = matches.iter().map(|(_, codec)| codec.payload_type).collect();
    matches.retain(|(_, codec)| wraps_only(codec, &kept));
    if matches.iter().all(|(_, codec)| is_auxiliary(codec)) {
        return Vec::new();
    }
    matches.into_iter().map(|((at, _), codec)| chosen(media, codec, &ours[at], capabilities.rtx)).collect()
}

/// The first offered codec that makes media, as it is and without feedback.
pub(super) fn first(media: &Media) -> Option<Chosen> {
    let is_real = |codec: &&Codec| !codec.name.is_empty() && !codec.is("rtx") && !is_auxiliary(codec);
    let mut codec = media.codecs.iter().find(is_real)?.clone();
    codec.feedback.clear();
    let negotiated = NegotiatedCodec::new(&codec, None, codec.fmtp.clone());
    Some(Chosen { codec, rtx: None, negotiated })
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

/// How well an offered codec fits one of ours; the better is the smaller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The same format.
    Same,
    /// Another one, whose decoders play ours too.
    Playable,
}

/// Whether an offered codec is one of ours. If we only send, a decoder of more than our format will do too.
fn fit(offered: &Codec, ours: &CodecCapability, only_sends: bool) -> Option<Fit> {
    let channels_match = ours.channels.is_none_or(|channels| offered.channels.unwrap_or(1) == channels);
    // Retransmissions go with their codec, never alone.
    let is_same_codec = offered.is(&ours.name)
        && !offered.is("rtx")
        && offered.clock_rate == ours.clock_rate
        && channels_match;
    if !is_same_codec {
        return None;
    }
    let Some(our_fmtp) = ours.fmtp.as_deref() else { return Some(Fit::Same) };
    let their_fmtp = offered.fmtp.as_deref().unwrap_or_default();
    if is_same_format(&ours.name, their_fmtp, our_fmtp) {
        Some(Fit::Same)
    } else if only_sends && offered.is("H264") && plays_h264(their_fmtp, our_fmtp) {
        Some(Fit::Playable)
    } else {
        None
    }
}

/// Whether two `a=fmtp` values mean the same format, so that what one side encodes the other can decode.
fn is_same_format(name: &str, one: &str, other: &str) -> bool {
    let same = |key: &str, default: &str| {
        let value = |fmtp| parameter(fmtp, key).unwrap_or(default);
        value(one).eq_ignore_ascii_case(value(other))
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

/// Whether who says `decoder` as `a=fmtp` of the codec `name` plays a stream that its sender describes as `stream`.
pub fn plays(name: &str, decoder: &str, stream: &str) -> bool {
    if name.eq_ignore_ascii_case("h264") {
        plays_h264(decoder, stream)
    } else {
        is_same_format(name, decoder, stream)
    }
}

/// Firefox knows only Constrained Baseline, and what browsers call Baseline (42001f) has none of the tools that
/// Constrained Baseline lacks.
fn plays_h264(decoder: &str, stream: &str) -> bool {
    use H264Profile::{Baseline, ConstrainedBaseline, ConstrainedHigh, High, Main};
    let mode = |fmtp| parameter(fmtp, "packetization-mode").unwrap_or("0");
    // RFC 6184 §6.3: in mode 1 the single NAL units of mode 0 are fine, not the other way round.
    let mode_plays = mode(decoder) == mode(stream) || (mode(decoder) == "1" && mode(stream) == "0");
    let (Some(decoder), Some(stream)) = (H264Profile::of_fmtp(decoder), H264Profile::of_fmtp(stream)) else {
        return false;
    };
    let profile_plays = match stream {
        ConstrainedBaseline | Baseline => {
            matches!(decoder, ConstrainedBaseline | Baseline | Main | ConstrainedHigh | High)
        }
        Main | ConstrainedHigh => decoder == High || decoder == stream,
        _ => decoder == stream,
    };
    mode_plays && profile_plays
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
