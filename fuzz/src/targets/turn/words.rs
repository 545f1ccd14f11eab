//! Attributes as those write them who know TURN, but not when to say what; and those whom nobody taught.

use super::peers::{address, nth, peer};
use super::setups::{MATRIX, OTHER, REALM, TIMED};
use super::world::Known;
use crate::Input;
use crate::odd::Odd;
use headwater_stun::attribute::{
    AlternateDomain, AlternateServer, ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm,
    Software, UnknownAttributes, UserHash, Username, XorMappedAddress,
};
use headwater_stun::{AttributeType, Message, MessageBuilder, Method, userhash};
use headwater_turn::attribute::{
    ALLOCATE, AdditionalAddressFamily, AddressErrorCode, CHANNEL_BIND, CONNECT, CONNECTION_BIND,
    CREATE_PERMISSION, ChannelNumber, ConnectionId, Data, DontFragment, DraftAdditionalAddressFamily,
    EvenPort, Family, Icmp, Lifetime, MobilityTicket, REFRESH, RequestedAddressFamily, RequestedTransport,
    ReservationToken, SEND, TABLE, TCP, UDP, XorPeerAddress, XorRelayedAddress,
};

/// The methods that a byte chooses from.
pub(super) const METHODS: [Method; 8] =
    [ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND, CONNECT, CONNECTION_BIND, SEND, Method::BINDING];
/// The codes of errors, likewise.
pub(super) const CODES: [u16; 18] =
    [300, 400, 401, 403, 405, 420, 437, 438, 440, 441, 442, 443, 446, 447, 486, 500, 508, 699];
/// Most of each kind that are remembered.
const MAX_KNOWN: usize = 16;

/// Appends one attribute.
type Word = for<'b> fn(MessageBuilder<'b>, &mut Input<'_>, &Known) -> MessageBuilder<'b>;

/// What a byte appends, modulo their number.
const WORDS: &[Word] = &[
    |message, _, _| message.attribute(&RequestedTransport(UDP)),
    |message, _, _| message.attribute(&RequestedTransport(TCP)),
    |message, _, _| message.attribute(&Lifetime(0)),
    |message, input, _| message.attribute(&Lifetime(u32::from(input.byte()) * 60)),
    |message, input, _| message.attribute(&RequestedAddressFamily(family(input))),
    |message, input, _| message.attribute(&AdditionalAddressFamily(family(input))),
    |message, input, _| message.attribute(&DraftAdditionalAddressFamily(family(input))),
    |message, input, _| message.attribute(&EvenPort { reserve_next: input.byte() & 1 != 0 }),
    |message, input, known| {
        message.attribute(&ReservationToken(nth(&known.tokens, input.byte()).copied().unwrap_or_default()))
    },
    |message, _, _| message.attribute(&DontFragment),
    |message, input, _| message.attribute(&XorPeerAddress(peer(input))),
    |message, input, _| message.attribute(&ChannelNumber(0x4000 + u16::from(input.byte()))),
    |message, input, _| message.attribute(&ChannelNumber(input.u16())),
    |message, input, _| {
        let length = input.byte();
        message.attribute(&Data(input.bytes(length.into())))
    },
    |message, input, known| {
        message.attribute(&ConnectionId(nth(&known.connections, input.byte()).copied().unwrap_or_default()))
    },
    |message, _, _| message.attribute(&MobilityTicket(&[])),
    |message, input, known| {
        let ticket = nth(&known.tickets, input.byte()).map(Vec::as_slice);
        message.attribute(&MobilityTicket(ticket.unwrap_or(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAA")))
    },
    |message, input, _| message.attribute(&XorRelayedAddress(peer(input))),
    |message, input, _| message.attribute(&XorMappedAddress(peer(input))),
    |message, input, _| match nth(&CODES, input.byte()).and_then(|code| ErrorCode::new(*code, "odd")) {
        Some(code) => message.attribute(&code),
        None => message,
    },
    |message, input, _| {
        let family = if input.byte() & 1 == 0 { Family::V4 } else { Family::V6 };
        message.attribute(&AddressErrorCode { family, code: 440 })
    },
    |message, input, _| {
        let [kind, code] = [input.byte(), input.byte()];
        message.attribute(&Icmp { kind, code: code.into(), error_data: input.byte().into() })
    },
    |message, input, _| message.attribute(&AlternateServer(address(input.byte(), 3478))),
    |message, _, _| message.attribute(&AlternateDomain("turn.example.org")),
    |message, input, _| message.attribute(&Realm(if input.byte() & 1 == 0 { REALM } else { "elsewhere" })),
    |message, input, _| message.attribute(&Nonce(nonce(input))),
    |message, input, _| message.attribute(&algorithms(input)),
    |message, input, _| match PasswordAlgorithm::from_number(u16::from(input.byte() % 3)) {
        Some(algorithm) => message.attribute(&algorithm),
        None => message,
    },
    |message, input, _| message.attribute(&Username(name(input))),
    |message, input, _| message.attribute(&UserHash(userhash(name(input), REALM))),
    |message, _, _| message.attribute(&Software("odd")),
    |message, input, _| {
        let types: UnknownAttributes =
            (0..input.byte() % 12).map(|kind| AttributeType(kind.into())).collect();
        message.attribute(&types)
    },
    |message, input, _| raw(message, input),
];

/// A type of the table or any other, and any value.
fn raw<'b>(message: MessageBuilder<'b>, input: &mut Input<'_>) -> MessageBuilder<'b> {
    let choice = usize::from(input.byte());
    let kind = TABLE.get(choice).map_or_else(|| AttributeType(input.u16()), |row| row.kind);
    let length = usize::from(input.byte() % 24);
    message.attribute(&Odd(kind, input.bytes(length)))
}

/// Up to five attributes, whatever they are.
pub(super) fn odd_attributes<'b>(
    mut message: MessageBuilder<'b>,
    input: &mut Input<'_>,
) -> MessageBuilder<'b> {
    for _ in 0..input.byte() % 6 {
        message = raw(message, input);
    }
    message
}

/// Up to seven words.
pub(super) fn say<'b>(
    mut message: MessageBuilder<'b>,
    input: &mut Input<'_>,
    known: &Known,
) -> MessageBuilder<'b> {
    for _ in 0..input.byte() % 8 {
        let word = usize::from(input.byte()) % WORDS.len();
        message = WORDS[word](message, input, known);
    }
    message
}

