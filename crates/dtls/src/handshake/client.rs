//! The client's side, in the order of the flow drawn in the server's room.

use super::exchange::{Agreed, Exchange, Peer};
use super::keys::Keys;
use super::transcript::Transcript;
use super::{Failure, Message, Progress, doubt};
use crate::config::Role;
use crate::crypto::key_exchange::EphemeralKey;
use crate::crypto::signature;
use crate::extension::signature_algorithms::{SignatureAlgorithms, SignatureScheme};
use crate::extension::supported_groups::{NamedGroup, SupportedGroups};
use crate::extension::use_srtp::UseSrtp;
use crate::extension::{ExtensionType, ec_point_formats, padding, put_extension, renegotiation_info};
use crate::message::certificate::CertificateList;
use crate::message::certificate_request::CertificateRequest;
use crate::message::client_hello::ClientHello;
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::server_hello::ServerHello;
use crate::message::server_key_exchange::ServerKeyExchange;
use crate::message::{ECDHE_ECDSA_AES_128_GCM_SHA256, HandshakeType, finished};
use crate::record::ProtocolVersion;
use crate::record::layer::Epoch;
use crate::{Error, Refusal};

/// Groups by our preference.
const GROUPS: [NamedGroup; 2] = [NamedGroup::X25519, NamedGroup::SECP256R1];

/// How often a server may ask for a cookie. A second time is possible when its secret changed.
const MAX_COOKIES: u8 = 3;

pub(crate) struct Client {
    state: State,
}

enum State {
    AwaitServerHello { cookies: u8 },
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
    /// Begins flight 1.
    pub(crate) fn new(exchange: &mut Exchange) -> Self {
        push_client_hello(exchange, &[]);
        Self { state: State::AwaitServerHello { cookies: 0 } }
    }

