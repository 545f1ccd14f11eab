//! Laws: parsing never panics, what is written parses to the same, writing again is stable.

use headwater_rtp::extension::dependency_descriptor::Structure;
use headwater_rtp::extension::{
    AbsCaptureTime, AbsSendTime, AudioLevel, ColorSpace, ContentType, DependencyDescriptor, Extension,
    Orientation, PlayoutDelay, RepairedRid, Timing, TransmissionOffset, TransportSequence,
    VideoLayersAllocation,
};
use headwater_rtp::payload::{h264, opus, vp8, vp9};
use headwater_rtp::rtcp::{self, Builder, transport_cc};
use headwater_rtp::{
    Codec, Mid, Packet, PacketBuilder, PayloadType, Rid, SequenceNumber, Ssrc, Unwrapper, describe, rtx,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Reads everything that a packet can tell.
pub(crate) fn touch(packet: &rtcp::Packet<'_>) {
    let elements = match packet {
        rtcp::Packet::SenderReport(report) => report.reports().count(),
        rtcp::Packet::ReceiverReport(report) => report.reports().count(),
        rtcp::Packet::Sdes(sdes) => sdes.items().count(),
        rtcp::Packet::Bye(bye) => bye.sources().count(),
        rtcp::Packet::Nack(nack) => nack.lost().count(),
        rtcp::Packet::Fir(fir) => fir.entries().count(),
        rtcp::Packet::Remb(remb) => remb.media().count(),
        rtcp::Packet::TransportCc(feedback) => {
            let count = feedback.statuses().count();
            assert_eq!(count, usize::from(feedback.status_count));
            count
        }
        rtcp::Packet::ExtendedReport(report) => report.blocks().count(),
        _ => 0,
    };
    assert!(elements <= 1 << 17);
}

/// What parses is written so that it parses to the same, and from then on to the same bytes.
fn stable<E: Extension + PartialEq + std::fmt::Debug>(value: &[u8]) {
    let Ok(parsed) = E::parse(value) else { return };
    let mut once = Vec::new();
    parsed.emit(&mut once);
    let again = E::parse(&once).unwrap();
    assert_eq!(again, parsed);
    let mut twice = Vec::new();
    again.emit(&mut twice);
    assert_eq!(twice, once);
}

fn rtp_like() -> impl Strategy<Value = Vec<u8>> {
    (0_u8..64, vec(any::<u8>(), 0..80)).prop_map(|(first, mut bytes)| {
        if let Some(byte) = bytes.first_mut() {
            *byte = 0x80 | first;
        }
        if let Some(profile) = bytes.get_mut(12..16) {
            profile.copy_from_slice(if first % 2 == 0 { &[0xbe, 0xde, 0, 3] } else { &[0x10, 0, 0, 3] });
        }
        bytes
    })
}

fn rtcp_like() -> impl Strategy<Value = Vec<u8>> {
    let packet =
        (0_u8..32, 198_u8..210, vec(any::<u8>(), 0..60), 0_u8..2).prop_map(|(count, kind, body, noise)| {
            let words = body.len() / 4 + usize::from(noise);
            let mut packet = vec![0x80 | count, kind, 0, words as u8];
            packet.extend(&body[..body.len() / 4 * 4]);
            packet
        });
    vec(packet, 0..4).prop_map(|packets| packets.concat())
}

proptest! {
    #[test]
    fn rtp_parsing_never_panics(bytes in rtp_like()) {
        if let Ok(packet) = Packet::parse(&bytes) {
            prop_assert_eq!(
                packet.header_len() + packet.payload().len() + packet.padding_len(),
                bytes.len()
            );
            prop_assert!(packet.csrcs().count() <= 15);
            prop_assert!(packet.extensions().map(|(_, value)| value.len()).sum::<usize>() <= bytes.len());
        }
    }

    #[test]
    fn every_short_packet_is_refused_or_read(len in 0_usize..41, fill in any::<u8>(), first in 128_u8..192) {
        let mut bytes = vec![fill; len];
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let _ = Packet::parse(&bytes).map(|packet| packet.extensions().count());
        rtcp::packets(&bytes).flatten().for_each(|packet| touch(&packet));
    }

    #[test]
    fn built_packets_parse_to_what_was_built(
        payload_type in 0_u8..128, marker: bool, sequence: u16, timestamp: u32, ssrc: u32, padding: u8,
        extensions in vec((1_u8..=255, vec(any::<u8>(), 0..40)), 0..16),
        payload in vec(any::<u8>(), 0..60),
    ) {
        let mut builder = PacketBuilder::new(
            PayloadType::new(payload_type).unwrap(), SequenceNumber(sequence), timestamp, Ssrc(ssrc),
        ).marker(marker).padding(padding);
        for (id, value) in &extensions {
            builder = builder.extension(*id, value);
        }
        let mut bytes = Vec::new();
        builder.write(&payload, &mut bytes).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        prop_assert_eq!(packet.payload_type().value(), payload_type);
        prop_assert_eq!((packet.marker(), packet.sequence_number().0), (marker, sequence));
        prop_assert_eq!((packet.timestamp(), packet.ssrc().0), (timestamp, ssrc));
        prop_assert_eq!((packet.payload(), packet.padding_len()), (&payload[..], usize::from(padding)));
        let found: Vec<_> = packet.extensions().map(|(id, value)| (id, value.to_vec())).collect();
        prop_assert_eq!(found, extensions);
    }

    #[test]
    fn rtcp_parsing_never_panics(bytes in rtcp_like()) {
        rtcp::packets(&bytes).flatten().for_each(|packet| touch(&packet));
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        rtcp::packets(&bytes).flatten().for_each(|packet| touch(&packet));
        for codec in Codec::ALL {
            describe(*codec, &bytes);
        }
        let _ = opus::Toc::parse(&bytes);
        let _ = rtx::unwrap(&bytes);
        let mut out = Vec::new();
        vp8::write_rewritten(&bytes, 1, 1, &mut out);
        vp9::write_rewritten(&bytes, 1, 1, &mut out);
        prop_assert!(out.len() <= 2 * bytes.len() + 2);
        h264::Packetizer::new(20).packetize(&bytes, |payload, _| assert!(payload.len() <= 20));
        if let Ok(Some(structure)) = Structure::parse(&bytes) {
            let _ = structure.frame(&bytes);
        }
    }

    #[test]
    fn extensions_are_stable(value in vec(any::<u8>(), 0..30)) {
        stable::<Mid>(&value);
        stable::<Rid>(&value);
        stable::<RepairedRid>(&value);
        stable::<AudioLevel>(&value);
        stable::<AbsSendTime>(&value);
        stable::<TransportSequence>(&value);
        stable::<PlayoutDelay>(&value);
        stable::<Orientation>(&value);
        stable::<ColorSpace>(&value);
        stable::<ContentType>(&value);
        stable::<Timing>(&value);
        stable::<AbsCaptureTime>(&value);
        stable::<TransmissionOffset>(&value);
        stable::<VideoLayersAllocation>(&value);
        // Only the mandatory part is written.
        stable::<DependencyDescriptor>(&value[..value.len().min(3)]);
    }

    #[test]
    fn a_structure_with_noise_never_panics(tail in vec(any::<u8>(), 0..120), first: u8) {
        let mut value = vec![first, 0, 1, 0x80 | first];
        value.extend(tail);
        if let Ok(Some(structure)) = Structure::parse(&value) {
            prop_assert!(structure.templates.len() <= 64 && structure.chains <= 32);
            let _ = structure.frame(&value);
            for target in 0..=structure.decode_targets {
                structure.target_layers(target);
            }
        }
    }

    #[test]
    fn vp8_descriptors_are_stable(payload in vec(any::<u8>(), 0..12)) {
        if let Ok((descriptor, data)) = vp8::PayloadDescriptor::parse(&payload) {
            let mut once = Vec::new();
            descriptor.emit(&mut once);
            once.extend_from_slice(data);
            let (again, rest) = vp8::PayloadDescriptor::parse(&once).unwrap();
            prop_assert_eq!((again, rest), (descriptor, data));
        }
    }

    #[test]
    fn nack_keeps_its_numbers(numbers in vec(any::<u16>(), 1..60)) {
        let mut out = Vec::new();
        Builder::new(&mut out).nack(Ssrc(1), Ssrc(2), numbers.iter().copied().map(SequenceNumber));
        let Some(Ok(rtcp::Packet::Nack(nack))) = rtcp::packets(&out).next() else { panic!() };
        let mut read: Vec<_> = nack.lost().map(|number| number.0).collect();
        let mut asked = numbers;
        for list in [&mut read, &mut asked] {
            list.sort_unstable();
            list.dedup();
        }
        prop_assert_eq!(read, asked);
    }

    #[test]
    fn transport_feedback_keeps_its_meaning(
        base: u16, reference in -0x80_0000_i32..0x80_0000, count: u8,
        runs in vec((0_u8..4, 1_usize..40, any::<i16>()), 1..30),
    ) {
        let deltas: Vec<_> = runs.iter().flat_map(|&(kind, len, delta)| {
            let delta = match kind {
                0 => None,
                1 => Some(delta & 0xff),
                _ => Some(delta),
            };
            std::iter::repeat_n(delta, len)
        }).collect();
        let feedback = transport_cc::Feedback::new(SequenceNumber(base), reference, count, &deltas);
        let mut out = Vec::new();
        Builder::new(&mut out).transport_cc(Ssrc(1), Ssrc(2), &feedback);
        let Some(Ok(rtcp::Packet::TransportCc(parsed))) = rtcp::packets(&out).next() else { panic!() };
        prop_assert_eq!(parsed.deltas().map(|(_, delta)| delta).collect::<Vec<_>>(), deltas);
        prop_assert_eq!((parsed.base.0, parsed.reference_time, parsed.feedback_count), (base, reference, count));
    }

    #[test]
    fn unwrapping_keeps_the_lower_bits(numbers in vec(any::<u16>(), 0..200)) {
        let mut unwrapper = Unwrapper::new();
        for number in numbers {
            prop_assert_eq!(unwrapper.unwrap(SequenceNumber(number)) as u16, number);
        }
    }
}