fn family(input: &mut Input<'_>) -> Option<Family> {
    [Some(Family::V4), Some(Family::V6), None][usize::from(input.byte() % 3)]
}

fn name(input: &mut Input<'_>) -> &'static str {
    [MATRIX.0, OTHER.0, TIMED, "nobody", "99"][usize::from(input.byte() % 5)]
}

/// With and without cookies: none, both features, algorithms, anonymity, broken.
pub(super) fn nonce(input: &mut Input<'_>) -> &'static str {
    ["plain", "obMatJos2AAADx", "obMatJos2AAABx", "obMatJos2AAACx", "obMatJos2AA-Ax", "obMatJos2gAAAx", ""]
        [usize::from(input.byte() % 7)]
}

pub(super) fn algorithms(input: &mut Input<'_>) -> PasswordAlgorithms<'static> {
    const LISTS: [&[u8]; 4] =
        [&[0, 2, 0, 0, 0, 1, 0, 0], &[0, 1, 0, 0], &[0, 9, 0, 3, 1, 2, 3, 0, 0, 2, 0, 0], &[0, 9, 0, 0]];
    let list = LISTS[usize::from(input.byte()) % LISTS.len()];
    PasswordAlgorithms::from_bytes(list).expect("a proper list")
}

impl Known {
    /// What a message of the server's names.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        if let Ok(Some(ReservationToken(token))) = message.attribute() {
            self.tokens.push(token);
        }
        if let Ok(Some(MobilityTicket(ticket))) = message.attribute() {
            self.tickets.push(ticket.to_vec());
        }
        if let Ok(Some(ConnectionId(connection))) = message.attribute() {
            self.connections.push(connection);
        }
        self.tokens.drain(..self.tokens.len().saturating_sub(MAX_KNOWN));
        self.tickets.drain(..self.tickets.len().saturating_sub(MAX_KNOWN));
        self.connections.drain(..self.connections.len().saturating_sub(MAX_KNOWN));
    }
}
