//! A publisher's session that never connects: it shows whether offers are answered, and lets checks be answered.

use std::collections::BTreeSet;
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
use super::super::patient::{Life, Patient, Token, here};
use super::http::{self, Answer, Ask};
use super::link::Link;
use super::media::transaction_id;
use crate::seed;

/// What a peer-reflexive candidate has (RFC 8445 §5.1.2.1); nobody compares it here.
const PRIORITY: Priority = Priority(0x6e00_01ff);

/// Where offers go, and with which token.
#[derive(Clone)]
struct Desk {
    server: SocketAddr,
    secure: bool,
    token: Option<String>,
}

/// Why there is no session.
enum Refusal {
    Token,
    /// A limit is reached: which one.
    Full(String),
    Other(String),
}

/// An answered offer.
pub(super) struct Session {
    desk: Desk,
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
        Token::Is(token) => Some(token.to_owned()),
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
    let desk = Desk { server: here(*patient.tcp.first()?), secure: patient.is_secure(), token };
    let session = desk.offer().await.map_err(|refusal| refusal.tell(findings)).ok()?;
    findings.well("WHIP answers an offer");
    compare(patient, &session, findings);
    Some(session)
}

/// A server that runs may have been started with other settings, or before an address was another.
fn compare(patient: &Patient<'_>, session: &Session, findings: &mut Findings) {
    let [tells, would] = [&session.udp, &patient.advertised].map(|all| all.iter().collect::<BTreeSet<_>>());
    if matches!(patient.life, Life::Runs) && tells != would {
        let list =
            |all: BTreeSet<&SocketAddr>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        findings.warning(
            "advertise-differs",
            format!("the running server tells clients {}, with these settings it is {}", list(tells), list(would)),
            "It was started with others, or an address has changed since: what is checked here is not what runs.",
            "systemctl restart headwater    # with these settings",
        );
    }
}

impl Refusal {
    fn tell(self, findings: &mut Findings) {
        match self {
            Self::Token => findings.warning(
                "token-differs",
                "the running server does not take the publish_token of these settings",
                "It was started with others: what is checked here is not what runs.",
                "systemctl restart headwater    # with these settings",
            ),
            Self::Full(why) => findings.warning(
                "server-full",
                format!("the running server answers no offer now: {why}"),
                "Who wants to publish or watch is refused in the same way. Signalling, ICE-TCP and relays are not checked.",
                "[limits]    # streams, sessions_per_address, pending_sessions: raise the one that is named",
            ),
            Self::Other(why) => findings.fault(
                "signalling-refused",
                format!("WHIP does not answer an offer: {why}"),
                "Nobody can publish, and so nobody has anything to watch.",
                "log = \"debug\"    # the server's log says more",
            ),
        }
    }
}

impl Desk {
    async fn offer(&self) -> Result<Session, Refusal> {
        let stream = format!("doctor-{}", seed::token());
        let offer = offer(&stream).ok_or_else(|| Refusal::Other("no offer can be made".to_owned()))?;
        let path = format!("/whip/{stream}");
        let ask = Ask { method: "POST", path: &path, token: self.token.as_deref(), body: &offer };
        let answer = http::ask(self.server, self.secure, &ask).await;
        let answer = answer.map_err(|error| Refusal::Other(error.to_string()))?;
        match answer.status {
            201 => Session::read(self, &offer, &answer)
                .ok_or_else(|| Refusal::Other("the answer lacks what RFC 9725 asks for".to_owned())),
            401 => Err(Refusal::Token),
            429 | 503 if answer.body.contains("\"limit-reached\"") => {
                Err(Refusal::Full(detail(&answer.body)))
            }
            status => Err(Refusal::Other(format!("status {status}, {}", detail(&answer.body)))),
        }
    }
}

impl Session {
    fn read(desk: &Desk, offer: &str, answer: &Answer) -> Option<Self> {
        let (ours, theirs) = (credentials(offer)?, credentials(&answer.body)?);
        let path = answer.header("location").next()?.to_owned();
        let of = |transport| candidates(&answer.body, transport).collect();
        let (tcp, udp) = (of("tcp"), of("udp"));
        let links = answer.header("link").filter_map(Link::parse).collect();
        let username = format!("{}:{}", theirs.ufrag, ours.ufrag);
        Some(Self {
            desk: desk.clone(),
            path,
            username,
            key: Key::short_term(&theirs.password),
            tcp,
            udp,
            links,
        })
    }

    /// Ends this one and opens another, which has validated no address yet. `None`: the findings say why.
    pub(super) async fn renew(self, findings: &mut Findings) -> Option<Self> {
        let desk = self.desk.clone();
        self.close().await;
        desk.offer().await.map_err(|refusal| refusal.tell(findings)).ok()
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
        let Desk { server, secure, token } = &self.desk;
        let ask = Ask { token: token.as_deref(), ..Ask::new("DELETE", &self.path) };
        let _ = http::ask(*server, *secure, &ask).await;
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

/// What a problem says to people (RFC 9457 §3.1), else the words of the body, in one line.
fn detail(body: &str) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let detail = problem.as_ref().and_then(|it| it.get("detail")?.as_str());
    detail.unwrap_or(body).split_whitespace().collect::<Vec<_>>().join(" ")
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
