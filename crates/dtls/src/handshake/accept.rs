//! A server that waits for a hello: asks for another one where it has to, else answers in the version chosen.

use subtle::ConstantTimeEq;

use super::choice::{Choice, Choice13};
use super::exchange::Exchange;
use super::side::Side;
use super::transcript::Transcript;
use super::{Failure, Message, doubt};
use crate::crypto::hash::SuiteHash;
use crate::event::Version;
use crate::extension::supported_groups::NamedGroup;
use crate::extension::{ExtensionType, cookie, key_share, put_extension, supported_versions};
use crate::message::HandshakeType;
use crate::message::client_hello::ClientHello;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::server_hello::{RETRY_REQUEST_RANDOM, ServerHello};
use crate::record::ProtocolVersion;
use crate::record::layer::Epoch;
use crate::suite::Suite;
use crate::{Error, Refusal, handshake12, handshake13};

/// How many hellos without our cookie are answered in DTLS 1.2. A client sends one; further ones are somebody else's.
const MAX_COOKIE_REQUESTS: u16 = 64;

pub(crate) struct Accept {
    /// What our HelloRetryRequest chose (DTLS 1.3).
    retried: Option<Choice13>,
    /// The client has shown elsewhere that it gets what is sent to its address.
    is_proven: bool,
}

impl Accept {
    pub(crate) fn new() -> Self {
        Self { retried: None, is_proven: false }
    }

    /// Behind a cookie exchange, which in DTLS 1.3 chose something.
    pub(crate) fn proven(retried: Option<Choice13>) -> Self {
        Self { retried, is_proven: true }
    }

    fn requires_cookie(&self, exchange: &Exchange) -> bool {
        exchange.config.require_cookie && !self.is_proven
    }

    /// The side that goes on, once there is a hello to go on with.
    pub(crate) fn handle_message(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Option<Side>, Failure> {
        if message.kind != HandshakeType::CLIENT_HELLO {
            return Err(Failure::Discard(Error::Unexpected));
        }
        let hello = ClientHello::parse(&message.body)?;
        match Choice::of(&hello, &exchange.config)? {
            Choice::Dtls12(_) if self.retried.is_some() => Err(doubt(Refusal::Version)),
            Choice::Dtls12(choice) => {
                if self.requires_cookie(exchange) && !is_ours(exchange, &hello, hello.cookie) {
                    if exchange.next_message_seq >= MAX_COOKIE_REQUESTS {
                        return Err(Failure::Discard(Error::LimitReached));
                    }
                    request_cookie_12(exchange, &hello);
                    return Ok(None);
                }
                handshake12::server::Server::begin(exchange, message, &hello, choice)
                    .map(|server| Some(Side::Server12(server)))
            }
            Choice::Dtls13(choice, share) => self.hello_13(exchange, message, &hello, choice, share),
        }
    }

    fn hello_13(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
        hello: &ClientHello<'_>,
        choice: Choice13,
        share: Option<&[u8]>,
    ) -> Result<Option<Side>, Failure> {
        let has_cookie = match hello.extensions.find(ExtensionType::COOKIE) {
            Some(data) => is_ours(exchange, hello, cookie::parse(data)?),
            None => false,
        };
        let needs_cookie = self.requires_cookie(exchange) && !has_cookie;
        match (self.retried, share) {
            (None, Some(share)) if !needs_cookie => {
                handshake13::server::Server::begin(exchange, message, choice, share)
                    .map(|server| Some(Side::Server13(server)))
            }
            (None, share) => {
                self.retry(exchange, message, hello, choice, share.is_none());
                Ok(None)
            }
            // RFC 8446 §4.1.2: the second hello is the first one with what we asked for.
            (Some(retried), Some(share)) if retried == choice && !needs_cookie => {
                handshake13::server::Server::begin(exchange, message, choice, share)
                    .map(|server| Some(Side::Server13(server)))
            }
            (Some(_), _) => Err(doubt(Refusal::KeyShare)),
        }
    }

    /// RFC 8446 §4.1.4.
    fn retry(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
        hello: &ClientHello<'_>,
        choice: Choice13,
        needs_share: bool,
    ) {
        self.retried = Some(choice);
        exchange.note(message);
        exchange.transcript.decide(Version::Dtls13, choice.suite.hash);
        exchange.transcript.fold();
        exchange.flight.begin(false);
        let cookie = self.requires_cookie(exchange).then(|| cookie_of(&exchange.cookie_secret, hello));
        exchange.push_message(Epoch::PLAIN, HandshakeType::SERVER_HELLO, |out| {
            let asked = needs_share.then_some(choice.group);
            emit_retry_request(choice.suite, asked, cookie.as_deref(), out);
        });
    }
}

/// The body of a HelloRetryRequest, which wants a share, a cookie, or both.
pub(crate) fn emit_retry_request(
    suite: Suite,
    asked: Option<NamedGroup>,
    cookie: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    let extensions = |out: &mut Vec<u8>| {
        put_extension(out, ExtensionType::SUPPORTED_VERSIONS, |out| {
            supported_versions::emit_selected(ProtocolVersion::DTLS_1_3, out);
        });
        if let Some(group) = asked {
            put_extension(out, ExtensionType::KEY_SHARE, |out| key_share::emit_retry(group, out));
        }
        if let Some(cookie) = cookie {
            put_extension(out, ExtensionType::COOKIE, |out| cookie::emit(cookie, out));
        }
    };
    ServerHello::emit(&RETRY_REQUEST_RANDOM, suite.number, extensions, out);
}

fn request_cookie_12(exchange: &mut Exchange, hello: &ClientHello<'_>) {
    // RFC 6347 §4.2.6: neither this hello nor the request is part of the transcript.
    let cookie = cookie_of(&exchange.cookie_secret, hello);
    exchange.flight.begin(false);
    exchange.push_message(Epoch::PLAIN, HandshakeType::HELLO_VERIFY_REQUEST, |out| {
        HelloVerifyRequest::emit(&cookie, out);
    });
    exchange.transcript = Transcript::new();
}

fn is_ours(exchange: &Exchange, hello: &ClientHello<'_>, cookie: &[u8]) -> bool {
    cookie_of(&exchange.cookie_secret, hello).ct_eq(cookie).into()
}

/// RFC 6347 §4.2.1: a function of the hello and a secret, so that nothing has to be kept. The address is not in it:
/// a connection has one peer.
fn cookie_of(secret: &[u8; 32], hello: &ClientHello<'_>) -> Vec<u8> {
    let suites: Vec<u8> = hello.cipher_suites().flat_map(u16::to_be_bytes).collect();
    let suites = SuiteHash::Sha256.digest(&[&suites]);
    let parts: [&[u8]; 4] = [&hello.version.0.to_be_bytes(), &hello.random, hello.session_id, &suites];
    SuiteHash::Sha256.hmac_key(secret).sign(&parts).to_vec()
}
