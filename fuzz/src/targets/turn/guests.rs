//! Other clients, who know a password or don't, and ask for what ours never would.

use super::peers::{address, address_v6};
use super::setups::{MATRIX, OTHER, REALM, SECRET, TIMED};
use super::words::{METHODS, odd_attributes, say};
use super::world::{World, server_for};
use crate::Input;
use headwater_stun::attribute::{Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, UserHash, Username};
use headwater_stun::{
    Attempt, LongTerm, Message, MessageBuilder, Method, ProtectedBuilder, TransactionId, Transport, userhash,
};
use headwater_turn::channel_data;
use headwater_turn::{FiveTuple, password_for};
use std::net::SocketAddr;

/// One of them, and what the server has told it.
pub(super) struct Guest {
    transport: Transport,
    pub(super) address: SocketAddr,
    proof: Proof,
    credentials: LongTerm,
    attempt: Attempt,
    password: String,
    nonce: String,
}

/// How it proves who it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// As RFC 8489 has it.
    Modern,
    /// As RFC 5389 had it: MD5 and no word about it.
    Old,
    /// It chooses MD5 of the list, and hides its name.
    Hashed,
}

/// All of them.
pub(super) fn guests() -> [Guest; 8] {
    let timed = password_for(SECRET, TIMED);
    [
        Guest::new(Transport::Udp, address(3, 1), Proof::Modern, MATRIX),
        Guest::new(Transport::Tcp, address(4, 1), Proof::Old, MATRIX),
        Guest::new(Transport::Udp, address_v6(5, 1), Proof::Hashed, OTHER),
        Guest::new(Transport::Tcp, address_v6(6, 1), Proof::Modern, (TIMED, &timed)),
        Guest::new(Transport::Tcp, address(4, 2), Proof::Modern, MATRIX),
        Guest::new(Transport::Udp, address(3, 2), Proof::Old, (TIMED, &timed)),
        Guest::new(Transport::Udp, address(7, 1), Proof::Modern, (OTHER.0, "wrong")),
        Guest::new(Transport::Udp, address(3, 3), Proof::Modern, MATRIX),
    ]
}

impl Guest {
    fn new(transport: Transport, address: SocketAddr, proof: Proof, (name, password): (&str, &str)) -> Self {
        Self {
            transport,
            address,
            proof,
            credentials: LongTerm::new(name, password),
            attempt: Attempt::default(),
            password: password.to_owned(),
            nonce: String::new(),
        }
    }

    fn five_tuple(&self) -> FiveTuple {
        FiveTuple::new(self.transport, server_for(self.address), self.address)
    }

    /// Learns from a challenge.
    pub(super) fn hear(&mut self, message: &Message<'_>) {
        self.credentials.handle_response(&mut self.attempt, message);
        if let Ok(Some(Nonce(nonce))) = message.attribute() {
            nonce.clone_into(&mut self.nonce);
        }
    }

    fn sign<'b>(&mut self, request: MessageBuilder<'b>) -> ProtectedBuilder<'b> {
        let name = self.credentials.username().to_owned();
        let old = PasswordAlgorithm::Md5.key(&name, REALM, &self.password);
        match self.proof {
            Proof::Modern => {
                self.attempt = Attempt::default();
                self.credentials.sign(&mut self.attempt, request)
            }
            Proof::Old => {
                let request = request.attribute(&Username(&name)).attribute(&Realm(REALM));
                request.attribute(&Nonce(&self.nonce)).integrity(&old)
            }
            Proof::Hashed => {
                let request = request.attribute(&UserHash(userhash(&name, REALM))).attribute(&Realm(REALM));
                let request = request.attribute(&Nonce(&self.nonce));
                let request = request.attribute(&PasswordAlgorithms::SHA256_AND_MD5);
                request.attribute(&PasswordAlgorithm::Md5).integrity_sha256(&old)
            }
        }
    }
}

impl World {
    pub(super) fn guest_address(&self, choice: u8) -> FiveTuple {
        self.guests[usize::from(choice) % self.guests.len()].five_tuple()
    }

    /// A guest sends a request, and again if it was asked for proof; or an indication, channel data, or what it has no proof for.
    pub(super) fn guest(&mut self, input: &mut Input<'_>) {
        let (who, what, id) = (input.byte(), input.byte(), TransactionId::new([input.byte(); 12]));
        let method = METHODS[usize::from(what) % METHODS.len()];
        let index = usize::from(who) % self.guests.len();
        let from = self.guests[index].five_tuple();
        let start = *input;
        // Proven requests are sent twice if the first one brought the nonce for the second.
        for _ in 0..2 {
            *input = start;
            let (mut bytes, nonce) = (Vec::new(), self.guests[index].nonce.clone());
            let is_plain = match what >> 6 {
                1 => {
                    let data = input.chunk();
                    channel_data::emit(
                        from.transport,
                        0x4000 + u16::from(id.as_bytes()[0]),
                        data,
                        &mut bytes,
                    );
                    true
                }
                0 => {
                    let request = say(MessageBuilder::request(method, id, &mut bytes), input, &self.known);
                    self.guests[index].sign(request).fingerprint();
                    false
                }
                2 => {
                    say(MessageBuilder::indication(method, id, &mut bytes), input, &self.known).finish();
                    true
                }
                _ => {
                    say(MessageBuilder::request(method, id, &mut bytes), input, &self.known).fingerprint();
                    true
                }
            };
            self.server_hears(from, &bytes);
            if is_plain || self.guests[index].nonce == nonce {
                break;
            }
        }
    }

    /// A message from where our client is, or from elsewhere, with the right proof and whatever attributes.
    pub(super) fn odd_request(&mut self, input: &mut Input<'_>) {
        let (method, from) = (input.byte(), input.byte());
        let id = TransactionId::new([input.byte(); 12]);
        let method = Method::new(u16::from(method & 0x0F));
        let mut bytes = Vec::new();
        if from & 0x40 != 0 {
            odd_attributes(MessageBuilder::indication(method, id, &mut bytes), input).finish();
        } else {
            let request = odd_attributes(MessageBuilder::request(method, id, &mut bytes), input);
            self.odd.sign(&mut self.attempt, request).fingerprint();
        }
        let from = if from & 1 == 0 { self.local } else { address(3, 1) };
        self.server_hears(self.five_tuple(from), &bytes);
    }
}
