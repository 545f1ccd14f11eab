//! WHIP (RFC 9725): `/whip/{stream}` takes offers, `/whip/{stream}/{session}` is one publisher.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{patch, post};

use crate::http::{Peer, Shared, Target, preflight};
use crate::problem::Problem;
use crate::signal::{self, Side};

/// RFC 9725 §4.2 reserves GET, HEAD and PUT: they get 405 by having no handler.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/whip/{stream}", post(publish).options(discover))
        .route("/whip/{stream}/{session}", patch(trickle).delete(delete).options(preflight))
}

async fn publish(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    signal::create(Side::Ingest, app, peer, target, headers, body).await
}

async fn trickle(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    signal::trickle(Side::Ingest, app, peer, target, headers, body).await
}

async fn delete(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    signal::delete(Side::Ingest, app, peer, target, headers).await
}

async fn discover(State(app): State<Shared>, peer: Peer, headers: HeaderMap) -> Response {
    signal::discover(Side::Ingest, &app, peer, &headers).await
}
