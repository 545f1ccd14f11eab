//! The application's bytes.

use headwater_stun::attribute::Software;
use headwater_stun::{Attribute, Class, Datagram, Message, ParseError, Transport};
use headwater_turn::attribute::{CONNECTION_ATTEMPT, DATA, Data, DontFragment, Icmp, SEND, XorPeerAddress};
use headwater_turn::{AllocateOptions, ClientEvent, Error};

use super::{Stage, address, indication, local, peer, server};

const HELLO: &[u8] = b"hello";

#[test]
fn data_waits_for_nobody_but_a_permission() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    let mut out = vec![0xEE; 3];
    let mut wrap = |stage: &mut Stage| {
        out.truncate(3);
        let transmit = stage.client.wrap(stage.now, peer(), HELLO, &mut out)?;
        assert_eq!((transmit.local, transmit.remote, transmit.len), (local(), server(), out.len() - 3));
        Ok(out[3..].to_vec())
    };
    assert_eq!(wrap(&mut stage), Err(Error::NotPermitted));
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    let request = stage.request();
    assert_eq!(wrap(&mut stage), Err(Error::NotPermitted), "not yet");
    stage.hear(&request, &super::served(&request)).expect("expected");
    let sent = wrap(&mut stage).expect("permitted");
    let message = Message::parse(&sent).expect("a message");
    assert_eq!((message.class(), message.method()), (Class::Indication, SEND));
    assert_eq!(message.attribute(), Ok(Some(XorPeerAddress(peer()))));
    assert_eq!(message.attribute(), Ok(Some(Data(HELLO))));
    stage.client.bind_channel(stage.now, peer()).expect("allocated");
    assert_eq!(wrap(&mut stage).expect("permitted").len(), sent.len(), "the channel is not bound yet");
    stage.serve();
    assert_eq!(wrap(&mut stage).expect("bound"), b"\x40\x00\x00\x05hello");
}

#[test]
fn over_a_stream_channel_data_is_padded() {
    let mut stage = Stage::allocated(Transport::Tcp, AllocateOptions::default());
    stage.client.bind_channel(stage.now, peer()).expect("allocated");
    stage.serve();
    let mut out = Vec::new();
    stage.client.wrap(stage.now, peer(), HELLO, &mut out).expect("bound");
    assert_eq!(out, b"\x40\x00\x00\x05hello\0\0\0");
    let data = stage.data(b"\x40\x00\x00\x05hello\0\0\0").expect("a channel").expect("data");
    assert_eq!((data.peer, data.data), (peer(), HELLO));
}

#[test]
fn the_df_bit_is_asked_for_with_each_indication() {
    let mut options = AllocateOptions::default();
    options.dont_fragment = true;
    let mut stage = Stage::allocated(Transport::Udp, options);
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.serve();
    let mut out = Vec::new();
    stage.client.wrap(stage.now, peer(), HELLO, &mut out).expect("permitted");
    assert_eq!(Message::parse(&out).expect("a message").attribute(), Ok(Some(DontFragment)));
}

#[test]
fn data_costs_no_allocation() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.serve();
    let indication =
        indication(DATA, |it| it.attribute(&XorPeerAddress(peer())).attribute(&Data(&[7; 1200])));
    let (mut out, now) = (Vec::with_capacity(4096), stage.now);
    for with_channel in [false, true] {
        if with_channel {
            stage.client.bind_channel(stage.now, peer()).expect("allocated");
            stage.serve();
        }
        let from_peer = if with_channel { b"\x40\x00\x00\x05hello".to_vec() } else { indication.clone() };
        let info = allocation_counter::measure(|| {
            for _ in 0..1000 {
                out.clear();
                stage.client.wrap(now, peer(), &[7; 1200], &mut out).expect("permitted");
                assert!(stage.data(&from_peer).expect("permitted").is_some());
                assert!(stage.client.poll_transmit(now, &mut out).is_none());
            }
        });
        assert_eq!(info.count_total, 0, "with a channel: {with_channel}");
    }
}

