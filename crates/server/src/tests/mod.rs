//! The router against a made-up media node: one test is one claim about an answer.

mod access;
mod api;
mod cors;
pub(crate) mod folder;
pub(crate) mod gullible;
mod hostile;
mod pages;
mod whep;
mod whip;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use headwater_node::{SignalError, Trickle};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::config::IceServer;
use crate::http::{App, Peer, Shared, router};
use crate::ice_servers::IceServers;
use crate::media::{Backend, Created, Media, Reply};
use crate::metrics::{HttpCounters, Sample};
use crate::tokens::{Access, Token};
use crate::view::{SessionView, StreamView};

const SDP: (&str, &str) = ("content-type", "application/sdp");
const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");
const OFFER: &str = "v=0\r\n";

/// Sessions `s1`, `s2`.. with the ETag `e1`; a restart makes it `e2`.
#[derive(Default)]
struct FakeState {
    refusal: Option<SignalError>,
    /// Replies are dropped, as by a worker that died.
    dead: bool,
    sessions: Vec<SessionView>,
    offers: Vec<(String, String, IpAddr)>,
    made: usize,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<FakeState>>);

impl Fake {
    fn refuse(&self, error: SignalError) {
        self.0.lock().unwrap().refusal = Some(error);
    }

    fn sessions(&self) -> usize {
        self.0.lock().unwrap().sessions.len()
    }

    fn create(
        &self,
        kind: &'static str,
        stream: &str,
        offer: String,
        from: IpAddr,
        reply: Reply<Result<Created, SignalError>>,
    ) {
        let mut state = self.0.lock().unwrap();
        if state.dead {
            return;
        }
        state.offers.push((stream.to_owned(), offer, from));
        if let Some(error) = state.refusal.take() {
            drop(state);
            return reply(Err(error));
        }
        state.made += 1;
        let id = format!("s{}", state.made);
        state.sessions.push(SessionView {
            id: id.clone(),
            stream: stream.to_owned(),
            kind,
            ..Default::default()
        });
        drop(state);
        reply(Ok(Created { id, answer: "v=0\r\nanswer\r\n".to_owned(), etag: "e1".to_owned() }));
    }
}

impl Backend for Fake {
    fn publish(&self, stream: &str, offer: String, from: IpAddr, reply: Reply<Result<Created, SignalError>>) {
        self.create("publisher", stream, offer, from, reply);
    }

    fn watch(&self, stream: &str, offer: String, from: IpAddr, reply: Reply<Result<Created, SignalError>>) {
        self.create("viewer", stream, offer, from, reply);
    }

    fn trickle(&self, id: &str, _: String, etag: Option<String>, reply: Reply<Result<Trickle, SignalError>>) {
        let known = self.0.lock().unwrap().sessions.iter().any(|session| session.id == id);
        reply(match etag.as_deref() {
            _ if !known => Err(SignalError::UnknownSession),
            Some("e1") => Ok(Trickle::Accepted),
            Some("*") => {
                Ok(Trickle::Restarted { fragment: "a=ice-ufrag:new\r\n".to_owned(), etag: "e2".to_owned() })
            }
            _ => Err(SignalError::StaleEtag),
        });
    }

    fn close(&self, id: &str, reply: Reply<bool>) {
        let mut state = self.0.lock().unwrap();
        let before = state.sessions.len();
        state.sessions.retain(|session| session.id != id);
        let closed = state.sessions.len() < before;
        drop(state);
        reply(closed);
    }

    fn streams(&self, reply: Reply<Vec<StreamView>>) {
        let stream = StreamView {
            name: "live".to_owned(),
            live: true,
            codecs: vec!["VP8".to_owned()],
            ..Default::default()
        };
        reply(vec![stream]);
    }

    fn sessions(&self, reply: Reply<Vec<SessionView>>) {
        let sessions = self.0.lock().unwrap().sessions.clone();
        reply(sessions);
    }

    fn counters(&self) -> Vec<Sample> {
        vec![Sample::gauge("headwater_sessions", "Sessions now.", &[("kind", "viewer")], 7)]
    }

    fn dump(&self, id: &str, time: Duration, reply: Reply<Option<Vec<u8>>>) {
        let known = self.0.lock().unwrap().sessions.iter().any(|session| session.id == id);
        reply(known.then(|| format!("#!rtpplay1.0 {}", time.as_secs()).into_bytes()));
    }

    fn shutdown(&self, _: Duration) {}
}

/// A server without sockets.
pub(crate) struct Server {
    router: Router,
    pub(crate) app: Shared,
    fake: Fake,
    peer: SocketAddr,
}

/// Tokens `p`, `w` and `a`, one ICE server, a client out in the world.
pub(crate) fn server() -> Server {
    let token = |secret| Some(Token::new(secret));
    Server::new(Access { publish: token("p"), watch: token("w"), admin: token("a") }, "192.0.2.9:4000")
}

/// No tokens, a client on this machine.
fn local_server() -> Server {
    Server::new(Access::default(), "127.0.0.1:4000")
}

impl Server {
    fn new(access: Access, peer: &str) -> Self {
        let fake = Fake::default();
        let ice_server = IceServer {
            url: "turn:turn.example:3478?transport=udp".to_owned(),
            username: Some("u\"ser".to_owned()),
            credential: Some("c".to_owned()),
        };
        let app = Arc::new(App {
            media: Media::new(fake.clone()),
            access,
            open: false,
            ice_servers: IceServers::new(&[ice_server], None),
            counters: HttpCounters::new(),
            stopping: AtomicBool::new(false),
        });
        Self { router: router(Arc::clone(&app)), app, fake, peer: peer.parse().unwrap() }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .header("host", "127.0.0.1:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(Peer(self.peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Publishes and gives the session's path.
    async fn live(&self) -> String {
        let answer = self.send("POST", "/whip/live", &[SDP, bearer("p")], OFFER).await;
        assert_eq!(answer.status, 201);
        answer.header("location").to_owned()
    }

    fn stop(&self) {
        self.app.stopping.store(true, Ordering::Relaxed);
    }
}

fn bearer(token: &str) -> (&'static str, &'static str) {
    let value = match token {
        "p" => "Bearer p",
        "w" => "Bearer w",
        "a" => "Bearer a",
        _ => "Bearer wrong",
    };
    ("authorization", value)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// It is a whole problem of this status and code: RFC 9457 body, readable by other sites' scripts.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(status.into()), Some(code)));
        assert!(!body["detail"].as_str().unwrap().is_empty());
        assert!(!body["title"].as_str().unwrap().is_empty());
    }
}
