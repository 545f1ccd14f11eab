//! TURN: whether there is any, and whether its credentials can be good.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headwater_stun::Uri;

use super::super::finding::Findings;
use super::super::patient::Patient;
use super::clock::date;
use crate::config::IceServer;

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    let config = patient.config;
    let is_turn = |server: &IceServer| server.url.starts_with("turn");
    for server in &config.ice_servers {
        if let Err(error) = server.url.parse::<Uri>() {
            findings.fault(
                "ice-server-url",
                format!("ice_servers: {} is no address of a STUN or TURN server: {error}", server.url),
                "Browsers refuse the whole list for it, and do not connect at all.",
                "url = \"turn:turn.example.org:3478?transport=udp\"",
            );
        } else if is_turn(server) {
            credentials(server, patient.machine.now, findings);
        }
    }
    if config.no_turn && !config.ice_servers.iter().any(is_turn) {
        findings.warning(
            "turn-none",
            "there is no TURN server: no_turn is set, and ice_servers names none",
            "Clients behind strict firewalls have no way left when UDP to the media port is blocked.",
            "no_turn = false",
        );
    }
}

fn credentials(server: &IceServer, now: SystemTime, findings: &mut Findings) {
    let IceServer { url, username, credential } = server;
    let (Some(username), Some(_)) = (username, credential) else {
        let key = if username.is_none() { "username = \"NAME\"" } else { "credential = \"PASSWORD\"" };
        findings.fault(
            "turn-no-credentials",
            format!("ice_servers: {url} has no username and credential"),
            "Browsers throw an error for a turn: server without both, and do not connect at all.",
            key,
        );
        return;
    };
    // What is made of a secret is `time:name`, the time when it ends.
    let Some(ends) = rest_end(username) else { return };
    let fresh = "no_turn = false    # our own TURN server hands out fresh ones, or make new ones with the other's secret";
    if ends <= now {
        findings.fault(
            "turn-expired",
            format!("ice_servers: the credentials of {url} ended on {}", date(ends)),
            "The TURN server refuses them: whoever needs a relay does not connect.",
            fresh,
        );
    } else {
        findings.warning(
            "turn-expires",
            format!("ice_servers: the credentials of {url} end on {}", date(ends)),
            "In a file they do not renew themselves: after that the TURN server refuses them.",
            fresh,
        );
    }
}

/// When a time-limited user name ends: its digits before the colon, if they are a time of this century.
fn rest_end(username: &str) -> Option<SystemTime> {
    const YEAR_2001: u64 = 1_000_000_000;
    const YEAR_2286: u64 = 10_000_000_000;
    let seconds = username.split(':').next()?.parse().ok()?;
    (YEAR_2001..YEAR_2286).contains(&seconds).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}
