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

use super::exchange::{Agreed, Exchange, Peer};
use super::keys::Keys;
use super::transcript::Transcript;
use super::{Failure, Message, Progress, doubt};
use crate::config::Role;
use crate::crypto::hash::{Sha256, hmac_sha256};
use crate::crypto::key_exchange::EphemeralKey;
use crate::crypto::signature;
use crate::extension::signature_algorithms::{SignatureAlgorithms, SignatureScheme};
use crate::extension::supported_groups::{NamedGroup, SupportedGroups};
use crate::extension::supported_versions::SupportedVersions;
use crate::extension::use_srtp::UseSrtp;
use crate::extension::{ExtensionType, ec_point_formats, put_extension, renegotiation_info};
use crate::message::certificate::CertificateList;
use crate::message::certificate_request::CertificateRequest;
use crate::message::certificate_verify::DigitallySigned;
use crate::message::client_hello::ClientHello;
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::server_hello::ServerHello;
use crate::message::server_key_exchange::ServerKeyExchange;
use crate::message::{ECDHE_ECDSA_AES_128_GCM_SHA256, HandshakeType, finished};
use crate::record::ProtocolVersion;
use crate::record::layer::Epoch;
use crate::{Error, Refusal};

/// Groups by our preference. X25519 first: it costs half of P-256 here.
const GROUPS: [NamedGroup; 2] = [NamedGroup::X25519, NamedGroup::SECP256R1];

pub(crate) struct Server {
    state: State,
}

