//! Errors as the client sees them: `application/problem+json` (RFC 9457) that names what was wrong.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headwater_node::SignalError;
use serde_json::json;

/// How much of a detail (which may quote the client's own offer) is sent back.
const MAX_DETAIL: usize = 1_000;
/// Seconds until a viewer should ask again whether a stream is live.
const NOT_LIVE_RETRY: &str = "2";
/// Seconds until a client should try again after a limit was hit.
const LIMIT_RETRY: &str = "5";

/// A refused request: status, a stable word for programs, a sentence for people.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Stable, for programs: pages choose their words by it.
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), headers: Vec::new() }
    }

    /// Adds a header whose value is known to be one.
    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(crate) fn unknown_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown-session", "There is no such session, or it has ended.")
    }

    pub(crate) fn invalid_stream_name() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "invalid-stream-name",
            "A stream name is 1 to 64 of A-Z a-z 0-9 . _ - and does not start with a dot.",
        )
    }

    /// RFC 6750 §3: a request without a token gets a bare challenge, a wrong one `invalid_token`.
    pub(crate) fn missing_token(what: &str) -> Self {
        let detail = format!("A token is needed {what}: send it as \"Authorization: Bearer <token>\".");
        Self::new(StatusCode::UNAUTHORIZED, "missing-token", detail)
            .header(WWW_AUTHENTICATE, "Bearer realm=\"headwater\"")
    }

    pub(crate) fn wrong_token(what: &str) -> Self {
        let detail = format!("This token does not allow the client {what}.");
        Self::new(StatusCode::UNAUTHORIZED, "wrong-token", detail)
            .header(WWW_AUTHENTICATE, "Bearer realm=\"headwater\", error=\"invalid_token\"")
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).header(RETRY_AFTER, LIMIT_RETRY)
    }
}

impl From<SignalError> for Problem {
    fn from(error: SignalError) -> Self {
        let detail = error.to_string();
        match error {
            SignalError::InvalidName(_) => Self::invalid_stream_name(),
            SignalError::InvalidOffer(_) => Self::new(StatusCode::BAD_REQUEST, "invalid-offer", detail),
            SignalError::NoCommonCodec(_) => Self::new(StatusCode::NOT_ACCEPTABLE, "no-common-codec", detail),
            SignalError::NotLive => {
                Self::new(StatusCode::CONFLICT, "not-live", detail).header(RETRY_AFTER, NOT_LIVE_RETRY)
            }
            SignalError::AlreadyPublished => Self::new(StatusCode::CONFLICT, "already-published", detail),
            SignalError::LimitReached(limit) => {
                // RFC 6585 §4: 429 is for what this client does too much of, 503 for what all do together.
                let one_client = limit.contains("address");
                let status =
                    if one_client { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
                Self::new(status, "limit-reached", detail).header(RETRY_AFTER, LIMIT_RETRY)
            }
            SignalError::UnknownSession => Self::unknown_session(),
            SignalError::StaleEtag => Self::new(StatusCode::PRECONDITION_FAILED, "stale-etag", detail),
            _ => Self::new(StatusCode::BAD_REQUEST, "refused", detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let detail: String = self.detail.chars().take(MAX_DETAIL).collect();
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}
