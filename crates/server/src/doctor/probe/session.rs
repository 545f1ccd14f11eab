//! A publisher's session that never connects: it shows whether offers are answered, and lets checks be answered.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use headwater_ice::Credentials;
use headwater_ice::attribute::{IceControlling, Priority};
use headwater_sfu::rtp::Codec;
use headwater_sfu::track::Format;
use headwater_sfu::{Certificate, Config, Offering, Sfu};
use headwater_stun::attribute::Username;
use headwater_stun::{Class, Key, Message, MessageBuilder, Method, TransactionId};

use super::super::finding::Findings;
use super::super::patient::{Patient, Token, here};
use super::http::{self, Answer, Ask};
use super::link::Link;
use super::media::transaction_id;
use crate::seed;

/// What a peer-reflexive candidate has (RFC 8445 §5.1.2.1); nobody compares it here.
const PRIORITY: Priority = Priority(0x6e00_01ff);

/// An answered offer.
pub(super) struct Session {
    server: SocketAddr,
    secure: bool,
    path: String,
    /// For a check's user name: theirs, then ours.
    username: String,
    key: Key,
    /// TCP addresses that the answer names.
    pub(super) tcp: Vec<SocketAddr>,
    /// UDP addresses that the answer names.
    pub(super) udp: Vec<SocketAddr>,
    pub(super) links: Vec<Link>,
}

/// Offers a stream that nobody knows. `None`: the findings say why not.
pub(super) async fn open(patient: &Patient<'_>, findings: &mut Findings) -> Option<Session> {
    let token = match patient.token() {
        Token::Is(token) => Some(token),
        Token::None => None,
        Token::Unknown => {
            findings.hint(
                "token-unknown",
                "the running server made its own tokens, so that signalling, relay and ICE-TCP are not checked",
                "Without the token no offer is answered. Stop the server for the check, or set a token.",
                "publish_token = \"A-LONG-RANDOM-WORD\"",
            );
            return None;
        }
    };
    let server = here(*patient.tcp.first()?);
    let (secure, stream) = (patient.is_secure(), format!("doctor-{}", seed::token()));
    let offer = offer(&stream)?;
    let path = format!("/whip/{stream}");
    let ask = Ask { method: "POST", path: &path, token, body: &offer };
    let refused = |why: String| {
        (
            format!("{path} does not answer an offer: {why}"),
            "Nobody can publish, and so nobody has anything to watch.",
        )
    };
    let (found, why) = match http::ask(server, secure, &ask).await {
        Ok(answer) if answer.status == 201 => match Session::read(server, secure, &offer, &answer) {
            Some(session) => {
                findings.well("WHIP answers an offer");
                return Some(session);
            }
            None => refused("the answer lacks what RFC 9725 asks for".to_owned()),
        },
        Ok(answer) if answer.status == 401 => {
            findings.warning(
                "token-differs",
                "the running server does not take the publish_token of these settings",
                "It was started with others: what is checked here is not what runs.",
                "systemctl restart headwater    # with these settings",
            );
            return None;
        }
        Ok(answer) => refused(format!("status {}, {}", answer.status, answer.body.trim())),
        Err(error) => refused(error.to_string()),
    };
    findings.fault("signalling-refused", found, why, "log = \"debug\"    # the server's log says more");
    None
}

impl Session {
    fn read(server: SocketAddr, secure: bool, offer: &str, answer: &Answer) -> Option<Self> {
        let (ours, theirs) = (credentials(offer)?, credentials(&answer.body)?);
        let path = answer.header("location").next()?.to_owned();
        let of = |transport| candidates(&answer.body, transport).collect();
        let (tcp, udp) = (of("tcp"), of("udp"));
        let links = answer.header("link").filter_map(Link::parse).collect();
        let username = format!("{}:{}", theirs.ufrag, ours.ufrag);
        Some(Self { server, secure, path, username, key: Key::short_term(&theirs.password), tcp, udp, links })
    }

    /// A check, as ICE's full agent would send it (RFC 8445 §7.2.2). It nominates nothing.
    pub(super) fn check(&self) -> Check<'_> {
        let (id, mut request) = (transaction_id(), Vec::new());
        let _ = MessageBuilder::request(Method::BINDING, id, &mut request)
            .attribute(&Username(&self.username))
            .attribute(&PRIORITY)
            .attribute(&IceControlling(u64::MAX))
            .integrity(&self.key)
            .fingerprint();
        Check { request, id, key: &self.key }
    }

    /// Ends it; a server that does not hear forgets it by itself.
    pub(super) async fn close(self) {
        let _ = http::ask(self.server, self.secure, &Ask::new("DELETE", &self.path)).await;
    }
}

/// A check and what its answer must be.
pub(super) struct Check<'k> {
    pub(super) request: Vec<u8>,
    id: TransactionId,
    key: &'k Key,
}

impl Check<'_> {
    /// Is this the answer, by who knows the password?
    pub(super) fn is_answered_by(&self, message: &Message<'_>) -> bool {
        message.class() == Class::Success
            && message.transaction_id() == self.id
            && message.verify_integrity(self.key).is_ok()
    }
}

/// What a browser would offer: one audio line.
fn offer(stream: &str) -> Option<String> {
    let certificate = Certificate::generate().ok()?;
    let somewhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Instant::now();
    let mut client = Sfu::new(Config::new(certificate, vec![somewhere]), seed::seed(), now, unix).ok()?;
    let opus = Format { codec: Codec::Opus, clock_rate: 48_000, parameters: String::new() };
    client.offer(now, stream, &Offering::sending(vec![opus])).ok().map(|offered| offered.offer)
}

fn credentials(sdp: &str) -> Option<Credentials> {
    let value = |name| sdp.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Credentials::new(value("a=ice-ufrag:")?, value("a=ice-pwd:")?).ok()
}

/// `a=candidate:foundation component transport priority address port ..` (RFC 8839 §5.1).
fn candidates<'a>(sdp: &'a str, transport: &'a str) -> impl Iterator<Item = SocketAddr> + 'a {
    sdp.lines().filter_map(|line| line.strip_prefix("a=candidate:")).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(2)?.eq_ignore_ascii_case(transport);
        let address = SocketAddr::new(fields.get(4)?.parse().ok()?, fields.get(5)?.parse().ok()?);
        is_it.then_some(address)
    })
}
