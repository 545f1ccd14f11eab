//! The client's hello, and what the server's makes of it: it offers every version of the configuration at once.

use super::exchange::{Agreed, Exchange};
use super::side::Side;
use super::transcript::Transcript;
use super::{Failure, Message, doubt};
use crate::config::Config;
use crate::crypto::CryptoFailure;
use crate::crypto::key_exchange::EphemeralKey;
use crate::crypto::signature;
use crate::event::Version;
use crate::extension::key_share::{self, KeyShare, KeyShares};
use crate::extension::signature_algorithms::SignatureAlgorithms;
use crate::extension::supported_groups::{NamedGroup, SupportedGroups};
use crate::extension::supported_versions::{self, SupportedVersions};
use crate::extension::use_srtp::UseSrtp;
use crate::extension::{ExtensionType, cookie, ec_point_formats, padding, put_extension, renegotiation_info};
use crate::message::HandshakeType;
use crate::message::client_hello::ClientHello;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::server_hello::{ServerHello, is_downgraded};
use crate::record::ProtocolVersion;
use crate::record::layer::Epoch;
use crate::suite::{self, Suite};
use crate::{Error, Refusal, handshake12, handshake13};

/// How often a server may ask for a cookie. A second time is possible when its secret changed.
const MAX_COOKIES: u8 = 3;

/// A hello that waits for its answer.
pub(crate) struct Offer {
    shares: Vec<(NamedGroup, EphemeralKey)>,
    cookies: u8,
    /// What a HelloRetryRequest chose (DTLS 1.3); a second one is not allowed.
    retried: Option<Suite>,
}

impl Offer {
    /// Begins flight 1.
    pub(crate) fn new(exchange: &mut Exchange) -> Result<Self, CryptoFailure> {
        let mut offer = Self { shares: Vec::new(), cookies: 0, retried: None };
        if exchange.config.speaks(Version::Dtls13) {
            // As browsers do: the best group and, if that is the large one, a small one for servers that don't have it.
            let groups = &exchange.config.groups;
            let second = groups.iter().skip(1).find(|_| groups.first() == Some(&NamedGroup::X25519MLKEM768));
            for group in groups.first().into_iter().chain(second) {
                offer.shares.push((*group, EphemeralKey::generate(*group)?));
            }
        }
        offer.push_client_hello(exchange, &[], None);
        Ok(offer)
    }

