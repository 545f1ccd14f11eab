//! Chromium over the DevTools protocol, one WebSocket with a flat session per page.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::socket::Socket;
use super::{COMMAND_LIMIT, Options, START_LIMIT, Target};
use crate::process::Process;
use crate::{Error, Result};

/// Headless, as root, silent on the network, and never throttled as if in the background.
const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--metrics-recording-only",
    "--password-store=basic",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
];

pub(super) fn start(options: &Options, profile: &Path) -> Result<(Process, Socket)> {
    let program = std::env::var("HEADWATER_CHROMIUM").unwrap_or_else(|_| "chromium".into());
    let mut command = Command::new(program);
    command.args(ARGUMENTS).arg(format!("--user-data-dir={}", profile.display()));
    command.arg(format!("--window-size={},{}", options.viewport.0, options.viewport.1));
    if options.autoplay {
        command.arg("--autoplay-policy=no-user-gesture-required");
    }
    if options.devices {
        command.args(["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]);
    }
    command.args(&options.arguments).arg("about:blank").env("HOME", profile);
    let mut process = Process::start("chromium", command)?;
    let (port, path) = process.wait_until("the DevTools port", START_LIMIT, |_| {
        let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
        let (port, path) = text.split_once('\n')?;
        Some((port.parse::<u16>().ok()?, path.trim().to_owned()))
    })?;
    let socket = Socket::connect(port, &path, COMMAND_LIMIT)?;
    Ok((process, socket))
}

pub(super) fn create(socket: &mut Socket, viewport: (u32, u32)) -> Result<Target> {
    let params =
        json!({ "url": "about:blank", "newWindow": true, "width": viewport.0, "height": viewport.1 });
    let created = socket.call("Target.createTarget", params, "", COMMAND_LIMIT)?;
    let id = text(&created, "targetId")?;
    let params = json!({ "targetId": id, "flatten": true });
    let attached = socket.call("Target.attachToTarget", params, "", COMMAND_LIMIT)?;
    let session = text(&attached, "sessionId")?;
    for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
        socket.call(domain, json!({}), &session, COMMAND_LIMIT)?;
    }
    Ok(Target { id, session })
}

pub(super) fn navigate(socket: &mut Socket, target: &Target, url: &str) -> Result<()> {
    let answer = socket.call("Page.navigate", json!({ "url": url }), &target.session, COMMAND_LIMIT)?;
    match answer["errorText"].as_str() {
        Some(message) => Err(Error::Protocol { command: format!("open {url}"), message: message.to_owned() }),
        None => Ok(()),
    }
}

/// The outer result is the protocol's, the inner one the script's.
pub(super) fn evaluate(
    socket: &mut Socket,
    target: &Target,
    script: &str,
    limit: Duration,
) -> Result<std::result::Result<String, String>> {
    let params =
        json!({ "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true });
    let answer = socket.call("Runtime.evaluate", params, &target.session, limit)?;
    if let Some(details) = answer.get("exceptionDetails") {
        let words = details["exception"]["description"].as_str();
        let words =
            words.or_else(|| details["exception"]["value"].as_str()).or_else(|| details["text"].as_str());
        return Ok(Err(words.unwrap_or("unknown exception").to_owned()));
    }
    text(&answer["result"], "value").map(Ok)
}

pub(super) fn set_viewport(
    socket: &mut Socket,
    target: &Target,
    width: u32,
    height: u32,
    mobile: bool,
) -> Result<()> {
    let scale = if mobile { 2 } else { 1 };
    let params = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile });
    socket.call("Emulation.setDeviceMetricsOverride", params, &target.session, COMMAND_LIMIT)?;
    let params = json!({ "enabled": mobile });
    socket.call("Emulation.setTouchEmulationEnabled", params, &target.session, COMMAND_LIMIT).map(drop)
}

pub(super) fn screenshot(socket: &mut Socket, target: &Target) -> Result<String> {
    let params = json!({ "format": "png" });
    text(&socket.call("Page.captureScreenshot", params, &target.session, COMMAND_LIMIT)?, "data")
}

pub(super) fn close(socket: &mut Socket, target: &Target) -> Result<()> {
    socket.call("Target.closeTarget", json!({ "targetId": target.id }), "", COMMAND_LIMIT).map(drop)
}

pub(super) fn crash(socket: &mut Socket, target: &Target) -> Result<()> {
    socket.send("Page.crash", json!({}), &target.session)?; // Its process is gone before it could answer.
    let _ = socket.send("Target.closeTarget", json!({ "targetId": target.id }), "");
    Ok(())
}

pub(super) fn console_line(target: &Target, event: &Value) -> Option<String> {
    if event["sessionId"] != target.session.as_str() {
        return None;
    }
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.consoleAPICalled" => {
            let words = params["args"].as_array()?.iter().map(argument).collect::<Vec<_>>().join(" ");
            Some(format!("{}: {words}", params["type"].as_str()?))
        }
        "Runtime.exceptionThrown" => {
            let details = &params["exceptionDetails"];
            let words = details["exception"]["description"].as_str().or_else(|| details["text"].as_str());
            Some(format!("exception: {}", words?))
        }
        "Log.entryAdded" => {
            let entry = &params["entry"];
            let url = entry["url"].as_str().unwrap_or_default();
            Some(format!("{}: {} {url}", entry["level"].as_str()?, entry["text"].as_str()?))
        }
        _ => None,
    }
}

fn argument(value: &Value) -> String {
    match (&value["value"], value["description"].as_str()) {
        (Value::String(words), _) => words.clone(),
        (Value::Null, Some(words)) => words.to_owned(),
        (other, _) => other.to_string(),
    }
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::Protocol { command: key.to_owned(), message: format!("missing in {value}") })
}
