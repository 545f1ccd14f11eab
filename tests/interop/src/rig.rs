//! Pages that publish and watch with the scripts of `js/`, and what they measured.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Browser, Error, Page, Result, web};

/// For a script that only waits for the network and a few frames.
const LIMIT: Duration = Duration::from_secs(25);

/// Serves the measuring scripts and opens pages with them.
#[derive(Debug)]
pub struct Rig {
    web: SocketAddr,
}

impl Rig {
    /// Starts to serve the scripts.
    ///
    /// # Errors
    /// [`Error::Io`] without a free port.
    pub fn start() -> Result<Self> {
        Ok(Self { web: web::serve()? })
    }

    /// Opens a measuring page: scripts find everything under `rig`.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub fn page(&self, browser: &Browser) -> Result<Page> {
        let page = browser.open(&format!("http://{}/", self.web))?;
        page.wait_for("globalThis.rig !== undefined", LIMIT)?;
        Ok(page)
    }
}

/// A synthetic camera and microphone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Source {
    /// Width, height and frames per second; `None`: no video.
    pub video: Option<(u32, u32, u32)>,
    /// `"beep"`, `"device"` (the browser's fake microphone) or `None`.
    pub audio: Option<&'static str>,
}

impl Default for Source {
    fn default() -> Self {
        Self { video: Some((640, 360, 30)), audio: Some("beep") }
    }
}

impl Source {
    /// The same without sound.
    #[must_use]
    pub fn silent(self) -> Self {
        Self { audio: None, ..self }
    }

    /// Without a picture.
    pub fn audio_only() -> Self {
        Self { video: None, ..Self::default() }
    }

    /// Without sound.
    pub fn video_only() -> Self {
        Self { audio: None, ..Self::default() }
    }

    /// With the browser's fake microphone: Firefox's AudioContext never runs headless.
    pub fn with_device_audio() -> Self {
        Self { audio: Some("device"), ..Self::default() }
    }

    /// With a picture of that size, 30 frames a second.
    pub fn sized(width: u32, height: u32) -> Self {
        Self { video: Some((width, height, 30)), ..Self::default() }
    }

    /// The argument of `new rig.Source`.
    pub fn to_json(&self) -> Value {
        let (width, height, fps) = self.video.unwrap_or((640, 360, 30));
        let audio = self.audio.map_or(Value::Bool(false), Value::from);
        json!({ "width": width, "height": height, "fps": fps, "video": self.video.is_some(), "audio": audio })
    }
}

/// What a viewer saw and heard in a while.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Frames shown.
    pub frames: u64,
    /// Of these, frames whose stamp could be read.
    pub stamped: u64,
    /// Glass-to-glass latency in milliseconds: median and 95th percentile.
    pub latency: (f64, f64),
    /// The longest time between two frames, in milliseconds.
    pub longest_gap: f64,
    /// The last frame's size.
    pub size: (u64, u64),
    /// From the wish to watch to the first frame, in milliseconds.
    pub first_frame: f64,
    /// Median of how many milliseconds the sound came later than the picture, and of how many beeps.
    pub lip_sync: Option<(f64, u64)>,
    /// Mean square of the loudest 100 ms of sound (only when listening).
    pub energy: f64,
}

impl Summary {
    /// Reads what `Viewer.summary` returned.
    pub fn from_json(value: &Value) -> Self {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        Self {
            frames: count(&value["frames"]),
            stamped: count(&value["stamped"]),
            latency: (number(&value["latency"]["p50"]), number(&value["latency"]["p95"])),
            longest_gap: number(&value["longestGap"]),
            size: (count(&value["width"]), count(&value["height"])),
            first_frame: number(&value["firstFrame"]),
            lip_sync: value["lipSync"]["p50"].as_f64().map(|p50| (p50, count(&value["lipSync"]["count"]))),
            energy: value["energy"].as_f64().unwrap_or_default(),
        }
    }
}