enum State {
    AwaitClientHello,
    AwaitCertificate { agreed: Agreed, key: EphemeralKey, group: NamedGroup },
    AwaitClientKeyExchange { agreed: Agreed, key: EphemeralKey, group: NamedGroup, peer: Option<Peer> },
    AwaitCertificateVerify { agreed: Agreed, group: NamedGroup, keys: Keys, peer: Peer },
    AwaitFinished { agreed: Agreed, group: NamedGroup, keys: Keys, peer: Option<Peer> },
    Done,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { state: State::AwaitClientHello }
    }

    /// Whether a hello was accepted, so that protected records may be on their way to us.
    pub(crate) fn has_answered(&self) -> bool {
        !matches!(self.state, State::AwaitClientHello)
    }

    pub(crate) fn handle_message(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Progress, Failure> {
        match (&self.state, message.kind) {
            (State::AwaitClientHello, HandshakeType::CLIENT_HELLO) => self.client_hello(exchange, message),
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

    fn client_hello(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let hello = ClientHello::parse(&message.body)?;
        let choice = Choice::of(&hello, &exchange.config.srtp_profiles)?;

        if exchange.config.require_cookie {
            let cookie = cookie(&exchange.cookie_secret, &hello);
            if hello.cookie != cookie {
                // RFC 6347 §4.2.6: neither this hello nor the request is part of the transcript.
                exchange.flight.begin(false);
                exchange.push_message(Epoch::Plain, HandshakeType::HELLO_VERIFY_REQUEST, |out| {
                    HelloVerifyRequest::emit(&cookie, out);
                });
                exchange.transcript = Transcript::new();
                return Ok(Progress::Continue);
            }
        }

        let key = EphemeralKey::generate(choice.group)?;
        let agreed = Agreed {
            client_random: hello.random,
            server_random: exchange.random,
            srtp_profile: choice.srtp_profile,
        };
        let params = ServerKeyExchange::params(choice.group, key.public());
        let signed = [&agreed.client_random[..], &agreed.server_random, &params].concat();
        let signature = exchange.config.certificate.key().sign(&signed)?;

        exchange.note(message);
        exchange.flight.begin(true);
        // RFC 8446 §4.1.3: the downgrade sentinel is for servers that also speak 1.3. We don't: the random is all random.
        exchange.push_message(Epoch::Plain, HandshakeType::SERVER_HELLO, |out| {
            let random = &agreed.server_random;
            ServerHello::emit(random, ECDHE_ECDSA_AES_128_GCM_SHA256, |out| choice.emit_extensions(out), out);
        });
        let certificate = exchange.config.certificate.clone();
        exchange.push_message(Epoch::Plain, HandshakeType::CERTIFICATE, |out| {
            CertificateList::emit(Some(certificate.der()), out);
        });
        exchange.push_message(Epoch::Plain, HandshakeType::SERVER_KEY_EXCHANGE, |out| {
            ServerKeyExchange::emit(&params, &signature, out);
        });
        exchange.push_message(Epoch::Plain, HandshakeType::CERTIFICATE_REQUEST, CertificateRequest::emit);
        exchange.push_message(Epoch::Plain, HandshakeType::SERVER_HELLO_DONE, |_| ());
        self.state = State::AwaitCertificate { agreed, key, group: choice.group };
        Ok(Progress::Continue)
    }

    fn certificate(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let peer = exchange.check_certificate(&CertificateList::parse(&message.body)?)?;
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
        let keys = Keys::new(&premaster, &hash, &agreed.client_random, &agreed.server_random);
        let (write, read) = keys.protections(Role::Server);
        exchange.records.install(write, read);
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
        if verify.scheme != SignatureScheme::ECDSA_SECP256R1_SHA256 {
            return Err(Refusal::SignatureAlgorithm.into());
        }
        signature::verify(&peer.point, &exchange.transcript.take_bytes(), verify.signature)
            .map_err(|_| Refusal::CertificateVerify)?;
        exchange.note(message);
        self.state = State::AwaitFinished { agreed, group, keys, peer: Some(peer) };
        Ok(Progress::Continue)
    }

    fn finished(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        let verify_data = finished::parse(&message.body)?;
        let State::AwaitFinished { agreed, group, keys, peer } =
            std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(Failure::Discard(Error::Unexpected));
        };
        if !keys.is_finished_of(Role::Client, &exchange.transcript.hash(), &verify_data) {
            return Err(Refusal::Finished.into());
        }
        exchange.note(message);
        exchange.flight.begin(false);
        exchange.push_finished(Role::Server, &keys);
        let fingerprint = peer.map(|peer| peer.fingerprint);
        Ok(Progress::Done(exchange.established(&keys, &agreed, group, fingerprint)))
    }
}

/// What we answer to a hello.
struct Choice {
    group: NamedGroup,
    srtp_profile: Option<u16>,
    says_renegotiation: bool,
    says_point_formats: bool,
}

impl Choice {
    /// Chooses, or says what is missing. Looks at the extensions by name only: their order means nothing.
    fn of(hello: &ClientHello<'_>, srtp_profiles: &[u16]) -> Result<Self, Failure> {
        let find = |kind| hello.extensions.find(kind);

        // RFC 8446 §4.2.1: where supported_versions is present, the hello's own version says nothing.
        let speaks_1_2 = match find(ExtensionType::SUPPORTED_VERSIONS) {
            Some(data) => SupportedVersions::parse(data)?.iter().any(|v| v == ProtocolVersion::DTLS_1_2),
            None => hello.version.0 <= ProtocolVersion::DTLS_1_2.0, // the lower on the wire, the newer
        };
        if !speaks_1_2 {
            return Err(doubt(Refusal::Version));
        }
        if !hello.cipher_suites().any(|suite| suite == ECDHE_ECDSA_AES_128_GCM_SHA256) {
            return Err(doubt(Refusal::CipherSuite));
        }
        if !hello.offers_null_compression() {
            return Err(doubt(Refusal::Compression));
        }
        match find(ExtensionType::EXTENDED_MASTER_SECRET) {
            Some([]) => {}
            _ => return Err(doubt(Refusal::ExtendedMasterSecret)),
        }

        // RFC 8422 §4: without the extension any group may be used; P-256 is the one that everybody has.
        let group = match find(ExtensionType::SUPPORTED_GROUPS) {
            None => NamedGroup::SECP256R1,
            Some(data) => {
                let offered = SupportedGroups::parse(data)?;
                // Our certificate's curve has to be among them, too (RFC 8422 §5.1).
                if !offered.iter().any(|group| group == NamedGroup::SECP256R1) {
                    return Err(doubt(Refusal::Group));
                }
                GROUPS
                    .into_iter()
                    .find(|ours| offered.iter().any(|theirs| theirs == *ours))
                    .ok_or_else(|| doubt(Refusal::Group))?
            }
        };
        let formats = find(ExtensionType::EC_POINT_FORMATS);
        if let Some(data) = formats
            && !ec_point_formats::has_uncompressed(data)?
        {
            return Err(doubt(Refusal::PointFormat));
        }
        // RFC 5246 §7.4.1.4.1: absent means SHA-1, which we don't do.
        let schemes =
            find(ExtensionType::SIGNATURE_ALGORITHMS).map(SignatureAlgorithms::parse).transpose()?;
        if !schemes.is_some_and(|list| list.iter().any(|s| s == SignatureScheme::ECDSA_SECP256R1_SHA256)) {
            return Err(doubt(Refusal::SignatureAlgorithm));
        }

        let renegotiation = find(ExtensionType::RENEGOTIATION_INFO);
        if let Some(data) = renegotiation
            && !renegotiation_info::is_initial(data)?
        {
            return Err(doubt(Refusal::Renegotiation));
        }
        let scsv = renegotiation_info::EMPTY_RENEGOTIATION_INFO_SCSV;
        let says_renegotiation = renegotiation.is_some() || hello.cipher_suites().any(|suite| suite == scsv);

        let offered = find(ExtensionType::USE_SRTP).map(UseSrtp::parse).transpose()?;
        let srtp_profile = offered
            .and_then(|offered| srtp_profiles.iter().copied().find(|p| offered.profiles().any(|o| o == *p)));

        Ok(Self { group, srtp_profile, says_renegotiation, says_point_formats: formats.is_some() })
    }

    /// Only what the client asked for.
    fn emit_extensions(&self, out: &mut Vec<u8>) {
        put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| ());
        if self.says_renegotiation {
            put_extension(out, ExtensionType::RENEGOTIATION_INFO, renegotiation_info::emit);
        }
        if self.says_point_formats {
            put_extension(out, ExtensionType::EC_POINT_FORMATS, ec_point_formats::emit);
        }
        if let Some(profile) = self.srtp_profile {
            put_extension(out, ExtensionType::USE_SRTP, |out| UseSrtp::emit(&[profile], out));
        }
    }
}

/// RFC 6347 §4.2.1: a function of the hello and a secret, so that nothing has to be kept. The address is not in it:
/// a connection has one peer.
fn cookie(secret: &[u8; 32], hello: &ClientHello<'_>) -> [u8; 32] {
    let mut rest = Sha256::new();
    hello.cipher_suites().for_each(|suite| rest.update(&suite.to_be_bytes()));
    hmac_sha256(secret, &[&hello.version.0.to_be_bytes(), &hello.random, hello.session_id, &rest.finish()])
}

#[cfg(test)]
mod tests;
