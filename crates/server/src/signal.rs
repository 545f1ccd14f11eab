//! What WHIP and WHEP have in common: an offer makes a session, a session is trickled to and deleted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH,
    LINK, LOCATION,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headwater_node::Trickle;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;
use tracing::{debug, info};

use crate::http::{Peer, Shared, Target, preflight};
use crate::problem::Problem;
use crate::tokens::Right;

pub(crate) const SDP: &str = "application/sdp";
pub(crate) const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Largest offer or fragment, bytes. Browsers' offers with everything in them have 10 KiB.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Which way the media goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// WHIP: the client publishes.
    Ingest,
    /// WHEP: the client watches.
    Egress,
}

impl Side {
    fn right(self) -> Right {
        match self {
            Self::Ingest => Right::Publish,
            Self::Egress => Right::Watch,
        }
    }

    fn root(self) -> &'static str {
        match self {
            Self::Ingest => "/whip",
            Self::Egress => "/whep",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ingest => "publisher",
            Self::Egress => "viewer",
        }
    }
}

/// POST of an offer: 201 with the answer (RFC 9725 §4.2). Whoever lacks the token is refused before anything
/// of the request is looked at.
pub(crate) async fn create(
    side: Side,
    app: Shared,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    app.access.check(side.right(), &headers, peer.ip())?;
    let stream = target?.stream;
    if app.is_stopping() {
        return Err(Problem::unavailable("This server is shutting down."));
    }
    check_content_type(&headers, SDP, ACCEPT_POST)?;
    let offer = read_text(&headers, body).await?;

    let (counter, created) = match side {
        Side::Ingest => (&app.counters.publish_requests, app.media.publish(&stream, offer, peer.ip()).await),
        Side::Egress => (&app.counters.watch_requests, app.media.watch(&stream, offer, peer.ip()).await),
    };
    counter.fetch_add(1, Ordering::Relaxed);
    let created = created.inspect_err(|problem| {
        debug!(kind = side.word(), stream, code = problem.code, detail = problem.detail, "refused");
    })?;
    info!(kind = side.word(), stream, session = short(&created.id), "session begins");
    debug!(session = short(&created.id), from = %peer.ip(), "client's address");

    let location = header_value(&format!("{}/{stream}/{}", side.root(), created.id))?;
    let links = app.ice_servers.links(&headers);
    let mut response = (StatusCode::CREATED, created.answer).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(LOCATION, location);
    headers.insert(ETAG, entity_tag(&created.etag)?);
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(SDP_FRAGMENT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for link in links {
        headers.append(LINK, link);
    }
    Ok(response)
}

/// OPTIONS: what may be done here, to anybody; to who may do it, the ICE servers as well, for clients that cannot change
/// theirs after the offer (RFC 9725 §4.6).
pub(crate) async fn discover(side: Side, app: &Shared, peer: Peer, headers: &HeaderMap) -> Response {
    let mut response = ([(ACCEPT_POST, SDP)], preflight().await).into_response();
    // A preflight of a browser comes without the token, and is no try to do without.
    let is_preflight = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight && app.access.check(side.right(), headers, peer.ip()).is_ok() {
        let links = app.ice_servers.links(headers);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for link in links {
            response.headers_mut().append(LINK, link);
        }
    }
    response
}

/// PATCH of a trickle fragment: 204 for candidates, 200 with a fragment after an ICE restart (RFC 9725 §4.3).
pub(crate) async fn trickle(
    side: Side,
    app: Shared,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    app.access.check(side.right(), &headers, peer.ip())?;
    let target = target?;
    check_content_type(&headers, SDP_FRAGMENT, ACCEPT_PATCH)?;
    let etag = if_match(&headers)?;
    let fragment = read_text(&headers, body).await?;
    match app.media.trickle(&target.session, fragment, Some(etag)).await? {
        Trickle::Restarted { fragment, etag } => {
            debug!(
                kind = side.word(),
                stream = target.stream,
                session = short(&target.session),
                "ICE restarts"
            );
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static(SDP_FRAGMENT)),
                (ETAG, entity_tag(&etag)?),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            Ok((headers, fragment).into_response())
        }
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// DELETE: 200, and the session is gone.
pub(crate) async fn delete(
    side: Side,
    app: Shared,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.access.check(side.right(), &headers, peer.ip())?;
    let target = target?;
    if !app.media.close(&target.session).await? {
        return Err(Problem::unknown_session());
    }
    info!(
        kind = side.word(),
        stream = target.stream,
        session = short(&target.session),
        "session ended by its client"
    );
    Ok(StatusCode::OK.into_response())
}

/// A session's id opens it, so that logs get its beginning only.
pub(crate) fn short(id: &str) -> &str {
    id.get(..6).unwrap_or(id)
}

/// Parameters (`; charset=..`) do not matter; the type's case neither (RFC 9110 §8.3.1).
fn check_content_type(
    headers: &HeaderMap,
    expected: &'static str,
    accept: HeaderName,
) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let detail = format!("The body's Content-Type must be {expected}.");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-content-type", detail)
        .header(accept, expected))
}

async fn read_text(headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    let too_large = || {
        let detail = format!("The body may have {MAX_BODY} bytes at most.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_large());
    }
    let collected =
        timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await.map_err(|_elapsed| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The body did not arrive in time.")
        })?;
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(_) => {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "broken-body", "The body could not be read."));
        }
    };
    String::from_utf8(bytes.into())
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "invalid-offer", "The body is not UTF-8 text."))
}

/// The entity-tag that the client holds, or `*` for an ICE restart (RFC 9725 §4.3.1, which writes it in quotes).
fn if_match(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let missing = || {
        let detail = "An If-Match header with the session's ETag is needed, or \"*\" to restart ICE.";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "missing-if-match", detail)
    };
    let unfit = || {
        let detail = "If-Match must hold the one ETag of this session.";
        Problem::new(StatusCode::PRECONDITION_FAILED, "stale-etag", detail)
    };
    let value = values.next().ok_or_else(missing)?.to_str().map_err(|_| unfit())?.trim();
    if value == "*" {
        return Ok(value.to_owned());
    }
    // A weak tag (`W/"x"`) never matches here: RFC 9110 §13.1.1 compares strongly.
    let tag = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(unfit)?;
    if tag.contains('"') || values.next().is_some() {
        return Err(unfit());
    }
    Ok(tag.to_owned())
}

fn entity_tag(opaque: &str) -> Result<HeaderValue, Problem> {
    header_value(&format!("\"{}\"", opaque.trim_matches('"')))
}

fn header_value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|_| {
        let detail = "The answer could not be put into a header.";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    })
}
