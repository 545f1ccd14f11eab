//! How media comes in: one room per protocol.

mod whip;

use axum::Router;

use crate::http::Shared;

pub(crate) fn routes() -> Router<Shared> {
    whip::routes()
}