    pub(crate) fn handle_message(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        match (&self.state, message.kind) {
            (State::AwaitServerHello { .. }, HandshakeType::HELLO_VERIFY_REQUEST) => {
                self.hello_verify_request(exchange, message)
            }
            (State::AwaitServerHello { .. }, HandshakeType::SERVER_HELLO) => {
                self.server_hello(exchange, message)
            }
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

    fn hello_verify_request(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        let request = HelloVerifyRequest::parse(&message.body)?;
        let State::AwaitServerHello { cookies } = &mut self.state else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if *cookies == MAX_COOKIES {
            return Err(Failure::Discard(Error::LimitReached));
        }
        *cookies += 1;
        // RFC 6347 §4.2.6: the transcript begins with the hello that has the cookie.
        exchange.transcript = Transcript::new();
        push_client_hello(exchange, request.cookie);
        Ok(Progress::Continue)
    }

    fn server_hello(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let hello = ServerHello::parse(&message.body)?;
        if hello.version != ProtocolVersion::DTLS_1_2 {
            return Err(doubt(Refusal::Version));
        }
        if hello.cipher_suite != ECDHE_ECDSA_AES_128_GCM_SHA256 {
            return Err(doubt(Refusal::CipherSuite));
        }
        if hello.compression != 0 {
            return Err(doubt(Refusal::Compression));
        }
        let mut has_extended_master_secret = false;
        let mut srtp_profile = None;
        for (kind, data) in hello.extensions.iter() {
            match kind {
                ExtensionType::EXTENDED_MASTER_SECRET => has_extended_master_secret = data.is_empty(),
                ExtensionType::RENEGOTIATION_INFO if !renegotiation_info::is_initial(data)? => {
                    return Err(doubt(Refusal::Renegotiation));
                }
                ExtensionType::RENEGOTIATION_INFO => {}
                ExtensionType::EC_POINT_FORMATS if !ec_point_formats::has_uncompressed(data)? => {
                    return Err(doubt(Refusal::PointFormat));
                }
                ExtensionType::EC_POINT_FORMATS => {}
                ExtensionType::USE_SRTP => {
                    srtp_profile = Some(chosen_profile(data, &exchange.config.srtp_profiles)?);
                }
                // RFC 5246 §7.4.1.4: only what we asked for may be answered.
                _ => return Err(doubt(Refusal::NotOffered)),
            }
        }
        if !has_extended_master_secret {
            return Err(doubt(Refusal::ExtendedMasterSecret));
        }
        exchange.note(message);
        let agreed = Agreed { client_random: exchange.random, server_random: hello.random, srtp_profile };
        self.state = State::AwaitCertificate { agreed };
        Ok(Progress::Continue)
    }

    fn certificate(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let list = CertificateList::parse(&message.body)?;
        let State::AwaitCertificate { agreed } = self.state else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        let peer = exchange.check_certificate(&list)?.ok_or(Refusal::NoCertificate)?;
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
        if !GROUPS.contains(&params.group) {
            return Err(Refusal::Group.into());
        }
        if params.signed.scheme != SignatureScheme::ECDSA_SECP256R1_SHA256 {
            return Err(Refusal::SignatureAlgorithm.into());
        }
        let content = params.signed_content(&agreed.client_random, &agreed.server_random);
        signature::verify(&peer.point, &content, params.signed.signature)
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
            exchange.push_message(Epoch::Plain, HandshakeType::CERTIFICATE, |out| {
                let der = (request == Request::Answerable).then(|| certificate.der());
                CertificateList::emit(der, out);
            });
        }
        exchange.push_message(Epoch::Plain, HandshakeType::CLIENT_KEY_EXCHANGE, |out| {
            ClientKeyExchange::emit(&public, out);
        });
        let hash = exchange.transcript.hash();
        let keys = Keys::new(&premaster, &hash, &agreed.client_random, &agreed.server_random);
        if request == Request::Answerable {
            exchange.push_certificate_verify()?;
        }
        let (write, read) = keys.protections(Role::Client);
        exchange.records.install(write, read);
        exchange.push_finished(Role::Client, &keys);
        self.state = State::AwaitFinished { agreed, group: share.group, keys, peer };
        Ok(Progress::Continue)
    }

    fn finished(&mut self, exchange: &Exchange, message: &Message) -> Result<Progress, Failure> {
        let verify_data = finished::parse(&message.body)?;
        let State::AwaitFinished { agreed, group, keys, peer } =
            std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if !keys.is_finished_of(Role::Server, &exchange.transcript.hash(), &verify_data) {
            return Err(Refusal::Finished.into());
        }
        Ok(Progress::Done(exchange.established(&keys, &agreed, group, Some(peer.fingerprint))))
    }
}

fn push_client_hello(exchange: &mut Exchange, cookie: &[u8]) {
    let random = exchange.random;
    let config = exchange.config.clone();
    exchange.flight.begin(true);
    exchange.push_message(Epoch::Plain, HandshakeType::CLIENT_HELLO, |out| {
        let suites = [ECDHE_ECDSA_AES_128_GCM_SHA256];
        ClientHello::emit(&random, cookie, &suites, |out| emit_extensions(&config.srtp_profiles, out), out);
    });
}

pub(super) fn emit_extensions(srtp_profiles: &[u16], out: &mut Vec<u8>) {
    let start = out.len();
    put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| ());
    put_extension(out, ExtensionType::RENEGOTIATION_INFO, renegotiation_info::emit);
    put_extension(out, ExtensionType::SUPPORTED_GROUPS, |out| SupportedGroups::emit(&GROUPS, out));
    put_extension(out, ExtensionType::EC_POINT_FORMATS, ec_point_formats::emit);
    put_extension(out, ExtensionType::SIGNATURE_ALGORITHMS, |out| {
        SignatureAlgorithms::emit(&[SignatureScheme::ECDSA_SECP256R1_SHA256], out);
    });
    if !srtp_profiles.is_empty() {
        put_extension(out, ExtensionType::USE_SRTP, |out| UseSrtp::emit(srtp_profiles, out));
    }
    padding::emit(start, out);
}

/// RFC 5764 §4.1.1: one of ours, with the MKI that we sent, which is none.
fn chosen_profile(data: &[u8], offered: &[u16]) -> Result<u16, Failure> {
    let chosen = UseSrtp::parse(data)?;
    let mut profiles = chosen.profiles();
    match (profiles.next(), profiles.next()) {
        (Some(profile), None) if offered.contains(&profile) && chosen.mki().is_empty() => Ok(profile),
        _ => Err(doubt(Refusal::NotOffered)),
    }
}
