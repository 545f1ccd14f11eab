//! Firefox over WebDriver BiDi.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::socket::Socket;
use super::{COMMAND_LIMIT, Options, START_LIMIT, Target};
use crate::process::Process;
use crate::{Error, Result};

/// Silent on the network and exact in its clocks. What WebRTC itself does is left as users have it.
const PREFERENCES: &[(&str, &str)] = &[
    ("app.normandy.enabled", "false"),
    ("app.update.disabledForTesting", "true"),
    ("browser.aboutwelcome.enabled", "false"),
    ("browser.newtabpage.enabled", "false"),
    ("browser.safebrowsing.downloads.enabled", "false"),
    ("browser.safebrowsing.malware.enabled", "false"),
    ("browser.safebrowsing.phishing.enabled", "false"),
    ("browser.safebrowsing.update.enabled", "false"),
    ("browser.shell.checkDefaultBrowser", "false"),
    ("browser.startup.page", "0"),
    ("browser.tabs.unloadOnLowMemory", "false"),
    ("captivedetect.canonicalURL", "\"\""),
    ("datareporting.healthreport.uploadEnabled", "false"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("dom.push.connection.enabled", "false"),
    ("dom.timeout.enable_budget_timer_throttling", "false"),
    ("extensions.getAddons.cache.enabled", "false"),
    ("extensions.systemAddon.update.enabled", "false"),
    ("extensions.update.enabled", "false"),
    ("media.gmp-manager.updateEnabled", "false"),
    ("media.gmp-manager.url", "\"\""),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("network.dns.disablePrefetch", "true"),
    ("network.prefetch-next", "false"),
    ("network.trr.mode", "5"),
    ("privacy.reduceTimerPrecision", "false"),
    ("services.settings.server", "\"data:,#remote-settings-dummy/v1\""),
    ("signon.rememberSignons", "false"),
    ("toolkit.telemetry.enabled", "false"),
    ("toolkit.telemetry.unified", "false"),
    ("widget.windows.window_occlusion_tracking.enabled", "false"),
];

pub(super) fn start(options: &Options, profile: &Path) -> Result<(Process, Socket)> {
    std::fs::write(profile.join("user.js"), preferences(options))?;
    let program = std::env::var("HEADWATER_FIREFOX").unwrap_or_else(|_| "firefox-esr".into());
    let mut command = Command::new(program);
    command.args(["--headless", "--no-remote", "--remote-debugging-port=0", "--profile"]).arg(profile);
    command.arg(format!("--width={}", options.viewport.0)).arg(format!("--height={}", options.viewport.1));
    command.args(&options.arguments).arg("about:blank");
    command.env("HOME", profile).env("MOZ_CRASHREPORTER_DISABLE", "1");
    let mut process = Process::start("firefox", command)?;
    let port = process.wait_until("the BiDi port", START_LIMIT, |log| {
        let line = log.find(|line| line.contains("WebDriver BiDi listening on"))?;
        line.trim().rsplit(':').next()?.parse::<u16>().ok()
    })?;
    let mut socket = Socket::connect(port, "/session", COMMAND_LIMIT)?;
    socket.call("session.new", json!({ "capabilities": {} }), "", START_LIMIT)?;
    socket.call("session.subscribe", json!({ "events": ["log.entryAdded"] }), "", COMMAND_LIMIT)?;
    Ok((process, socket))
}

fn preferences(options: &Options) -> String {
    let mut text = String::new();
    for (name, value) in PREFERENCES {
        let _ = writeln!(text, "user_pref(\"{name}\", {value});");
    }
    // 0 allows, 1 blocks sound before a click.
    let autoplay = if options.autoplay { 0 } else { 1 };
    let _ = writeln!(text, "user_pref(\"media.autoplay.default\", {autoplay});");
    let _ = writeln!(text, "user_pref(\"media.navigator.streams.fake\", {});", options.devices);
    let _ = writeln!(text, "user_pref(\"media.navigator.permission.disabled\", {});", options.devices);
    text
}

pub(super) fn create(socket: &mut Socket, viewport: (u32, u32)) -> Result<Target> {
    let created = socket.call("browsingContext.create", json!({ "type": "window" }), "", COMMAND_LIMIT)?;
    let id = text(&created, "context")?;
    let target = Target { id, session: String::new() };
    set_viewport(socket, &target, viewport.0, viewport.1)?;
    Ok(target)
}

pub(super) fn navigate(socket: &mut Socket, target: &Target, url: &str) -> Result<()> {
    let params = json!({ "context": target.id, "url": url, "wait": "complete" });
    socket.call("browsingContext.navigate", params, "", COMMAND_LIMIT).map(drop)
}

/// The outer result is the protocol's, the inner one the script's.
pub(super) fn evaluate(
    socket: &mut Socket,
    target: &Target,
    script: &str,
    limit: Duration,
) -> Result<std::result::Result<String, String>> {
    let params = json!({
        "expression": script,
        "target": { "context": target.id },
        "awaitPromise": true,
        "userActivation": true,
    });
    let answer = socket.call("script.evaluate", params, "", limit)?;
    if answer["type"] == "exception" {
        let words = answer["exceptionDetails"]["text"].as_str().unwrap_or("unknown exception");
        return Ok(Err(words.to_owned()));
    }
    text(&answer["result"], "value").map(Ok)
}

pub(super) fn set_viewport(socket: &mut Socket, target: &Target, width: u32, height: u32) -> Result<()> {
    let params = json!({ "context": target.id, "viewport": { "width": width, "height": height } });
    socket.call("browsingContext.setViewport", params, "", COMMAND_LIMIT).map(drop)
}

pub(super) fn screenshot(socket: &mut Socket, target: &Target) -> Result<String> {
    let params = json!({ "context": target.id });
    text(&socket.call("browsingContext.captureScreenshot", params, "", COMMAND_LIMIT)?, "data")
}

pub(super) fn close(socket: &mut Socket, target: &Target) -> Result<()> {
    socket.call("browsingContext.close", json!({ "context": target.id }), "", COMMAND_LIMIT).map(drop)
}

pub(super) fn console_line(target: &Target, event: &Value) -> Option<String> {
    let params = &event["params"];
    if event["method"] != "log.entryAdded" || params["source"]["context"] != target.id.as_str() {
        return None;
    }
    Some(format!("{}: {}", params["level"].as_str()?, params["text"].as_str()?))
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::Protocol { command: key.to_owned(), message: format!("missing in {value}") })
}
