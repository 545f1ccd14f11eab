//! A server that knows our client's password, and says what ours never would.

use super::peers::{address, peer};
use super::setups::{MATRIX, REALM};
use super::words::{CODES, METHODS, algorithms, nonce, odd_attributes, say};
use super::world::World;
use crate::Input;
use headwater_stun::attribute::{
    ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, XorMappedAddress,
};
use headwater_stun::{Class, Message, MessageBuilder, Method};
use headwater_turn::attribute::{
    ALLOCATE, CONNECT, CONNECTION_ATTEMPT, ConnectionId, DATA, Lifetime, REFRESH, XorPeerAddress,
    XorRelayedAddress,
};

impl World {
    /// A message with the right proof and whatever attributes.
    pub(super) fn odd_answer(&mut self, input: &mut Input<'_>) {
        let (kind, code) = (input.byte(), u16::from(input.byte()));
        let Some((local, asked)) = self.asked.clone() else { return };
        let asked = Message::parse(&asked).expect("our client's");
        let (method, id) = (asked.method(), asked.transaction_id());
        let mut bytes = Vec::new();
        if kind & 1 != 0 {
            let method = Method::new(u16::from(kind >> 1 & 0x0F));
            odd_attributes(MessageBuilder::indication(method, id, &mut bytes), input).finish();
        } else {
            let class = if kind & 2 == 0 { Class::Success } else { Class::Error };
            let mut answer = MessageBuilder::new(method, class, id, &mut bytes);
            if let Some(code) = ErrorCode::new(300 + code * 2, "odd").filter(|_| kind & 2 != 0) {
                answer = answer.attribute(&code);
            }
            let answer = odd_attributes(answer, input);
            if kind & 4 == 0 {
                sign(&asked, answer)
            } else {
                answer.fingerprint()
            };
        }
        self.client_hears(local, &bytes);
    }

    /// An answer to the client's last request that has what such answers need, and then some; a challenge; an indication.
    pub(super) fn answer(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let Some((local, asked)) = self.asked.clone() else { return };
        let asked = Message::parse(&asked).expect("our client's");
        let mut bytes = Vec::new();
        let success = MessageBuilder::success(&asked, &mut bytes);
        match kind & 3 {
            0 => {
                let answer = say(needful(asked.method(), success, input), input, &self.known);
                if kind & 4 == 0 {
                    sign(&asked, answer)
                } else {
                    answer.finish()
                };
            }
            1 => {
                bytes.clear();
                let code = CODES[usize::from(input.byte()) % CODES.len()];
                let code = ErrorCode::new(code, "odd").expect("300 to 699");
                let answer = say(MessageBuilder::error(&asked, &code, &mut bytes), input, &self.known);
                if kind & 4 == 0 {
                    sign(&asked, answer)
                } else {
                    answer.finish()
                };
            }
            2 => {
                bytes.clear();
                let code = if kind & 4 == 0 { ErrorCode::UNAUTHENTICATED } else { ErrorCode::STALE_NONCE };
                let answer = MessageBuilder::error(&asked, &code, &mut bytes);
                let answer = answer.attribute(&Realm(REALM)).attribute(&Nonce(nonce(input)));
                match kind & 8 {
                    0 => answer.attribute(&algorithms(input)).finish(),
                    _ => answer.finish(),
                };
            }
            _ => {
                bytes.clear();
                let method = [DATA, CONNECTION_ATTEMPT, METHODS[usize::from(kind >> 4) % METHODS.len()]];
                let method = method[usize::from(kind >> 2) % method.len()];
                let indication = MessageBuilder::indication(method, asked.transaction_id(), &mut bytes);
                say(indication.attribute(&XorPeerAddress(peer(input))), input, &self.known).finish();
            }
        }
        self.client_hears(local, &bytes);
    }
}

/// Without this an answer makes no sense.
fn needful<'b>(method: Method, answer: MessageBuilder<'b>, input: &mut Input<'_>) -> MessageBuilder<'b> {
    match method {
        ALLOCATE => {
            let lifetime = Lifetime(u32::from(input.byte()) * 10);
            let relayed = XorRelayedAddress(address(1, 1000));
            answer.attribute(&relayed).attribute(&lifetime).attribute(&XorMappedAddress(address(2, 1)))
        }
        REFRESH => answer.attribute(&Lifetime(u32::from(input.byte()) * 10)),
        CONNECT => answer.attribute(&ConnectionId(input.byte().into())),
        _ => answer,
    }
}

/// With the proof that the request leads to expect.
fn sign(asked: &Message<'_>, answer: MessageBuilder<'_>) -> usize {
    let chosen: Option<PasswordAlgorithm> = asked.attribute().ok().flatten();
    let has_list = matches!(asked.attribute::<PasswordAlgorithms<'_>>(), Ok(Some(_)));
    let key = chosen.unwrap_or(PasswordAlgorithm::Md5).key(MATRIX.0, REALM, MATRIX.1);
    let answer = if has_list { answer.integrity_sha256(&key) } else { answer.integrity(&key) };
    answer.fingerprint()
}
