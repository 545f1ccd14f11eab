//! The client's side, from the ServerHello on.

use super::schedule::Schedule;
use super::{check_certificate_verify, push_certificate};
use crate::crypto::key_exchange::Secret;
use crate::event::{Connected, Version};
use crate::extension::ExtensionType;
use crate::extension::supported_groups::NamedGroup;
use crate::handshake::exchange::{Exchange, Peer};
use crate::handshake::offer::chosen_profile;
use crate::handshake::{Established, Failure, Message, Progress};
use crate::message::certificate::CertificateList13;
use crate::message::certificate_request::CertificateRequest13;
use crate::message::certificate_verify::DigitallySigned;
use crate::message::{HandshakeType, encrypted_extensions, finished};
use crate::record::layer::Epoch;
use crate::suite::Suite;
use crate::{Error, Refusal, Role};

pub(crate) struct Client {
    suite: Suite,
    group: NamedGroup,
    schedule: Schedule,
    srtp_profile: Option<u16>,
    request: Option<Request>,
    state: State,
}

/// The server wants to see a certificate of ours.
struct Request {
    context: Vec<u8>,
    /// If not, it takes none of our kind: we say that we have none (RFC 8446 §4.4.2).
    is_answerable: bool,
}

enum State {
    AwaitEncryptedExtensions,
    /// Or the request for ours.
    AwaitCertificate,
    AwaitCertificateVerify(Peer),
    AwaitFinished(Peer),
    Done,
}

impl Client {
    /// The hellos agree; ServerHello is the last message of the transcript.
    pub(crate) fn begin(exchange: &mut Exchange, suite: Suite, group: NamedGroup, shared: &Secret) -> Self {
        let schedule = Schedule::new(suite, shared, &exchange.transcript.hash());
        exchange.flight.forget(); // the server has our hello; what we lack of its flight, an ACK tells it
        exchange.records.install_write(Epoch::HANDSHAKE, schedule.protection(Role::Client));
        exchange.records.install_read(Epoch::HANDSHAKE, schedule.protection(Role::Server));
        let state = State::AwaitEncryptedExtensions;
        Self { suite, group, schedule, srtp_profile: None, request: None, state }
    }

    pub(crate) fn handle_message(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        match (&self.state, message.kind) {
            (State::AwaitEncryptedExtensions, HandshakeType::ENCRYPTED_EXTENSIONS) => {
                self.encrypted_extensions(exchange, message)
            }
            (State::AwaitCertificate, HandshakeType::CERTIFICATE_REQUEST) if self.request.is_none() => {
                self.certificate_request(exchange, message)
            }
            (State::AwaitCertificate, HandshakeType::CERTIFICATE) => self.certificate(exchange, message),
            (State::AwaitCertificateVerify(_), HandshakeType::CERTIFICATE_VERIFY) => {
                self.certificate_verify(exchange, message)
            }
            (State::AwaitFinished(_), HandshakeType::FINISHED) => self.finished(exchange, message),
            _ => Err(Failure::Discard(Error::Unexpected)),
        }
    }

    fn encrypted_extensions(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        for (kind, data) in encrypted_extensions::parse(&message.body)?.iter() {
            match kind {
                ExtensionType::USE_SRTP => {
                    self.srtp_profile = Some(chosen_profile(data, &exchange.config.srtp_profiles)?);
                }
                // RFC 8446 §4.2.7: a server may say here what it would like better.
                ExtensionType::SUPPORTED_GROUPS => {}
                _ => return Err(Refusal::NotOffered.into()),
            }
        }
        exchange.note(message);
        self.state = State::AwaitCertificate;
        Ok(Progress::Continue)
    }

    fn certificate_request(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let request = CertificateRequest13::parse(&message.body)?;
        let is_answerable = request.takes_ecdsa_p256()?.ok_or(Refusal::Malformed)?;
        self.request = Some(Request { context: request.context.to_vec(), is_answerable });
        exchange.note(message);
        Ok(Progress::Continue)
    }

    fn certificate(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let list = CertificateList13::parse(&message.body)?;
        if !list.context.is_empty() {
            return Err(Refusal::NotOffered.into());
        }
        // RFC 8446 §4.4.2.4: a server has one, whatever our configuration can do without.
        let leaf = list.leaf().ok_or(Refusal::NoCertificate)?;
        let peer = exchange.check_certificate(Some(leaf))?.ok_or(Refusal::NoCertificate)?;
        exchange.note(message);
        self.state = State::AwaitCertificateVerify(peer);
        Ok(Progress::Continue)
    }

    fn certificate_verify(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let verify = DigitallySigned::parse(&message.body)?;
        let State::AwaitCertificateVerify(peer) = std::mem::replace(&mut self.state, State::Done) else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        check_certificate_verify(exchange, Role::Server, &peer, &verify)?;
        exchange.note(message);
        self.state = State::AwaitFinished(peer);
        Ok(Progress::Continue)
    }

    /// The server is proven: answers with our last flight.
    fn finished(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let verify_data = finished::parse(&message.body, self.suite.hash.output_len())?;
        let State::AwaitFinished(peer) = std::mem::replace(&mut self.state, State::Done) else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if !self.schedule.is_finished_of(Role::Server, &exchange.transcript.hash(), verify_data) {
            return Err(Refusal::Finished.into());
        }
        exchange.note(message);
        let (mut traffic, exporter) = self.schedule.data(&exchange.transcript.hash());

        exchange.flight.begin(true);
        if let Some(request) = self.request.take() {
            push_certificate(exchange, Role::Client, &request.context, request.is_answerable)?;
        }
        let verify_data = self.schedule.verify_data(Role::Client, &exchange.transcript.hash());
        exchange.push_message(Epoch::HANDSHAKE, HandshakeType::FINISHED, |out| {
            out.extend_from_slice(&verify_data);
        });
        exchange.records.install_write(Epoch::DATA, traffic.protection(Role::Client));
        exchange.records.install_read(Epoch::DATA, traffic.protection(Role::Server));
        let connected = Connected {
            version: Version::Dtls13,
            cipher_suite: self.suite.number,
            group: self.group.0,
            srtp: self.srtp_profile.and_then(|profile| exporter.srtp_keys(profile)),
            peer_fingerprint: Some(peer.fingerprint),
        };
        Ok(Progress::Done(Box::new(Established { connected, exporter, traffic: Some(traffic) })))
    }
}
