//! The client's side, in the order of the flow drawn in the server's room.

use super::keys::Keys;
use crate::config::Role;
use crate::crypto::key_exchange::EphemeralKey;
use crate::crypto::signature::KeyKind;
use crate::event::Version;
use crate::extension::signature_algorithms::SignatureScheme;
use crate::extension::supported_groups::NamedGroup;
use crate::handshake::exchange::{Agreed, Exchange, Peer};
use crate::handshake::{Failure, Message, Progress};
use crate::message::HandshakeType;
use crate::message::certificate::CertificateList;
use crate::message::certificate_request::CertificateRequest;
use crate::message::certificate_verify::DigitallySigned;
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::finished::{self, VERIFY_DATA_LEN};
use crate::message::server_key_exchange::ServerKeyExchange;
use crate::record::layer::Epoch;
use crate::suite::Authentication;
use crate::{Error, Refusal};

pub(crate) struct Client {
    state: State,
}

enum State {
    AwaitCertificate { agreed: Agreed },
    AwaitServerKeyExchange { agreed: Agreed, peer: Peer },
    AwaitServerHelloDone { agreed: Agreed, peer: Peer, share: Share, request: Request },
    AwaitFinished { agreed: Agreed, group: NamedGroup, keys: Keys, peer: Peer },
    Done,
}

/// The server's half of the key exchange.
struct Share {
    group: NamedGroup,
    public: Vec<u8>,
}

/// Whether the server wants to see a certificate of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    None,
    Answerable,
    /// It takes none of our kind: we say that we have none (RFC 5246 §7.4.6).
    Unanswerable,
}

impl Client {
    /// The hellos agree; ServerHello is the last message of the transcript.
    pub(crate) fn new(agreed: Agreed) -> Self {
        Self { state: State::AwaitCertificate { agreed } }
    }

    /// Our Finished is on its way.
    pub(crate) fn has_finished(&self) -> bool {
        matches!(self.state, State::AwaitFinished { .. })
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
            (State::AwaitServerKeyExchange { .. }, HandshakeType::SERVER_KEY_EXCHANGE) => {
                self.server_key_exchange(exchange, message)
            }
            (
                State::AwaitServerHelloDone { request: Request::None, .. },
                HandshakeType::CERTIFICATE_REQUEST,
            ) => self.certificate_request(exchange, message),
            (State::AwaitServerHelloDone { .. }, HandshakeType::SERVER_HELLO_DONE) => {
                self.server_hello_done(exchange, message)
            }
            (State::AwaitFinished { .. }, HandshakeType::FINISHED) => self.finished(exchange, message),
            _ => Err(Failure::Discard(Error::Unexpected)),
        }
    }

    fn certificate(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let list = CertificateList::parse(&message.body)?;
        let State::AwaitCertificate { agreed } = self.state else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        let peer = exchange.check_certificate(list.leaf())?.ok_or(Refusal::NoCertificate)?;
        let is_rsa = peer.key.kind == KeyKind::Rsa;
        if is_rsa != (agreed.suite.authentication == Authentication::Rsa) {
            return Err(Refusal::CertificateKey.into()); // RFC 5246 §7.4.2: the suite says what kind of key it has
        }
        exchange.note(message);
        self.state = State::AwaitServerKeyExchange { agreed, peer };
        Ok(Progress::Continue)
    }

    fn server_key_exchange(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let params = ServerKeyExchange::parse(&message.body)?;
        let State::AwaitServerKeyExchange { agreed, peer } = std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if !exchange.config.groups_12().any(|group| group == params.group) {
            return Err(Refusal::Group.into());
        }
        if !peer.key.takes(Version::Dtls12, params.signed.scheme) {
            return Err(Refusal::SignatureAlgorithm.into());
        }
        let content = params.signed_content(&agreed.client_random, &agreed.server_random);
        peer.key
            .verify(Version::Dtls12, params.signed.scheme, &content, params.signed.signature)
            .map_err(|_| Refusal::KeyExchangeSignature)?;
        exchange.note(message);
        let share = Share { group: params.group, public: params.public.to_vec() };
        self.state = State::AwaitServerHelloDone { agreed, peer, share, request: Request::None };
        Ok(Progress::Continue)
    }

    fn certificate_request(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let received = CertificateRequest::parse(&message.body)?;
        let State::AwaitServerHelloDone { request, .. } = &mut self.state else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        *request = if received.takes_ecdsa_p256() { Request::Answerable } else { Request::Unanswerable };
        exchange.note(message);
        Ok(Progress::Continue)
    }

    /// Answers the whole flight 4 with flight 5.
    fn server_hello_done(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        if !message.body.is_empty() {
            return Err(Failure::Discard(crate::ParseError::TrailingBytes.into()));
        }
        let State::AwaitServerHelloDone { agreed, peer, share, request } =
            std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        let key = EphemeralKey::generate(share.group)?;
        let public = key.public().to_vec();
        let premaster = key.agree(&share.public).map_err(|_| Refusal::KeyShare)?;

        exchange.note(message);
        exchange.flight.begin(true);
        if request != Request::None {
            let certificate = exchange.config.certificate.clone();
            exchange.push_message(Epoch::PLAIN, HandshakeType::CERTIFICATE, |out| {
                let der = (request == Request::Answerable).then(|| certificate.der());
                CertificateList::emit(der, out);
            });
        }
        exchange.push_message(Epoch::PLAIN, HandshakeType::CLIENT_KEY_EXCHANGE, |out| {
            ClientKeyExchange::emit(&public, out);
        });
        let hash = exchange.transcript.hash();
        let keys = Keys::new(&agreed, &premaster, &hash);
        if request == Request::Answerable {
            push_certificate_verify(exchange)?;
        }
        keys.install(Role::Client, &mut exchange.records);
        keys.push_finished(Role::Client, exchange);
        self.state = State::AwaitFinished { agreed, group: share.group, keys, peer };
        Ok(Progress::Continue)
    }

    fn finished(&mut self, exchange: &Exchange, message: &Message) -> Result<Progress, Failure> {
        let verify_data = finished::parse(&message.body, VERIFY_DATA_LEN)?;
        let State::AwaitFinished { agreed, group, keys, peer } =
            std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if !keys.is_finished_of(Role::Server, &exchange.transcript.hash(), verify_data) {
            return Err(Refusal::Finished.into());
        }
        Ok(Progress::Done(keys.established(&agreed, group, Some(peer.fingerprint))))
    }
}

/// Signs what was said so far.
fn push_certificate_verify(exchange: &mut Exchange) -> Result<(), Failure> {
    let signature = exchange.config.certificate.key().sign(&exchange.transcript.take_bytes())?;
    exchange.push_message(Epoch::PLAIN, HandshakeType::CERTIFICATE_VERIFY, |out| {
        DigitallySigned::emit(SignatureScheme::ECDSA_SECP256R1_SHA256, &signature, out);
    });
    Ok(())
}
