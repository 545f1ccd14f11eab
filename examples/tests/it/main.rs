//! Runs the examples as their users do. No browsers here: those are in `tests/interop`.

mod server;
mod tools;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use headwater_examples::endpoint::Endpoint;
use headwater_examples::source::{Clip, Size};
use headwater_examples::whip;
use headwater_sfu::Offering;
use serde_json::Value;

use crate::tools::{example, text};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn publish(url: &str, seconds: u32, more: &[&str]) -> Running {
    let mut command = example("whip_publish");
    command.args(["--url", url, "--seconds", &seconds.to_string()]).args(more);
    Running(command.stdout(Stdio::null()).spawn().expect("whip_publish runs"))
}

fn watch(url: &str, seconds: u32, more: &[&str]) -> Output {
    let mut command = example("whep_watch");
    command.args(["--url", url, "--seconds", &seconds.to_string(), "--json"]).args(more);
    command.output().expect("whep_watch runs")
}

fn summary(output: &Output) -> Value {
    let out = text(&output.stdout);
    let last = out.lines().last().unwrap_or_else(|| panic!("{}", text(&output.stderr)));
    serde_json::from_str(last).expect("the last line is JSON")
}

fn track<'a>(summary: &'a Value, codec: &str) -> &'a Value {
    let tracks = summary["tracks"].as_array().expect("a list");
    tracks.iter().find(|track| track["codec"] == codec).unwrap_or_else(|| panic!("no {codec} in {summary}"))
}

#[test]
fn the_card_goes_through_a_node_and_ends_with_a_delete() {
    let server = server::Server::start();
    let dump = std::env::temp_dir().join(format!("headwater-{}.ivf", std::process::id()));
    let mut publisher = publish(&server.url("/whip/demo"), 4, &[]);

    // Begun at the same time: the viewer waits until the stream is live.
    let watched = watch(&server.url("/whep/demo"), 3, &["--dump", dump.to_str().expect("a path")]);
    assert!(watched.status.success(), "{}", text(&watched.stderr));
    let summary = summary(&watched);
    let video = track(&summary, "VP8");
    assert!(video["frames"].as_u64() > Some(20), "{summary}");
    assert!(video["key_frames"].as_u64() >= Some(1), "{summary}");
    assert_eq!((&video["missing"], &video["resolution"][0]), (&0.into(), &640.into()), "{summary}");
    assert!(track(&summary, "opus")["packets"].as_u64() > Some(40), "{summary}");

    // Everything that was counted is in the file, whole; the first picture is a key frame.
    let file = std::fs::read(&dump).expect("a dump");
    let _ = std::fs::remove_file(&dump);
    assert_eq!((&file[..4], &file[8..12], file[44] & 1), (&b"DKIF"[..], &b"VP80"[..], 0));

    assert!(publisher.0.wait().expect("it ends").success());
    assert_eq!(server.sessions(), 0);
}

#[test]
fn the_client_trickles_and_restarts_with_the_tag_that_it_was_given() {
    let server = server::Server::start();
    let mut client = whip::Client::new(&server.url("/whip/demo"), None).expect("a URL");
    let mut endpoint = Endpoint::new(client.local_ip().expect("a way")).expect("a socket");
    let offering = Offering::sending(vec![Clip::card(1_000_000, 30, Size::Even).expect("a card").format()]);
    let offered = endpoint.sfu.offer(Instant::now(), "mine", &offering).expect("an offer");
    assert!(client.post(&offered.offer).expect("an answer").starts_with("v=0"));

    let restart = |ufrag: &str| format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\n");
    for ufrag in ["abcd", "efgh"] {
        let answer = client.patch(&restart(ufrag)).expect("the tag is the newest");
        assert!(answer.contains("a=ice-ufrag:"), "{answer}");
    }
    assert_eq!(client.patch(&restart("efgh")).expect("nothing new"), "");
    client.delete().expect("a session");
    client.delete().expect("nothing left to delete");
    assert_eq!(server.sessions(), 0);
}

#[test]
fn a_token_is_sent_and_a_refusal_told_in_the_servers_words() {
    let server = server::Server::with_token("secret");
    let refused = watch(&server.url("/whep/demo"), 1, &["--token", "wrong"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("(401): the token is wrong"), "{}", text(&refused.stderr));

    let nothing = watch(&server.url("/whep/demo"), 1, &["--token", "secret"]);
    assert!(!nothing.status.success());
    assert!(text(&nothing.stderr).contains("not live"), "{}", text(&nothing.stderr));
}

#[test]
fn the_broadcast_example_serves_both_clients() {
    let mut command: Command = example("broadcast");
    let mut broadcast = Running(
        command.args(["127.0.0.1:0", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("broadcast runs"),
    );
    let out = broadcast.0.stdout.take().expect("piped");
    let mut lines = BufReader::new(out).lines();
    let first = lines.next().expect("a line").expect("text");
    let address = first.strip_prefix("open ").and_then(|rest| rest.split("/ ").next()).expect("an address");

    let _publisher = publish(&format!("{address}/publish"), 4, &["--bitrate", "800k", "--size", "full"]);
    let watched = watch(&format!("{address}/watch"), 3, &[]);
    assert!(watched.status.success(), "{}", text(&watched.stderr));
    assert!(track(&summary(&watched), "VP8")["frames"].as_u64() > Some(20));
}

#[test]
fn the_embedding_example_serves_both_clients_and_tells_what_happens() {
    let mut command: Command = example("embed");
    let mut embed = Running(
        command.args(["127.0.0.1:0", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("embed runs"),
    );
    let mut lines = BufReader::new(embed.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let first = lines.next().expect("a line");
    let address = first.strip_prefix("open ").and_then(|rest| rest.split("/ ").next()).expect("an address");

    let publisher = publish(&format!("{address}/publish/garden"), 4, &["--bitrate", "800k"]);
    let watched = watch(&format!("{address}/watch/garden"), 2, &[]);
    assert!(watched.status.success(), "{}", text(&watched.stderr));
    assert!(track(&summary(&watched), "VP8")["frames"].as_u64() > Some(10));
    drop(publisher);

    let told: Vec<String> = lines.take(4).collect();
    for (end, line) in ["publishes", "garden: live", "watches", "closed_by_owner"].iter().zip(&told) {
        assert!(line.ends_with(end), "{told:?}");
    }
}