    /// The side that goes on, once there is a ServerHello; until then nothing.
    pub(crate) fn handle_message(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Option<Side>, Failure> {
        match message.kind {
            // Only DTLS 1.2 has it.
            HandshakeType::HELLO_VERIFY_REQUEST
                if self.retried.is_none() && exchange.config.speaks(Version::Dtls12) =>
            {
                self.hello_verify_request(exchange, message)
            }
            HandshakeType::SERVER_HELLO => self.server_hello(exchange, message),
            _ => Err(Failure::Discard(Error::Unexpected)),
        }
    }

    fn hello_verify_request(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
    ) -> Result<Option<Side>, Failure> {
        let request = HelloVerifyRequest::parse(&message.body)?;
        if self.cookies == MAX_COOKIES {
            return Err(Failure::Discard(Error::LimitReached));
        }
        self.cookies += 1;
        // RFC 6347 §4.2.6: the transcript begins with the hello that has the cookie.
        exchange.transcript = Transcript::new();
        self.push_client_hello(exchange, request.cookie, None);
        Ok(None)
    }

    fn server_hello(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Option<Side>, Failure> {
        let hello = ServerHello::parse(&message.body)?;
        if hello.version != ProtocolVersion::DTLS_1_2 {
            return Err(doubt(Refusal::Version));
        }
        if hello.compression != 0 {
            return Err(doubt(Refusal::Compression));
        }
        match hello.extensions.find(ExtensionType::SUPPORTED_VERSIONS) {
            Some(data) => {
                let is_13 = supported_versions::parse_selected(data)? == ProtocolVersion::DTLS_1_3;
                // A hello with a cookie of 1.2 is none that 1.3 may answer (RFC 9147 §5.3).
                if !is_13 || !exchange.config.speaks(Version::Dtls13) || self.cookies > 0 {
                    return Err(doubt(Refusal::Version));
                }
                let suite = suite::find(Version::Dtls13, hello.cipher_suite)
                    .filter(|suite| self.retried.is_none_or(|retried| retried == *suite))
                    .ok_or_else(|| doubt(Refusal::CipherSuite))?;
                if !hello.session_id.is_empty() {
                    return Err(doubt(Refusal::NotOffered)); // RFC 9147 §5.3: nothing to echo
                }
                if hello.is_retry_request() {
                    self.hello_retry_request(exchange, message, &hello, suite)
                } else {
                    self.server_hello_13(exchange, message, &hello, suite).map(Some)
                }
            }
            None if self.retried.is_some() || !exchange.config.speaks(Version::Dtls12) => {
                Err(doubt(Refusal::Version))
            }
            None => server_hello_12(exchange, message, &hello).map(Some),
        }
    }

    /// RFC 8446 §4.1.4.
    fn hello_retry_request(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
        hello: &ServerHello<'_>,
        suite: Suite,
    ) -> Result<Option<Side>, Failure> {
        if self.retried.is_some() {
            return Err(doubt(Refusal::NotOffered));
        }
        let (mut group, mut cookie) = (None, None);
        for (kind, data) in hello.extensions.iter() {
            match kind {
                ExtensionType::SUPPORTED_VERSIONS => {}
                ExtensionType::KEY_SHARE => group = Some(key_share::parse_retry(data)?),
                ExtensionType::COOKIE => cookie = Some(cookie::parse(data)?),
                _ => return Err(doubt(Refusal::NotOffered)),
            }
        }
        // One of ours, and not one whose share it has already seen; nor may it ask for the same hello again.
        let is_new = |group| {
            exchange.config.groups.contains(&group) && self.shares.iter().all(|(had, _)| *had != group)
        };
        if group.is_some_and(|group| !is_new(group)) || group.is_none() && cookie.is_none() {
            return Err(doubt(Refusal::NotOffered));
        }
        if let Some(group) = group {
            self.shares = vec![(group, EphemeralKey::generate(group)?)];
        }
        self.retried = Some(suite);
        exchange.transcript.decide(Version::Dtls13, suite.hash);
        exchange.transcript.fold();
        exchange.note(message);
        self.push_client_hello(exchange, &[], cookie);
        Ok(None)
    }

    fn server_hello_13(
        &mut self,
        exchange: &mut Exchange,
        message: &Message,
        hello: &ServerHello<'_>,
        suite: Suite,
    ) -> Result<Side, Failure> {
        let mut share = None;
        for (kind, data) in hello.extensions.iter() {
            match kind {
                ExtensionType::SUPPORTED_VERSIONS => {}
                ExtensionType::KEY_SHARE => share = Some(KeyShare::parse(data)?),
                _ => return Err(doubt(Refusal::NotOffered)),
            }
        }
        let share = share.ok_or_else(|| doubt(Refusal::KeyShare))?;
        let at = self.shares.iter().position(|(group, _)| *group == share.group);
        let (group, key) =
            at.map(|at| self.shares.swap_remove(at)).ok_or_else(|| doubt(Refusal::NotOffered))?;
        let shared = key.agree(share.key).map_err(|_| Refusal::KeyShare)?;
        exchange.transcript.decide(Version::Dtls13, suite.hash);
        exchange.note(message);
        Ok(Side::Client13(handshake13::client::Client::begin(exchange, suite, group, &shared)))
    }

    fn push_client_hello(&self, exchange: &mut Exchange, cookie_12: &[u8], cookie_13: Option<&[u8]>) {
        let random = exchange.random;
        let config = exchange.config.clone();
        let suites: Vec<u16> = [Version::Dtls13, Version::Dtls12]
            .into_iter()
            .filter(|version| config.speaks(*version))
            .flat_map(suite::of)
            .map(|suite| suite.number)
            .collect();
        #[cfg(test)]
        let suites = config.only_suite.map_or(suites, |only| vec![only]);
        exchange.flight.begin(true);
        exchange.push_message(Epoch::PLAIN, HandshakeType::CLIENT_HELLO, |out| {
            let extensions = |out: &mut Vec<u8>| self.emit_extensions(&config, cookie_13, out);
            ClientHello::emit(&random, cookie_12, &suites, extensions, out);
        });
    }

    fn emit_extensions(&self, config: &Config, cookie_13: Option<&[u8]>, out: &mut Vec<u8>) {
        let start = out.len();
        if config.speaks(Version::Dtls12) {
            put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| ());
            put_extension(out, ExtensionType::RENEGOTIATION_INFO, renegotiation_info::emit);
            put_extension(out, ExtensionType::EC_POINT_FORMATS, ec_point_formats::emit);
        }
        put_extension(out, ExtensionType::SUPPORTED_GROUPS, |out| SupportedGroups::emit(&config.groups, out));
        put_extension(out, ExtensionType::SIGNATURE_ALGORITHMS, |out| {
            SignatureAlgorithms::emit(&signature::VERIFIABLE, out);
        });
        if !config.srtp_profiles.is_empty() {
            put_extension(out, ExtensionType::USE_SRTP, |out| UseSrtp::emit(&config.srtp_profiles, out));
        }
        if config.speaks(Version::Dtls13) {
            let versions = [ProtocolVersion::DTLS_1_3, ProtocolVersion::DTLS_1_2];
            let count = if config.speaks(Version::Dtls12) { 2 } else { 1 };
            put_extension(out, ExtensionType::SUPPORTED_VERSIONS, |out| {
                SupportedVersions::emit(&versions[..count], out);
            });
            put_extension(out, ExtensionType::KEY_SHARE, |out| {
                let shares = self.shares.iter().map(|(group, key)| KeyShare::new(*group, key.public()));
                KeyShares::emit(shares, out);
            });
        }
        if let Some(cookie) = cookie_13 {
            put_extension(out, ExtensionType::COOKIE, |out| cookie::emit(cookie, out));
        }
        padding::emit(start, out);
    }
}

fn server_hello_12(
    exchange: &mut Exchange,
    message: &Message,
    hello: &ServerHello<'_>,
) -> Result<Side, Failure> {
    // RFC 8446 §4.1.3: a server that speaks 1.3 says so even here. Then somebody has changed our hello.
    if exchange.config.speaks(Version::Dtls13) && is_downgraded(&hello.random) {
        return Err(doubt(Refusal::Downgrade));
    }
    let suite =
        suite::find(Version::Dtls12, hello.cipher_suite).ok_or_else(|| doubt(Refusal::CipherSuite))?;
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
                let profile = chosen_profile(data, &exchange.config.srtp_profiles);
                srtp_profile = Some(profile.map_err(doubt)?);
            }
            // RFC 5246 §7.4.1.4: only what we asked for may be answered.
            _ => return Err(doubt(Refusal::NotOffered)),
        }
    }
    if !has_extended_master_secret {
        return Err(doubt(Refusal::ExtendedMasterSecret));
    }
    exchange.transcript.decide(Version::Dtls12, suite.hash);
    exchange.note(message);
    let client_random = exchange.random;
    let agreed = Agreed { suite, client_random, server_random: hello.random, srtp_profile };
    Ok(Side::Client12(handshake12::client::Client::new(agreed)))
}

/// RFC 5764 §4.1.1: one of ours, with the MKI that we sent, which is none.
pub(crate) fn chosen_profile(data: &[u8], offered: &[u16]) -> Result<u16, Refusal> {
    let chosen = UseSrtp::parse(data).map_err(|_| Refusal::Malformed)?;
    let mut profiles = chosen.profiles();
    match (profiles.next(), profiles.next()) {
        (Some(profile), None) if offered.contains(&profile) && chosen.mki().is_empty() => Ok(profile),
        _ => Err(Refusal::NotOffered),
    }
}
