//! `/api/v1`: what is live, who is connected. JSON; details and commands are for administrators.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tracing::info;

use crate::http::{Peer, Shared, Target, preflight};
use crate::problem::Problem;
use crate::signal::short;
use crate::tokens::Right;
use crate::view::{SessionView, StreamView};

/// Default and longest time that a dump records, seconds.
const DUMP_SECONDS: u64 = 10;
const MAX_DUMP_SECONDS: u64 = 60;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/streams", get(streams).options(preflight))
        .route("/api/v1/sessions", get(sessions))
        .route("/api/v1/sessions/{session}", get(session).delete(close))
        .route("/api/v1/sessions/{session}/dump", get(dump))
}

/// Names and codecs for whoever may watch; everything for administrators.
async fn streams(State(app): State<Shared>, peer: Peer, headers: HeaderMap) -> Result<Response, Problem> {
    let admin = app.access.allows(Right::Admin, &headers, peer.ip());
    if !admin {
        app.access.check(Right::Watch, &headers, peer.ip())?;
    }
    let streams = app.media.streams().await?;
    let streams = if admin { json!(streams) } else { streams.iter().map(StreamView::public).collect() };
    Ok(fresh(json!({ "streams": streams })))
}

async fn sessions(State(app): State<Shared>, peer: Peer, headers: HeaderMap) -> Result<Response, Problem> {
    app.access.check(Right::Admin, &headers, peer.ip())?;
    let sessions = app.media.sessions().await?;
    Ok(fresh(json!({ "sessions": sessions })))
}

async fn session(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.access.check(Right::Admin, &headers, peer.ip())?;
    let id = target?.session;
    let found: Option<SessionView> = app.media.sessions().await?.into_iter().find(|session| session.id == id);
    found.map(|session| fresh(json!(session))).ok_or_else(Problem::unknown_session)
}

async fn close(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.access.check(Right::Admin, &headers, peer.ip())?;
    let id = target?.session;
    if !app.media.close(&id).await? {
        return Err(Problem::unknown_session());
    }
    info!(session = short(&id), "session ended by an administrator");
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct DumpQuery {
    seconds: Option<u64>,
}

/// An rtpdump file: decrypted RTP headers and payload sizes, no payload.
async fn dump(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
    query: Result<Query<DumpQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    app.access.check(Right::Admin, &headers, peer.ip())?;
    let id = target?.session;
    let seconds = query.ok().map(|Query(query)| query.seconds.unwrap_or(DUMP_SECONDS));
    let seconds = seconds.filter(|seconds| (1..=MAX_DUMP_SECONDS).contains(seconds)).ok_or_else(|| {
        let detail = format!("\"seconds\" must be 1 to {MAX_DUMP_SECONDS}.");
        Problem::new(StatusCode::BAD_REQUEST, "invalid-query", detail)
    })?;
    info!(session = short(&id), seconds, "dump begins");
    let bytes =
        app.media.dump(&id, Duration::from_secs(seconds)).await?.ok_or_else(Problem::unknown_session)?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_DISPOSITION, "attachment; filename=\"session.rtpdump\""),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, bytes).into_response())
}

fn fresh(value: serde_json::Value) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(value)).into_response()
}
