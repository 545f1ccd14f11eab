//! How viewers come: one room per protocol.

mod whep;

use axum::Router;

use crate::http::Shared;

pub(crate) fn routes() -> Router<Shared> {
    whep::routes()
}
