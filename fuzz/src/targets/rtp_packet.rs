//! RTP packets: the view, its setters, and every header extension.

use headwater_rtp::extension::{
    AbsCaptureTime, AbsSendTime, AudioLevel, ColorSpace, ContentType, Extension, Orientation, PlayoutDelay,
    RepairedRid, Timing, TransmissionOffset, TransportSequence, VideoLayersAllocation,
};
use headwater_rtp::{
    Codec, Mid, Packet, PacketBuilder, ParseError, Rid, SequenceNumber, Ssrc, describe, is_rtcp, rtx,
};

/// Parses an extension's value and writes it again, if it is a proper one.
type Rewrite = fn(&[u8], &mut Vec<u8>) -> Result<(), ParseError>;

fn rewrite<E: Extension>(value: &[u8], out: &mut Vec<u8>) -> Result<(), ParseError> {
    E::parse(value).map(|extension| extension.emit(out))
}

/// Every extension that stands by itself.
const EXTENSIONS: &[(&str, Rewrite)] = &[
    ("mid", rewrite::<Mid>),
    ("rid", rewrite::<Rid>),
    ("repaired rid", rewrite::<RepairedRid>),
    ("audio level", rewrite::<AudioLevel>),
    ("absolute send time", rewrite::<AbsSendTime>),
    ("transport sequence", rewrite::<TransportSequence>),
    ("playout delay", rewrite::<PlayoutDelay>),
    ("orientation", rewrite::<Orientation>),
    ("colour space", rewrite::<ColorSpace>),
    ("content type", rewrite::<ContentType>),
    ("timing", rewrite::<Timing>),
    ("absolute capture time", rewrite::<AbsCaptureTime>),
    ("video layers allocation", rewrite::<VideoLayersAllocation>),
    ("transmission offset", rewrite::<TransmissionOffset>),
];

/// Takes the input as one packet.
pub fn rtp_packet(data: &[u8]) {
    let _ = is_rtcp(data);
    let Ok(packet) = Packet::parse(data) else { return };
    let lengths = packet.header_len() + packet.payload().len() + packet.padding_len();
    assert_eq!(lengths, data.len(), "header, payload and padding are the packet");
    assert!(packet.csrcs().count() <= 15);
    let extensions: Vec<(u8, &[u8])> = packet.extensions().collect();
    for (id, value) in &extensions {
        assert_ne!(*id, 0, "id 0 is padding");
        for (name, rewrite) in EXTENSIONS {
            stable(name, *rewrite, value);
        }
    }
    let _ = rtx::unwrap(packet.payload());
    let _ = describe(Codec::Opus, packet.payload());
    rebuild(&packet, &extensions);
    set(data);
}

/// What an extension's value is written as parses again, to the same bytes.
fn stable(name: &str, rewrite: Rewrite, value: &[u8]) {
    let mut once = Vec::new();
    if rewrite(value, &mut once).is_ok() {
        let mut twice = Vec::new();
        rewrite(&once, &mut twice).unwrap_or_else(|error| panic!("{name} is refused after writing: {error}"));
        assert_eq!(once, twice, "{name} is not stable");
    }
}

/// A packet built from the fields of another has the same fields.
fn rebuild(packet: &Packet<&[u8]>, extensions: &[(u8, &[u8])]) {
    let mut builder = PacketBuilder::new(
        packet.payload_type(),
        packet.sequence_number(),
        packet.timestamp(),
        packet.ssrc(),
    )
    .marker(packet.marker())
    .padding(u8::try_from(packet.padding_len()).expect("padding is told in one byte"));
    for (id, value) in extensions {
        builder = builder.extension(*id, value);
    }
    let mut out = vec![1];
    let Ok(len) = builder.write(packet.payload(), &mut out) else { return };
    assert_eq!(len, out.len() - 1);
    let built = Packet::parse(&out[1..]).expect("we write proper packets");
    assert_eq!(built.payload(), packet.payload());
    assert_eq!(built.padding_len(), packet.padding_len());
    assert_eq!(built.extensions().collect::<Vec<_>>(), extensions);
    assert_eq!(
        (built.marker(), built.payload_type(), built.sequence_number(), built.timestamp(), built.ssrc()),
        (packet.marker(), packet.payload_type(), packet.sequence_number(), packet.timestamp(), packet.ssrc())
    );
}

/// A setter changes its field and no other.
fn set(data: &[u8]) {
    let mut packet = Packet::parse(data.to_vec()).expect("it parsed before");
    let (marker, payload) = (packet.marker(), packet.payload().to_vec());
    packet.set_marker(!marker);
    packet.set_sequence_number(SequenceNumber(0x1234));
    packet.set_timestamp(0x5678_9abc);
    packet.set_ssrc(Ssrc(0xdef0_1234));
    let bytes = packet.into_inner();
    let again = Packet::parse(bytes.as_slice()).expect("setters keep the packet proper");
    assert_eq!(again.marker(), !marker);
    assert_eq!(
        (again.sequence_number().0, again.timestamp(), again.ssrc().0),
        (0x1234, 0x5678_9abc, 0xdef0_1234)
    );
    assert_eq!(again.payload(), payload);
    assert_eq!(again.extensions().count(), Packet::parse(data).expect("as before").extensions().count());
}
