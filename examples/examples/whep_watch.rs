//! Watches a WHEP stream (draft-ietf-wish-whep) without a picture: prints what arrives.
//!
//! ```text
//! whep_watch --url http://127.0.0.1:8080/whep/demo [--token T] [--seconds N] [--json] [--dump FILE.ivf]
//! ```
//!
//! What it shows: the receiving client of `headwater-sfu`. `offer(Offering::receiving(..))` makes the SDP to post, and
//! what arrives is read with a cursor from the `tracks` of the stream: the same log that a server's viewers read. Loss is
//! repaired by NACK and RTX on the way, so a packet that the cursor gives may come after its successors.
//!
//! Each second prints, for each track: codec, packets, bitrate, packets still missing, jitter (RFC 3550 §6.4.1), and for
//! video frames, key frames and size; at the end a summary with the time to the first packet and the first key frame,
//! counted from the start of the POST. With `--json` each is one JSON object a line, the last one with `"summary":true`. A
//! stream that is not live yet is waited for. `--dump` writes VP8 as IVF, for `ffplay` or a test that decodes it; frames with
//! holes are left out. The exit code is 0 only if media arrived.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headwater_examples::endpoint::Endpoint;
use headwater_examples::receive::{Dump, Received};
use headwater_examples::{Arguments, Outcome, finish, interrupted, whip};
use headwater_rtp::Codec;
use headwater_sfu::track::Format;
use headwater_sfu::{Event, Offering, PeerId};
use serde_json::{Value, json};

const USAGE: &str =
    "whep_watch --url http://HOST:PORT/whep/STREAM [--token T] [--seconds N] [--json] [--dump FILE.ivf]";
/// Name of the stream inside our own machine; the server's is in the URL.
const STREAM: &str = "watched";
/// How often the tracks are read.
const READ_INTERVAL: Duration = Duration::from_millis(20);
/// A server that is not live yet is not asked more often than this.
const SHORTEST_RETRY: Duration = Duration::from_millis(500);
/// How long the goodbye may take to leave.
const GOODBYE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    finish(run())
}

fn run() -> Outcome {
    let named = ["--url", "--token", "--seconds", "--dump"];
    let arguments = Arguments::read(USAGE, &named, &["--json"])?;
    let url = arguments.value("--url").ok_or(USAGE)?;
    let ends = arguments.number("--seconds")?.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let stop = interrupted()?;
    let is_over = || stop.load(Ordering::Relaxed) || ends.is_some_and(|ends| ends <= Instant::now());

    let mut server = whip::Client::new(url, arguments.value("--token"))?;
    let Some(mut viewer) = Viewer::start(&mut server, &stop, ends)? else {
        return Err("the stream did not go live".into());
    };
    viewer.is_json = arguments.has("--json");
    viewer.dump = arguments.value("--dump").map(Dump::create).transpose()?;
    let mut outcome = Ok(());
    while outcome.is_ok() && !is_over() {
        outcome = viewer.turn();
    }
    viewer.read();
    viewer.summary();
    // A session that the server ended is gone already.
    let _ = server.delete();
    viewer.stop();
    outcome?;
    if viewer.tracks.iter().all(|track| track.packets == 0) {
        return Err("no media arrived".into());
    }
    Ok(())
}

/// What we can take, best first. Nothing is decoded, so this is a list of names.
fn formats() -> Vec<Format> {
    let video = |codec, parameters: &str| Format { codec, clock_rate: 90_000, parameters: parameters.into() };
    let h264 = |profile: &str| {
        let parameters = format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}");
        video(Codec::H264, &parameters)
    };
    vec![
        video(Codec::Vp8, ""),
        h264("42e01f"),
        h264("42001f"),
        h264("4d001f"),
        h264("64001f"),
        h264("640c1f"),
        video(Codec::Vp9, "profile-id=0"),
        video(Codec::Av1, ""),
        Format { codec: Codec::Opus, clock_rate: 48_000, parameters: "minptime=10;useinbandfec=1".into() },
    ]
}

struct Viewer {
    endpoint: Endpoint,
    peer: PeerId,
    tracks: Vec<Received>,
    started: Instant,
    connected: Option<Instant>,
    next_line: Instant,
    is_json: bool,
    dump: Option<Dump>,
}

