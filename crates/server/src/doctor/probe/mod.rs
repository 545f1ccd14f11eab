//! Asking the server what its clients would ask.

pub(super) mod http;
mod ice_tcp;
mod link;
mod media;
pub(super) mod outer;
mod relay;
mod session;
mod turn;
mod way;

use std::net::SocketAddr;

use super::finding::Findings;
use super::patient::{Life, Patient};

/// All probes, of a server that is there. Returns addresses of no interface that were seen to lead here.
pub(super) async fn all(patient: &Patient<'_>, findings: &mut Findings) -> Vec<SocketAddr> {
    if matches!(patient.life, Life::None) {
        return Vec::new();
    }
    http::check(patient, findings).await;
    if findings.has("http-unreachable") {
        return media::check(patient, None, findings).await;
    }
    let Some(session) = session::open(patient, findings).await else {
        return media::check(patient, None, findings).await;
    };
    // A session validates few addresses: each kind of probe has its own, one after the other.
    let mut proven = media::check(patient, Some(&session), findings).await;
    let Some(session) = session.renew(findings).await else { return proven };
    ice_tcp::check(patient, &session, findings).await;
    let Some(session) = session.renew(findings).await else { return proven };
    proven.extend(relay::check(patient, &session, findings).await);
    session.close().await;
    proven
}
