//! Tokens: who may publish, and whether their links live longer than the server.

use super::super::finding::Findings;
use super::super::patient::Patient;

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    let config = patient.config;
    if !patient.is_beyond_loopback() {
        // A proxy hands everybody's requests on as its own: no token is made for them.
        if patient.is_media_beyond_loopback() && config.publish_token.is_none() && !config.open {
            findings.hint(
                "tokens-proxy",
                "HTTP is on loopback, where no token is needed",
                "If a proxy on this machine hands requests on, everybody who reaches it may publish and watch.",
                "publish_token = \"A-LONG-RANDOM-WORD\"",
            );
        }
        return;
    }
    if config.open && config.publish_token.is_none() {
        findings.warning(
            "open",
            "everybody may publish: open = true, and HTTP is there for other machines",
            "Strangers find open servers, and send what they like under your name.",
            "publish_token = \"A-LONG-RANDOM-WORD\"",
        );
    } else if config.publish_token.is_none() || (config.watch_token.is_none() && !config.open) {
        let key = if config.publish_token.is_none() { "publish_token" } else { "watch_token" };
        findings.warning(
            "tokens-new",
            format!("{key} is not set: another one is made at each start"),
            "Links and encoder settings that people have end with the next restart.",
            format!("{key} = \"A-LONG-RANDOM-WORD\""),
        );
    } else {
        findings.well("tokens are set");
    }
}