/// Publishes from `page` to a WHIP URL, as `rig.kept.publisher`; `options` are those of `rig.whip`. The source of an
/// earlier call is used again. While the name is taken (409) it tries again, for 10 s.
///
/// Returns when the first packet was sent, in wall-clock milliseconds of the pages.
///
/// # Errors
/// [`Error::Script`] with the server's words if it refuses.
pub fn publish(page: &Page, url: &str, source: &Source, options: &Value) -> Result<f64> {
    let script = format!(
        "(async () => {{ const kept = rig.kept; kept.source ??= await new rig.Source({}).start(); \
         kept.publisher = await rig.whipWhenFree({}, kept.source.stream, {options}); \
         return rig.firstPacket(kept.publisher.pc); }})()",
        source.to_json(),
        Value::from(url),
    );
    let first = page.eval(&script, LIMIT)?;
    first.as_f64().ok_or_else(|| unexpected("publish", &first))
}

/// Watches a WHEP URL in `page`, as `rig.kept.viewer` (a `Viewer`) and `rig.kept.session`. Returns when connected.
///
/// # Errors
/// [`Error::Script`] with the server's words if it refuses.
pub fn watch(page: &Page, url: &str, listen: bool, options: &Value) -> Result<()> {
    let script = format!(
        "(async () => {{ const kept = rig.kept; kept.session = await rig.whep({}, {options}); \
         kept.viewer = new rig.Viewer(kept.session.remote, {{ since: kept.session.since, pc: kept.session.pc, listen: {listen} }}); \
         await kept.session.connected(); }})()",
        Value::from(url),
    );
    page.eval(&script, LIMIT).map(drop)
}

/// Tries to watch and returns the HTTP status and the words of the refusal.
///
/// # Errors
/// [`Error::Protocol`] if the server did not refuse.
pub fn watch_refused(page: &Page, url: &str, options: &Value) -> Result<(u64, String)> {
    let script = format!(
        "rig.whep({}, {options}).then(() => null, error => ({{ status: error.status ?? 0, words: error.body ?? String(error) }}))",
        Value::from(url),
    );
    let refusal = page.eval(&script, LIMIT)?;
    let status = refusal["status"].as_u64().ok_or_else(|| Error::Protocol {
        command: "watch".into(),
        message: "the server did not refuse".into(),
    })?;
    Ok((status, refusal["words"].as_str().unwrap_or_default().to_owned()))
}

/// Waits until `rig.kept.viewer` shows a frame that was drawn after `drawn_after` (the present if `None`), in wall-clock
/// milliseconds of the pages; returns when it was shown, on the same clock.
///
/// # Errors
/// [`Error::Script`] if none came within `limit`.
pub fn frame_after(page: &Page, drawn_after: Option<f64>, limit: Duration) -> Result<f64> {
    let script = format!(
        "rig.kept.viewer.frameAfter({} ?? rig.now(), {}).then(frame => frame.time)",
        Value::from(drawn_after),
        limit.as_millis()
    );
    let shown = page.eval(&script, limit + LIMIT)?;
    shown.as_f64().ok_or_else(|| unexpected("frameAfter", &shown))
}

/// Looks at `rig.kept.viewer` for a while and sums up what it saw meanwhile.
///
/// # Errors
/// As [`Page::eval`].
pub fn measure(page: &Page, during: Duration) -> Result<Summary> {
    let script = format!(
        "(async () => {{ const from = rig.now(); await rig.sleep({}); return rig.kept.viewer.summary(from); }})()",
        during.as_millis()
    );
    Ok(Summary::from_json(&page.eval(&script, during + LIMIT)?))
}

/// The receiver's statistics of `rig.kept.session`: `video`, `audio`, `pair`, `transport`, `playoutOffset`.
///
/// # Errors
/// As [`Page::eval`].
pub fn received(page: &Page) -> Result<Value> {
    page.eval("rig.received(rig.kept.session.pc)", LIMIT)
}

/// How much the received sound's energy grew in a while (the statistics' `totalAudioEnergy`: full scale for a second is 1).
///
/// # Errors
/// As [`Page::eval`].
pub fn audio_energy(page: &Page, during: Duration) -> Result<f64> {
    let energy = || Ok::<_, Error>(received(page)?["audio"]["totalAudioEnergy"].as_f64().unwrap_or_default());
    let before = energy()?;
    std::thread::sleep(during);
    Ok(energy()? - before)
}

fn unexpected(command: &str, value: &Value) -> Error {
    Error::Protocol { command: command.to_owned(), message: format!("unexpected value {value}") }
}
