//! The server's side, from the hello that it accepts to the client's Finished.

use super::schedule::{Schedule, Traffic};
use super::{
    check_certificate_verify, push_certificate, push_certificate_request, push_encrypted_extensions,
};
use crate::crypto::key_exchange;
use crate::event::{Connected, Version};
use crate::exporter::Exporter;
use crate::extension::key_share::KeyShare;
use crate::extension::{ExtensionType, put_extension, supported_versions};
use crate::handshake::choice::Choice13;
use crate::handshake::exchange::{Exchange, Peer};
use crate::handshake::{Established, Failure, Message, Progress, doubt};
use crate::message::certificate::CertificateList13;
use crate::message::certificate_verify::DigitallySigned;
use crate::message::server_hello::ServerHello;
use crate::message::{HandshakeType, finished};
use crate::record::ProtocolVersion;
use crate::record::layer::Epoch;
use crate::{Error, Refusal, Role};

pub(crate) struct Server {
    choice: Choice13,
    schedule: Schedule,
    data: Option<(Traffic, Exporter)>,
    state: State,
}

enum State {
    AwaitCertificate,
    AwaitCertificateVerify(Peer),
    AwaitFinished(Option<Peer>),
    Done,
}

impl Server {
    /// Answers a hello with the whole flight. `share` is the client's, in the group chosen.
    pub(crate) fn begin(
        exchange: &mut Exchange,
        message: &Message,
        choice: Choice13,
        share: &[u8],
    ) -> Result<Self, Failure> {
        // Anybody may have sent this hello: a share that is no key is not the end.
        let (public, shared) =
            key_exchange::respond(choice.group, share).map_err(|_| doubt(Refusal::KeyShare))?;

        exchange.note(message);
        exchange.transcript.decide(Version::Dtls13, choice.suite.hash);
        exchange.flight.begin(true);
        let random = exchange.random;
        exchange.push_message(Epoch::PLAIN, HandshakeType::SERVER_HELLO, |out| {
            let extensions = |out: &mut Vec<u8>| {
                put_extension(out, ExtensionType::SUPPORTED_VERSIONS, |out| {
                    supported_versions::emit_selected(ProtocolVersion::DTLS_1_3, out);
                });
                put_extension(out, ExtensionType::KEY_SHARE, |out| {
                    KeyShare::new(choice.group, &public).emit(out);
                });
            };
            ServerHello::emit(&random, choice.suite.number, extensions, out);
        });
        let schedule = Schedule::new(choice.suite, &shared, &exchange.transcript.hash());
        exchange.records.install_write(Epoch::HANDSHAKE, schedule.protection(Role::Server));
        exchange.records.install_read(Epoch::HANDSHAKE, schedule.protection(Role::Client));
        push_encrypted_extensions(exchange, choice.srtp_profile);
        push_certificate_request(exchange);
        push_certificate(exchange, Role::Server, &[], true)?;
        let verify_data = schedule.verify_data(Role::Server, &exchange.transcript.hash());
        exchange.push_message(Epoch::HANDSHAKE, HandshakeType::FINISHED, |out| {
            out.extend_from_slice(&verify_data);
        });
        let (mut traffic, exporter) = schedule.data(&exchange.transcript.hash());
        exchange.records.install_write(Epoch::DATA, traffic.protection(Role::Server));
        exchange.records.install_read(Epoch::DATA, traffic.protection(Role::Client));
        Ok(Self { choice, schedule, data: Some((traffic, exporter)), state: State::AwaitCertificate })
    }

    pub(crate) fn handle_message(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        match (&self.state, message.kind) {
            (State::AwaitCertificate, HandshakeType::CERTIFICATE) => self.certificate(exchange, message),
            (State::AwaitCertificateVerify(_), HandshakeType::CERTIFICATE_VERIFY) => {
                self.certificate_verify(exchange, message)
            }
            (State::AwaitFinished(_), HandshakeType::FINISHED) => self.finished(exchange, message),
            _ => Err(Failure::Discard(Error::Unexpected)),
        }
    }

    fn certificate(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let list = CertificateList13::parse(&message.body)?;
        if !list.context.is_empty() {
            return Err(Refusal::NotOffered.into());
        }
        self.state = match exchange.check_certificate(list.leaf())? {
            Some(peer) => State::AwaitCertificateVerify(peer),
            None => State::AwaitFinished(None),
        };
        exchange.note(message);
        exchange.flight.forget(); // the client has all of it, or it could not have answered
        Ok(Progress::Continue)
    }

    /// RFC 8446 §4.4.3: without it anybody could show anybody's certificate.
    fn certificate_verify(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let verify = DigitallySigned::parse(&message.body)?;
        let State::AwaitCertificateVerify(peer) = std::mem::replace(&mut self.state, State::Done) else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        check_certificate_verify(exchange, Role::Client, &peer, &verify)?;
        exchange.note(message);
        self.state = State::AwaitFinished(Some(peer));
        Ok(Progress::Continue)
    }

    fn finished(&mut self, exchange: &Exchange, message: &Message) -> Result<Progress, Failure> {
        let verify_data = finished::parse(&message.body, self.choice.suite.hash.output_len())?;
        let State::AwaitFinished(peer) = std::mem::replace(&mut self.state, State::Done) else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if !self.schedule.is_finished_of(Role::Client, &exchange.transcript.hash(), verify_data) {
            return Err(Refusal::Finished.into());
        }
        let (traffic, exporter) = self.data.take().ok_or(Refusal::Internal)?;
        let connected = Connected {
            version: Version::Dtls13,
            cipher_suite: self.choice.suite.number,
            group: self.choice.group.0,
            srtp: self.choice.srtp_profile.and_then(|profile| exporter.srtp_keys(profile)),
            peer_fingerprint: peer.map(|peer| peer.fingerprint),
        };
        Ok(Progress::Done(Box::new(Established { connected, exporter, traffic: Some(traffic) })))
    }
}
