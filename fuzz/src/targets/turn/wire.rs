//! What needs no machine: streams, channel data, attributes.

use headwater_stun::{Message, RawAttribute, Transport};
use headwater_turn::attribute::TABLE;
use headwater_turn::channel_data::{self, ChannelData};
use headwater_turn::stream::{Messages, message_len};

/// Cutting a stream and reading what comes out; the same attribute read and written twice.
pub(super) fn stream(data: &[u8]) {
    let (mut messages, mut got) = (Messages::new(), 0);
    for piece in data.chunks(7) {
        messages.push(piece);
        while let Ok(Some(message)) = messages.next_message() {
            got += message.len();
            assert_eq!(message_len(message), Ok(Some(message.len())), "a message says how long it is");
            if let Ok(channel_data) = ChannelData::parse(message) {
                assert!(channel_data.data.len() + 4 <= message.len());
                rewrite_channel_data(channel_data);
            } else if let Ok(message) = Message::parse(message) {
                message.attributes().for_each(rewrite);
            }
        }
    }
    assert!(got + messages.into_rest().len() <= data.len());
    if let Ok(channel_data) = ChannelData::parse(data) {
        rewrite_channel_data(channel_data);
    }
    if let Ok(message) = Message::parse(data) {
        message.attributes().for_each(rewrite);
    }
}

fn rewrite_channel_data(read: ChannelData<'_>) {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut written = Vec::new();
        let len = channel_data::emit(transport, read.channel, read.data, &mut written);
        assert_eq!(len, Some(written.len()));
        assert_eq!(ChannelData::parse(&written), Ok(read));
    }
}

fn rewrite(raw: RawAttribute<'_>) {
    let Some(row) = TABLE.iter().find(|row| row.kind == raw.kind) else { return };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    if (row.rewrite)(raw, &mut once).is_ok() {
        let again = RawAttribute::new(raw.kind, &once, raw.transaction_id);
        (row.rewrite)(again, &mut twice).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        assert_eq!(once, twice, "{} is not stable", row.name);
    }
}
