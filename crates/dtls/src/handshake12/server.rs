//! The server's side, in the order of the flow (RFC 6347 §4.2.4; HelloVerifyRequest only if asked for):
//!
//! ```text
//!    ClientHello                  -->                        flight 1
//!                                 <--   HelloVerifyRequest   flight 2
//!    ClientHello (with cookie)    -->                        flight 3
//!                                 <--          ServerHello   flight 4
//!                                 <--          Certificate
//!                                 <--    ServerKeyExchange
//!                                 <--   CertificateRequest
//!                                 <--      ServerHelloDone
//!    Certificate                  -->                        flight 5
//!    ClientKeyExchange            -->
//!    CertificateVerify            -->
//!    [ChangeCipherSpec] Finished  -->
//!                                 <--   [ChangeCipherSpec] Finished   flight 6
//! ```

use super::keys::Keys;
use crate::config::Role;
use crate::crypto::key_exchange::EphemeralKey;
use crate::crypto::signature;
use crate::event::Version;
use crate::extension::signature_algorithms::SignatureScheme;
use crate::extension::supported_groups::NamedGroup;
use crate::handshake::choice::Choice12;
use crate::handshake::exchange::{Agreed, Exchange, Peer};
use crate::handshake::{Failure, Message, Progress};
use crate::message::HandshakeType;
use crate::message::certificate::CertificateList;
use crate::message::certificate_request::CertificateRequest;
use crate::message::certificate_verify::DigitallySigned;
use crate::message::client_hello::ClientHello;
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::finished::{self, VERIFY_DATA_LEN};
use crate::message::server_hello::{ServerHello, mark_downgraded};
use crate::message::server_key_exchange::ServerKeyExchange;
use crate::record::layer::Epoch;
use crate::{Error, Refusal};

pub(crate) struct Server {
    state: State,
}

enum State {
    AwaitCertificate { agreed: Agreed, key: EphemeralKey, group: NamedGroup },
    AwaitClientKeyExchange { agreed: Agreed, key: EphemeralKey, group: NamedGroup, peer: Option<Peer> },
    AwaitCertificateVerify { agreed: Agreed, group: NamedGroup, keys: Keys, peer: Peer },
    AwaitFinished { agreed: Agreed, group: NamedGroup, keys: Keys, peer: Option<Peer> },
    Done,
}

impl Server {
    /// Answers a hello with flight 4.
    pub(crate) fn begin(
        exchange: &mut Exchange,
        message: &Message,
        hello: &ClientHello<'_>,
        choice: Choice12,
    ) -> Result<Self, Failure> {
        let key = EphemeralKey::generate(choice.group)?;
        let mut server_random = exchange.random;
        if exchange.config.speaks(Version::Dtls13) {
            mark_downgraded(&mut server_random);
        }
        let agreed = Agreed {
            suite: choice.suite,
            client_random: hello.random,
            server_random,
            srtp_profile: choice.srtp_profile,
        };
        let params = ServerKeyExchange::params(choice.group, key.public());
        let signed = [&agreed.client_random[..], &agreed.server_random, &params].concat();
        let signature = exchange.config.certificate.key().sign(&signed)?;

        exchange.transcript.decide(Version::Dtls12, agreed.suite.hash);
        exchange.note(message);
        exchange.flight.begin(true);
        exchange.push_message(Epoch::PLAIN, HandshakeType::SERVER_HELLO, |out| {
            let extensions = |out: &mut Vec<u8>| choice.emit_extensions(out);
            ServerHello::emit(&agreed.server_random, agreed.suite.number, extensions, out);
        });
        let certificate = exchange.config.certificate.clone();
        exchange.push_message(Epoch::PLAIN, HandshakeType::CERTIFICATE, |out| {
            CertificateList::emit(Some(certificate.der()), out);
        });
        exchange.push_message(Epoch::PLAIN, HandshakeType::SERVER_KEY_EXCHANGE, |out| {
            ServerKeyExchange::emit(&params, SignatureScheme::ECDSA_SECP256R1_SHA256, &signature, out);
        });
        exchange.push_message(Epoch::PLAIN, HandshakeType::CERTIFICATE_REQUEST, |out| {
            CertificateRequest::emit(&signature::VERIFIABLE, out);
        });
        exchange.push_message(Epoch::PLAIN, HandshakeType::SERVER_HELLO_DONE, |_| ());
        Ok(Self { state: State::AwaitCertificate { agreed, key, group: choice.group } })
    }

    pub(crate) fn handle_message(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        match (&self.state, message.kind) {
            (State::AwaitCertificate { .. }, HandshakeType::CERTIFICATE) => {
                self.certificate(exchange, message)
            }
            (State::AwaitClientKeyExchange { .. }, HandshakeType::CLIENT_KEY_EXCHANGE) => {
                self.client_key_exchange(exchange, message)
            }
            (State::AwaitCertificateVerify { .. }, HandshakeType::CERTIFICATE_VERIFY) => {
                self.certificate_verify(exchange, message)
            }
            (State::AwaitFinished { .. }, HandshakeType::FINISHED) => self.finished(exchange, message),
            _ => Err(Failure::Discard(Error::Unexpected)),
        }
    }

    fn certificate(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let peer = exchange.check_certificate(CertificateList::parse(&message.body)?.leaf())?;
        let State::AwaitCertificate { agreed, key, group } = std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        exchange.note(message);
        self.state = State::AwaitClientKeyExchange { agreed, key, group, peer };
        Ok(Progress::Continue)
    }

    fn client_key_exchange(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let public = ClientKeyExchange::parse(&message.body)?.public;
        let State::AwaitClientKeyExchange { agreed, key, group, peer } =
            std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        let premaster = key.agree(public).map_err(|_| Refusal::KeyShare)?;
        exchange.note(message);
        let hash = exchange.transcript.hash();
        let keys = Keys::new(&agreed, &premaster, &hash);
        keys.install(Role::Server, &mut exchange.records);
        self.state = match peer {
            Some(peer) => State::AwaitCertificateVerify { agreed, group, keys, peer },
            None => State::AwaitFinished { agreed, group, keys, peer: None },
        };
        Ok(Progress::Continue)
    }

    /// RFC 5246 §7.4.8: without it anybody could show anybody's certificate.
    fn certificate_verify(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let verify = DigitallySigned::parse(&message.body)?;
        let State::AwaitCertificateVerify { agreed, group, keys, peer } =
            std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if !peer.key.takes(Version::Dtls12, verify.scheme) {
            return Err(Refusal::SignatureAlgorithm.into());
        }
        let content = exchange.transcript.take_bytes();
        peer.key
            .verify(Version::Dtls12, verify.scheme, &content, verify.signature)
            .map_err(|_| Refusal::CertificateVerify)?;
        exchange.note(message);
        self.state = State::AwaitFinished { agreed, group, keys, peer: Some(peer) };
        Ok(Progress::Continue)
    }

    fn finished(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let verify_data = finished::parse(&message.body, VERIFY_DATA_LEN)?;
        let State::AwaitFinished { agreed, group, keys, peer } =
            std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if !keys.is_finished_of(Role::Client, &exchange.transcript.hash(), verify_data) {
            return Err(Refusal::Finished.into());
        }
        exchange.note(message);
        exchange.flight.begin(false);
        keys.push_finished(Role::Server, exchange);
        let fingerprint = peer.map(|peer| peer.fingerprint);
        Ok(Progress::Done(keys.established(&agreed, group, fingerprint)))
    }
}

#[cfg(test)]
mod tests;
