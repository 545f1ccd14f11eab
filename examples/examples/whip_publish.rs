//! Publishes to a WHIP server (RFC 9725): a test card, or a video file, with silence for sound.
//!
//! ```text
//! whip_publish --url http://127.0.0.1:8080/whip/demo [--token T] [--file FILE.ivf|FILE.h264]
//!              [--bitrate 2500k] [--fps 30] [--size even|full] [--no-audio] [--seconds N]
//! ```
//!
//! What it shows: a client of `headwater-sfu`. The same machine that serves also makes offers; `open_stream` makes a
//! stream of our own media, `offer(Offering::sending(..))` the SDP to post, `accept_answer` takes what comes back.
//! From there on full ICE, DTLS as the client, SRTP, RTX and sender reports happen inside, and the loop only hands in
//! packets at their time. `Event::KeyFrameWanted` says that somebody needs a key frame: the clip jumps to one.
//!
//! Without `--file` the picture is a test card of 640x360 in VP8, each frame padded to `--bitrate` with bytes that
//! decoders skip: it can be watched, and it makes a load of known size. `--size even` pads to the bitrate exactly and
//! splits frames evenly, as browsers do; `--size full` pads to whole packets. A file is played in a loop, in real time, at
//! its own bitrate: IVF with VP8, or H.264 as an Annex B byte stream without B-frames:
//!
//! ```text
//! ffmpeg -i IN -c:v libvpx -b:v 2M -g 60 OUT.ivf
//! ffmpeg -i IN -c:v libx264 -profile:v baseline -bf 0 -g 60 OUT.h264
//! ```
//!
//! Prints a line each second. Ctrl-C or `--seconds` ends with a DELETE.

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use headwater_examples::endpoint::Endpoint;
use headwater_examples::source::{Clip, Size};
use headwater_examples::{Arguments, Outcome, bitrate, finish, interrupted, whip};
use headwater_rtp::{Codec, SequenceNumber};
use headwater_sfu::track::Format;
use headwater_sfu::{Event, LocalStream, MediaPacket, Offering, PeerId};

const USAGE: &str = "whip_publish --url http://HOST:PORT/whip/STREAM [--token T] [--file FILE.ivf|FILE.h264] \
                     [--bitrate 2500k] [--fps 30] [--size even|full] [--no-audio] [--seconds N]";
/// Name of the stream inside our own machine; the server's is in the URL.
const STREAM: &str = "camera";
const VIDEO: usize = 0;
const AUDIO: usize = 1;
/// 20 ms of silence in stereo: RFC 6716 §3.1, configuration 31 (CELT, full band, 20 ms), one frame.
const SILENCE: [u8; 3] = [0xfc, 0xff, 0xfe];
const SILENCE_DURATION: Duration = Duration::from_millis(20);
/// A source that is later than this skips what it missed.
const MAX_LATENESS: Duration = Duration::from_millis(500);
/// How long the goodbye may take to leave.
const GOODBYE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    finish(run())
}

fn run() -> Outcome {
    let named = ["--url", "--token", "--file", "--bitrate", "--fps", "--size", "--seconds"];
    let arguments = Arguments::read(USAGE, &named, &["--no-audio"])?;
    let url = arguments.value("--url").ok_or(USAGE)?;
    let clip = clip(&arguments)?;
    let ends = arguments.number("--seconds")?.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let stop = interrupted()?;

    let mut server = whip::Client::new(url, arguments.value("--token"))?;
    let mut publisher = Publisher::start(&mut server, clip, !arguments.has("--no-audio"))?;
    let outcome = loop {
        if stop.load(Ordering::Relaxed) || ends.is_some_and(|ends| ends <= Instant::now()) {
            break Ok(());
        }
        if let Err(error) = publisher.turn() {
            break Err(error);
        }
    };
    let deleted = server.delete();
    publisher.stop();
    // A session that has ended by itself is not there to be deleted.
    outcome?;
    Ok(deleted?)
}

fn clip(arguments: &Arguments) -> Outcome<Clip> {
    let fps = arguments.number("--fps")?;
    if let Some(path) = arguments.value("--file") {
        let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        return Clip::file(bytes, fps);
    }
    let size = match arguments.value("--size") {
        None | Some("even") => Size::Even,
        Some("full") => Size::Full,
        Some(other) => return Err(format!("--size is even or full, not {other}").into()),
    };
    let rate = arguments.value("--bitrate").unwrap_or("2500k");
    let rate = bitrate(rate).ok_or_else(|| format!("--bitrate: `{rate}` is none"))?;
    Clip::card(rate, fps.unwrap_or(30).max(1), size)
}

/// One track's clock and numbering.
struct Clock {
    sequence: u16,
    /// Media time since the start.
    elapsed: Duration,
    due: Instant,
}

struct Publisher {
    endpoint: Endpoint,
    peer: PeerId,
    stream: LocalStream,
    clip: Clip,
    video: Clock,
    audio: Option<Clock>,
    wants_key: bool,
    key_frame_requests: u64,
    next_line: Instant,
    sent_before: (u64, u64),
}