impl Viewer {
    /// Asks until the stream is live; `None` if the time is over before it is.
    fn start(server: &mut whip::Client, stop: &AtomicBool, ends: Option<Instant>) -> Outcome<Option<Self>> {
        let mut endpoint = Endpoint::new(server.local_ip()?)?;
        let mut is_first = true;
        loop {
            let started = Instant::now();
            let offered = endpoint.sfu.offer(started, STREAM, &Offering::receiving(formats()))?;
            match server.post(&offered.offer) {
                Ok(answer) => {
                    let now = Instant::now();
                    endpoint.sfu.accept_answer(now, offered.peer, &answer)?;
                    return Ok(Some(Self {
                        endpoint,
                        peer: offered.peer,
                        tracks: Vec::new(),
                        started,
                        connected: None,
                        next_line: now + Duration::from_secs(1),
                        is_json: false,
                        dump: None,
                    }));
                }
                Err(whip::Failure::Refused { retry_after: Some(after), detail, .. }) => {
                    if std::mem::take(&mut is_first) {
                        eprintln!("{detail}; waiting");
                    }
                    endpoint.sfu.close(Instant::now(), offered.peer);
                    let again = Instant::now() + after.max(SHORTEST_RETRY);
                    while Instant::now() < again {
                        if stop.load(Ordering::Relaxed) || ends.is_some_and(|ends| ends <= Instant::now()) {
                            return Ok(None);
                        }
                        endpoint.turn(again)?;
                    }
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    fn turn(&mut self) -> Outcome {
        let now = Instant::now();
        if self.next_line <= now {
            self.next_line = now + Duration::from_secs(1);
            self.print(now);
        }
        self.endpoint.turn(now + READ_INTERVAL)?;
        self.read();
        while let Some(event) = self.endpoint.sfu.poll_event() {
            match event {
                Event::Connected(_) => self.connected = Some(Instant::now()),
                // Others are offers that came too early for the stream.
                Event::Closed { peer, reason } if peer == self.peer => {
                    return Err(format!("the session ended: {}", reason.as_str()).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads what has arrived since the last time.
    fn read(&mut self) {
        let Some(tracks) = self.endpoint.sfu.tracks(STREAM) else { return };
        for (index, track) in tracks.iter().enumerate() {
            if self.tracks.len() <= index {
                self.tracks.push(Received::new());
            }
            self.tracks[index].read(track, &mut self.dump);
        }
    }

    fn print(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.started).as_secs_f64();
        let repaired = self.endpoint.sfu.peer_info(now, self.peer).map_or(0, |info| info.repaired_packets);
        for track in self.tracks.iter_mut().filter(|track| track.packets > 0) {
            let line = track.take_second(now);
            if self.is_json {
                println!(
                    "{}",
                    json!({
                        "seconds": round(age), "codec": line.codec, "packets": line.packets, "bitrate": line.bitrate,
                        "missing": line.missing, "repaired": repaired, "jitter_ms": round(line.jitter_ms),
                        "frames": line.frames, "key_frames": track.key_frames, "resolution": track.resolution,
                    })
                );
            } else {
                println!(
                    "{age:6.1} s  {:5} {:5} packets {:6} kbit/s  missing {}  repaired {repaired}  jitter {:.1} ms{}",
                    line.codec,
                    line.packets,
                    line.bitrate / 1000,
                    line.missing,
                    line.jitter_ms,
                    track.resolution.map_or_else(String::new, |(width, height)| format!(
                        "  {} frames ({} key) {width}x{height}",
                        line.frames, track.key_frames
                    )),
                );
            }
        }
    }

    fn summary(&self) {
        let now = Instant::now();
        let info = self.endpoint.sfu.peer_info(now, self.peer);
        let since = |at: Option<Instant>| at.map(|at| round((at - self.started).as_secs_f64() * 1e3));
        let first_packet = self.tracks.iter().filter_map(|track| track.first_packet).min();
        let first_key_frame = self.tracks.iter().filter_map(|track| track.first_key_frame).min();
        // Keys may come in the same turn as the first packet, which bears the earlier stamp.
        let connected = self.connected.map(|at| first_packet.map_or(at, |first| first.min(at)));
        let tracks: Vec<Value> = self
            .tracks
            .iter()
            .filter(|track| track.packets > 0)
            .map(|track| {
                json!({
                    "codec": track.codec, "packets": track.packets, "bytes": track.bytes, "missing": track.missing(),
                    "frames": track.frames, "key_frames": track.key_frames, "jitter_ms": round(track.jitter_ms()),
                    "resolution": track.resolution,
                })
            })
            .collect();
        let summary = json!({
            "summary": true,
            "connected_ms": since(connected),
            "first_packet_ms": since(first_packet),
            "first_key_frame_ms": since(first_key_frame),
            "lost": info.as_ref().map(|info| info.lost_packets),
            "repaired": info.as_ref().map(|info| info.repaired_packets),
            "dtls": info.as_ref().and_then(|info| info.security.as_ref().map(|s| s.version.clone())),
            "srtp_profile": info.as_ref().and_then(|info| info.security.as_ref().map(|s| s.srtp_profile)),
            "remote": info.as_ref().and_then(|info| info.path.map(|path| path.remote.to_string())),
            "tracks": tracks,
        });
        if self.is_json {
            println!("{summary}");
        } else {
            let text = |value: Option<f64>| value.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
            println!(
                "connected after {}, first packet after {}, first key frame after {}",
                text(since(connected)),
                text(since(first_packet)),
                text(since(first_key_frame))
            );
        }
    }

    fn stop(&mut self) {
        let ends = Instant::now() + GOODBYE;
        self.endpoint.sfu.close(Instant::now(), self.peer);
        while !self.endpoint.sfu.is_empty() && Instant::now() < ends && self.endpoint.turn(ends).is_ok() {}
    }
}

/// Tenths are enough for a reader.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
