//! WHEP (draft-ietf-wish-whep): `/whep/{stream}` takes offers, `/whep/{stream}/{session}` is one viewer.
//!
//! The answer always answers the viewer's offer. The draft's other way (406 with an offer of the server, answered
//! by PATCH) is left out: 406 means that no codec is common, and says which were offered.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{patch, post};

use crate::http::{Peer, Shared, Target, preflight};
use crate::problem::Problem;
use crate::signal::{self, ACCEPT_POST, SDP, Side};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/whep/{stream}", post(watch).options(discover).head(describe))
        .route("/whep/{stream}/{session}", patch(trickle).delete(delete).options(preflight))
}

async fn watch(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    signal::create(Side::Egress, app, peer, target, headers, body).await
}

async fn trickle(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    signal::trickle(Side::Egress, app, peer, target, headers, body).await
}

async fn delete(
    State(app): State<Shared>,
    peer: Peer,
    target: Result<Target, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    signal::delete(Side::Egress, app, peer, target, headers).await
}

async fn discover(State(app): State<Shared>, peer: Peer, headers: HeaderMap) -> Response {
    signal::discover(Side::Egress, &app, peer, &headers).await
}

/// A player that has only a URL learns from HEAD that it is a WHEP endpoint.
async fn describe(target: Result<Target, Problem>) -> Result<Response, Problem> {
    target?;
    Ok([(CONTENT_TYPE, SDP), (ACCEPT_POST, SDP)].into_response())
}