#[test]
fn more_than_a_datagram_holds_is_refused() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.serve();
    let mut out = Vec::new();
    let too_long = Err(ParseError::TooLong { limit: 65_400, got: 65_401 }.into());
    assert_eq!(stage.client.wrap(stage.now, peer(), &[0; 65_401], &mut out), too_long);
    assert!(out.is_empty());
    assert!(stage.client.wrap(stage.now, peer(), &[7; 65_400], &mut out).is_ok());
    let message = Message::parse(&out).expect("a message");
    assert_eq!(message.attribute(), Ok(Some(Data(&[7; 65_400]))));
}

#[test]
fn data_of_peers_is_part_of_the_datagram() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    let bytes = indication(DATA, |it| it.attribute(&XorPeerAddress(peer())).attribute(&Data(HELLO)));
    assert_eq!(stage.data(&bytes), Err(Error::NotPermitted));
    assert_eq!(stage.data(&[0x40, 0, 0, 1, 7]), Err(Error::NotAllocated));
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.serve();
    let data = stage.data(&bytes).expect("permitted").expect("data");
    assert_eq!((data.peer, data.data), (peer(), HELLO));
    assert!(bytes.as_ptr_range().contains(&data.data.as_ptr()), "nothing is copied");
    // The server's data may be faster than its answer to ChannelBind.
    stage.client.bind_channel(stage.now, peer()).expect("allocated");
    let data = stage.data(&[0x40, 0, 0, 1, 7]).expect("a channel").expect("data");
    assert_eq!((data.peer, data.data), (peer(), &[7][..]));
}

#[test]
fn only_the_server_is_heard() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    stage.client.bind_channel(stage.now, peer()).expect("allocated");
    stage.serve();
    let elsewhere = address("203.0.113.66:3478");
    for (transport, local, remote) in [
        (Transport::Udp, local(), elsewhere),
        (Transport::Udp, elsewhere, server()),
        (Transport::Tcp, local(), server()),
    ] {
        let datagram = Datagram::new(transport, local, remote, &[0x40, 0, 0, 1, 7]);
        assert_eq!(stage.client.handle_datagram(stage.now, datagram), Err(Error::Unexpected));
    }
}

#[test]
fn messages_that_make_no_sense_are_refused() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.serve();
    stage.events();
    let from = XorPeerAddress(peer());
    for bytes in [
        indication(DATA, |it| it.attribute(&Data(HELLO))),
        indication(DATA, |it| it.attribute(&from)),
        indication(SEND, |it| it.attribute(&from).attribute(&Data(HELLO))),
        indication(CONNECTION_ATTEMPT, |it| it.attribute(&from)),
        indication(DATA, |it| it.attribute(&from).attribute(&Data(HELLO)).attribute(&Unknown)),
    ] {
        assert_eq!(stage.data(&bytes), Err(Error::Unexpected), "{}", hex::encode(&bytes));
    }
    assert!(matches!(stage.data(&[0x80, 0, 0, 0]), Err(Error::Malformed(_))));
    assert!(matches!(stage.data(&[]), Err(Error::Malformed(_))));
    // What needs no understanding is no harm.
    let extra = indication(DATA, |it| it.attribute(&from).attribute(&Data(HELLO)).attribute(&Software("x")));
    assert!(stage.data(&extra).expect("fine").is_some());
}

/// An attribute that must be understood and is not.
struct Unknown;

impl<'a> Attribute<'a> for Unknown {
    const TYPE: headwater_stun::AttributeType = headwater_stun::AttributeType(0x7FFF);
    fn parse(_: headwater_stun::RawAttribute<'a>) -> Result<Self, ParseError> {
        Ok(Self)
    }
    fn emit(&self, _: &headwater_stun::TransactionId, _: &mut Vec<u8>) {}
}

#[test]
fn icmp_is_told_and_bounded() {
    let mut stage = Stage::allocated(Transport::Udp, AllocateOptions::default());
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.serve();
    stage.events();
    let icmp = Icmp { kind: 3, code: 4, error_data: 1280 };
    let bytes = indication(DATA, |it| it.attribute(&XorPeerAddress(peer())).attribute(&icmp));
    assert_eq!(stage.data(&bytes), Ok(None));
    assert_eq!(stage.events(), [ClientEvent::Icmp(peer(), icmp)]);
    let told = (0..1000).filter(|_| stage.data(&bytes).is_ok()).count();
    assert_eq!(told, 256);
}
