//! The HTTP side as one router: which room answers which path, and what every answer carries.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::debug;

use crate::ice_servers::IceServers;
use crate::media::Media;
use crate::metrics::{self, HttpCounters};
use crate::problem::Problem;
use crate::tokens::Access;
use crate::{api, egress, ingest, pages};

/// What scripts of other sites may read of an answer: without these a browser's WHIP client cannot work.
const EXPOSED: &str = "Location, Link, ETag, Accept-Patch, Accept-Post, Retry-After, WWW-Authenticate";
const ALLOWED_METHODS: &str = "POST, PATCH, DELETE, OPTIONS, HEAD, GET";
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, If-Match";
/// How long a browser may keep a preflight's answer, seconds.
const PREFLIGHT_AGE: &str = "86400";

/// What all requests share.
pub(crate) struct App {
    pub(crate) media: Media,
    pub(crate) access: Access,
    /// Runs with `--open`.
    pub(crate) open: bool,
    pub(crate) ice_servers: IceServers,
    pub(crate) counters: HttpCounters,
    /// The server is going down: no new sessions.
    pub(crate) stopping: AtomicBool,
}

pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// All routes.
pub(crate) fn router(app: Shared) -> Router {
    Router::new()
        .merge(ingest::routes())
        .merge(egress::routes())
        .merge(api::routes())
        .merge(pages::routes())
        .route("/metrics", get(metrics::show))
        .route("/healthz", get(healthz))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&app), frame))
        .with_state(app)
}

async fn healthz(State(app): State<Shared>) -> Response {
    let (status, word) = if app.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ok\n")
    };
    (status, [(CACHE_CONTROL, "no-store")], word).into_response()
}

/// A file of the pages, or nothing.
async fn unknown(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let page = matches!(method, Method::GET | Method::HEAD)
        .then(|| pages::file(uri.path().trim_start_matches('/'), &headers))
        .flatten();
    page.unwrap_or_else(|| Problem::not_found("There is nothing at this address.").into_response())
}

/// The `Allow` header is added by the router, which knows the methods.
async fn wrong_method(method: Method) -> Problem {
    let method: String = method.as_str().chars().take(16).collect();
    let detail = format!("This resource does not take {method}; the Allow header lists what it takes.");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

/// Goes around every request: headers that all answers carry, counters, a debug line.
async fn frame(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    // The template, not the path: a session's path is a secret of its client.
    let route = request.extensions().get::<MatchedPath>().map_or("-", |path| path.as_str()).to_owned();
    let cross_origin = is_cross_origin(request.uri().path());

    let mut response = next.run(request).await;

    app.counters.note_response(response.status());
    debug!(%method, route, status = response.status().as_u16(), elapsed = ?started.elapsed(), "answered");
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Page URLs hold tokens.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if cross_origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

/// Players and publishers live on other sites too; administration and metrics do not.
fn is_cross_origin(path: &str) -> bool {
    let under =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    under("/whip") || under("/whep") || under("/api/v1/streams")
}

/// Answers a preflight. The same for all names: a browser must get as far as the real answer to learn what is
/// wrong.
pub(crate) async fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
        (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The address that the request came from; the listener puts it there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Peer {
    /// In its plain form: an IPv4 address that came in over an IPv6 socket is an IPv4 address.
    pub(crate) fn ip(self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let lost =
            || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The client has no address.");
        parts.extensions.get::<Self>().copied().ok_or_else(lost)
    }
}

/// The stream (and session) that a path names.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) stream: String,
    /// Empty on the endpoint itself.
    pub(crate) session: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_not_utf8| Problem::invalid_stream_name())?;
        let mut target = Self { stream: String::new(), session: String::new() };
        for (name, value) in &params {
            match name {
                "stream" if is_stream_name(value) => value.clone_into(&mut target.stream),
                "stream" => return Err(Problem::invalid_stream_name()),
                "session" if is_session_id(value) => value.clone_into(&mut target.session),
                _ => return Err(Problem::unknown_session()),
            }
        }
        Ok(target)
    }
}

/// 1 to 64 of `A-Z a-z 0-9 . _ -`, not starting with a dot: safe in paths, headers, logs and file names.
pub(crate) fn is_stream_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(fits)
}

/// Not whether it exists: whether it could.
fn is_session_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=128).contains(&id.len()) && id.bytes().all(fits)
}
