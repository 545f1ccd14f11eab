//! What a peer that knows the passwords could send, and never would.

use super::ends::End;
use crate::Input;
use crate::odd::Odd;
use headwater_ice::attribute::{IceControlled, IceControlling, Nomination, Priority, UseCandidate};
use headwater_ice::{Credentials, Path};
use headwater_stun::attribute::{ErrorCode, Username, XorMappedAddress};
use headwater_stun::{AttributeType, Class, Key, Message, MessageBuilder, Method, TransactionId};
use std::net::SocketAddr;
use std::time::Instant;

/// Attributes of ICE, and one that must be understood and is not.
const ODD: [AttributeType; 6] = [
    AttributeType(0x0024),
    AttributeType(0x0025),
    AttributeType(0x8029),
    AttributeType(0x802A),
    AttributeType(0xC001),
    AttributeType(0x7F00),
];
/// What an answer may say beside 487.
const CODES: [u16; 4] = [487, 400, 420, 500];

/// A Binding request with the right integrity.
pub(super) fn forged(local: &Credentials, remote: &Credentials, flags: u8, input: &mut Input<'_>) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut id = [0; 12];
    id.iter_mut().for_each(|byte| *byte = input.byte());
    let username = format!("{}:{}", local.ufrag, remote.ufrag);
    let mut message = MessageBuilder::request(Method::BINDING, TransactionId::new(id), &mut buf)
        .attribute(&Username(&username));
    if flags & 2 != 0 {
        message = message.attribute(&Priority(input.u32()));
    }
    if flags & 4 != 0 {
        message = message.attribute(&IceControlling(u64::from(input.u32()) << 32));
    }
    if flags & 8 != 0 {
        message = message.attribute(&IceControlled(u64::from(input.u32()) << 32));
    }
    if flags & 16 != 0 {
        message = message.attribute(&UseCandidate);
    }
    if flags & 32 != 0 {
        message = message.attribute(&Nomination(input.u32()));
    }
    if flags >> 6 == 3 {
        message = odd(message, input);
    }
    message.integrity(&Key::short_term(&local.password)).fingerprint();
    buf
}

/// One of [`ODD`] with a few bytes.
fn odd<'b>(message: MessageBuilder<'b>, input: &mut Input<'_>) -> MessageBuilder<'b> {
    let (kind, length) = (input.byte(), input.byte() % 16);
    message.attribute(&Odd(ODD[usize::from(kind) % ODD.len()], input.bytes(length.into())))
}

/// The peer answers a check that is under way: a refusal, or an address that nobody has; with its proof or without.
pub(super) fn forged_answer(ends: &mut [End; 2], who: usize, now: Instant, input: &mut Input<'_>) {
    let (flags, which) = (input.byte(), input.byte());
    let under_way = &ends[who].under_way;
    let Some((path, check)) = under_way.get(usize::from(which) % under_way.len().max(1)).cloned() else {
        return;
    };
    let Ok(check) = Message::parse(&check) else { return };
    if check.class() != Class::Request {
        return;
    }
    let mut buf = Vec::new();
    let mut answer = match flags & 1 {
        0 => MessageBuilder::success(&check, &mut buf),
        _ => {
            let code = ErrorCode::new(CODES[usize::from(flags >> 5) % CODES.len()], "odd");
            MessageBuilder::error(&check, &code.expect("300 to 699"), &mut buf)
        }
    };
    if flags & 2 != 0 {
        let mapped = SocketAddr::from(([203, 0, 113, input.byte()], 9));
        answer = answer.attribute(&XorMappedAddress(mapped));
    }
    if flags & 4 != 0 {
        answer = odd(answer, input);
    }
    let key = Key::short_term(&ends[1 - who].credentials.password);
    if flags & 8 == 0 {
        answer.integrity(&key).fingerprint()
    } else {
        answer.fingerprint()
    };
    let remote = if flags & 16 == 0 { path.remote } else { SocketAddr::from(([203, 0, 113, 9], 9)) };
    ends[who].receive(now, Path::new(path.transport, path.local, remote), &buf);
}
