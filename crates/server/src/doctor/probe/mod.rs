//! Asking the server what its clients would ask.

pub(super) mod http;
mod ice_tcp;
mod link;
mod media;
mod relay;
mod session;
mod turn;
mod way;

use super::finding::Findings;
use super::patient::{Life, Patient};

/// All probes, of a server that is there.
pub(super) async fn all(patient: &Patient<'_>, findings: &mut Findings) {
    if matches!(patient.life, Life::None) {
        return;
    }
    http::check(patient, findings).await;
    if findings.has("http-unreachable") {
        return media::check(patient, None, findings).await;
    }
    let session = session::open(patient, findings).await;
    media::check(patient, session.as_ref(), findings).await;
    if let Some(session) = session {
        ice_tcp::check(patient, &session, findings).await;
        relay::check(patient, &session, findings).await;
        session.close().await;
    }
}