impl Publisher {
    fn start(server: &mut whip::Client, clip: Clip, with_audio: bool) -> Outcome<Self> {
        let mut endpoint = Endpoint::new(server.local_ip()?)?;
        let mut formats = vec![clip.format()];
        if with_audio {
            let parameters = "minptime=10;useinbandfec=1".into();
            formats.push(Format { codec: Codec::Opus, clock_rate: 48_000, parameters });
        }
        let now = Instant::now();
        let stream = endpoint.sfu.open_stream(now, STREAM, &formats)?;
        let offered = endpoint.sfu.offer(now, STREAM, &Offering::sending(formats))?;
        let answer = server.post(&offered.offer)?;
        let now = Instant::now();
        endpoint.sfu.accept_answer(now, offered.peer, &answer)?;
        let clock = || Clock { sequence: 0, elapsed: Duration::ZERO, due: now };
        Ok(Self {
            endpoint,
            peer: offered.peer,
            stream,
            clip,
            video: clock(),
            audio: with_audio.then(clock),
            wants_key: true,
            key_frame_requests: 0,
            next_line: now + Duration::from_secs(1),
            sent_before: (0, 0),
        })
    }

    /// Hands in what is due, lets the endpoint send and receive, and prints a line each second.
    fn turn(&mut self) -> Outcome {
        let now = Instant::now();
        while self.video.due <= now {
            self.picture(now);
        }
        while self.audio.as_ref().is_some_and(|audio| audio.due <= now) {
            self.sound(now);
        }
        if self.next_line <= now {
            self.print(now);
        }
        let due = self.audio.as_ref().map_or(self.video.due, |audio| audio.due.min(self.video.due));
        self.endpoint.turn(due)?;
        while let Some(event) = self.endpoint.sfu.poll_event() {
            match event {
                Event::Connected(_) => {
                    eprintln!("on air");
                    // Who watches from the first moment gets a key frame.
                    self.wants_key = true;
                }
                Event::KeyFrameWanted { .. } => {
                    self.key_frame_requests += 1;
                    self.wants_key = true;
                }
                Event::Closed { reason, .. } => {
                    return Err(format!("the session ended: {}", reason.as_str()).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn picture(&mut self, now: Instant) {
        let Self { endpoint, stream, clip, video, wants_key, .. } = self;
        let timestamp = (video.elapsed.as_micros() * 90 / 1000) as u32;
        let played = clip.play(std::mem::take(wants_key), |payload, marker| {
            let sequence = SequenceNumber(video.sequence);
            let packet = MediaPacket { sequence, timestamp, marker, payload };
            endpoint.sfu.handle_media(now, *stream, VIDEO, &packet);
            video.sequence = video.sequence.wrapping_add(1);
        });
        video.advance(now, played.duration);
    }

    fn sound(&mut self, now: Instant) {
        let Some(audio) = &mut self.audio else { return };
        let timestamp = (audio.elapsed.as_micros() * 48 / 1000) as u32;
        let sequence = SequenceNumber(audio.sequence);
        let packet = MediaPacket { sequence, timestamp, marker: false, payload: &SILENCE };
        self.endpoint.sfu.handle_media(now, self.stream, AUDIO, &packet);
        audio.sequence = audio.sequence.wrapping_add(1);
        audio.advance(now, SILENCE_DURATION);
    }

    fn print(&mut self, now: Instant) {
        self.next_line = now + Duration::from_secs(1);
        let Some(info) = self.endpoint.sfu.peer_info(now, self.peer) else { return };
        let (packets, bytes) = (info.sent_packets - self.sent_before.0, info.sent_bytes - self.sent_before.1);
        self.sent_before = (info.sent_packets, info.sent_bytes);
        println!(
            "{:4} s  {packets:5} packets  {:6} kbit/s  rtt {}  loss {:.1} %  resent {}  key frames asked for {}",
            info.age.as_secs(),
            bytes * 8 / 1000,
            info.rtt.map_or_else(|| "-".to_owned(), |rtt| format!("{:.1} ms", rtt.as_secs_f64() * 1e3)),
            info.fraction_lost * 100.0,
            info.repaired_packets,
            self.key_frame_requests,
        );
    }

    /// Says goodbye on the media path, and waits until it has left.
    fn stop(&mut self) {
        let ends = Instant::now() + GOODBYE;
        self.endpoint.sfu.close_stream(self.stream);
        self.endpoint.sfu.close(Instant::now(), self.peer);
        while !self.endpoint.sfu.is_empty() && Instant::now() < ends && self.endpoint.turn(ends).is_ok() {}
    }
}

impl Clock {
    fn advance(&mut self, now: Instant, duration: Duration) {
        self.elapsed += duration;
        self.due += duration;
        let late = now.saturating_duration_since(self.due);
        if late > MAX_LATENESS {
            // The machine slept: go on from here, with the gap in the timestamps.
            self.elapsed += late;
            self.due = now;
        }
    }
}
