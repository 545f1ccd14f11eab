//! Measures what a viewer feels, glass to glass, against the same page wired directly.
//!
//! `latency` is of the picture alone: with sound, a browser delays the picture step by step until it is with the sound,
//! for half a minute, and two runs differ by where they are in that. `sound` waits for that to end.
//!
//! `glass [latency] [sound] [drift] [join] [click] [restart] [--runs 3] [--restarts 20] [--json FILE]`; without a name, all of them.
//! Runs in a network namespace of its own; needs Chromium and the server's release build.

use std::time::Duration;

use headwater_interop::rig::{self, Source};
use headwater_interop::{Browser, Error, Options, Page, Result, Rig, Server, Summary, namespace};
use serde_json::{Value, json};

const STREAM: &str = "glass";
/// The sender climbs from 300 kbit/s; before that the encoder sends smaller pictures.
const WARM_UP: Duration = Duration::from_secs(6);
/// Chromium moves the picture towards the sound by at most 80 ms each second or so, after the sound's first reports.
const SETTLED: Duration = Duration::from_secs(30);
const MEASURE: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(15);
const DRIFT_WINDOWS: usize = 9;
const CLICKS: usize = 9;
/// The pictures of the latency bar: software encoders and decoders of VP9 and AV1 need the smaller one.
const CODECS: [(&str, u32, u32); 4] =
    [("VP8", 1280, 720), ("H264", 1280, 720), ("VP9", 640, 360), ("AV1", 640, 360)];

struct Plan {
    benches: Vec<String>,
    runs: usize,
    restarts: usize,
    json: Option<String>,
}

impl Plan {
    fn from_arguments() -> std::result::Result<Self, String> {
        let mut plan = Self { benches: Vec::new(), runs: 3, restarts: 20, json: None };
        let mut arguments = std::env::args().skip(1);
        let number =
            |value: Option<String>| value.and_then(|text| text.parse().ok()).ok_or("a number is missing");
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--runs" => plan.runs = number(arguments.next())?,
                "--restarts" => plan.restarts = number(arguments.next())?,
                "--json" => plan.json = Some(arguments.next().ok_or("--json FILE")?),
                "all" => {}
                "latency" | "sound" | "drift" | "join" | "click" | "restart" => plan.benches.push(argument),
                other => return Err(format!("unknown argument {other}; see the head of glass.rs")),
            }
        }
        Ok(plan)
    }

    fn wants(&self, bench: &str) -> bool {
        self.benches.is_empty() || self.benches.iter().any(|name| name == bench)
    }
}

fn main() -> std::process::ExitCode {
    namespace::enter_or_exit();
    let plan = match Plan::from_arguments() {
        Ok(plan) => plan,
        Err(message) => {
            eprintln!("{message}");
            return std::process::ExitCode::from(2);
        }
    };
    match run(&plan) {
        Ok(results) => {
            if let Some(path) = &plan.json
                && let Err(error) = std::fs::write(path, format!("{results:#}\n"))
            {
                eprintln!("{path}: {error}");
            }
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("glass: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(plan: &Plan) -> Result<Value> {
    let bench = Bench { rig: Rig::start()?, chromium: Browser::chromium(&Options::default())? };
    let mut results = json!({});
    if plan.wants("latency") {
        results["latency"] = bench.latency(plan.runs)?;
    }
    if plan.wants("sound") {
        results["sound"] = bench.with_sound(plan.runs)?;
    }
    if plan.wants("drift") {
        results["drift"] = bench.drift()?;
    }
    if plan.wants("join") {
        results["join"] = bench.late_join(plan.runs)?;
    }
    if plan.wants("click") {
        results["click"] = bench.click()?;
    }
    if plan.wants("restart") {
        results["restart"] = bench.restart(plan.restarts)?;
    }
    Ok(results)
}

struct Bench {
    rig: Rig,
    chromium: Browser,
}

impl Bench {
    /// Publisher and viewer in one page, alternating between directly wired and through the server.
    fn latency(&self, runs: usize) -> Result<Value> {
        println!("glass-to-glass latency of the picture, p50 (p95) in ms: median of {runs} alternating runs");
        self.compare(runs, &CODECS, WARM_UP, |width, height| Source::sized(width, height).silent())
    }

    /// The same with sound, once the browser has brought the picture to it.
    fn with_sound(&self, runs: usize) -> Result<Value> {
        println!("the same with sound, after {} s:", SETTLED.as_secs());
        self.compare(runs, &CODECS[..1], SETTLED, Source::sized)
    }

    fn compare(
        &self,
        runs: usize,
        codecs: &[(&str, u32, u32)],
        warm_up: Duration,
        source: impl Fn(u32, u32) -> Source,
    ) -> Result<Value> {
        let mut rows = Vec::new();
        for &(codec, width, height) in codecs {
            let source = source(width, height);
            let mut direct = Vec::new();
            let mut through = Vec::new();
            for _ in 0..runs {
                direct.push(self.latency_once(codec, &source, warm_up, None)?);
                let server = Server::start(&[])?;
                through.push(self.latency_once(codec, &source, warm_up, Some(&server))?);
            }
            let of = |runs: &[Summary], value: fn(&Summary) -> f64| median(runs.iter().map(value).collect());
            let (floor, ours) = (of(&direct, |seen| seen.latency.0), of(&through, |seen| seen.latency.0));
            println!(
                "  {codec:4} {width}x{height}  direct {floor:.1} ({:.1})  headwater {ours:.1} ({:.1})  adds {:+.1}   \
                 pictures {:?} {:?}, frames {} {}",
                of(&direct, |seen| seen.latency.1),
                of(&through, |seen| seen.latency.1),
                ours - floor,
                direct.last().map(|seen| seen.size).unwrap_or_default(),
                through.last().map(|seen| seen.size).unwrap_or_default(),
                direct.iter().map(|seen| seen.frames).sum::<u64>(),
                through.iter().map(|seen| seen.frames).sum::<u64>(),
            );
            let list = |runs: &[Summary]| runs.iter().map(|seen| seen.latency.0).collect::<Vec<_>>();
            rows.push(json!({
                "codec": codec, "width": width, "height": height, "direct_p50_ms": floor, "headwater_p50_ms": ours,
                "added_ms": ours - floor, "direct_runs": list(&direct), "headwater_runs": list(&through),
            }));
        }
        Ok(rows.into())
    }

    fn latency_once(
        &self,
        codec: &str,
        source: &Source,
        warm_up: Duration,
        server: Option<&Server>,
    ) -> Result<Summary> {
        let page = self.rig.page(&self.chromium)?;
        match server {
            None => wire_directly(&page, source, codec)?,
            Some(server) => {
                rig::publish(
                    &page,
                    &server.whip(STREAM),
                    source,
                    &json!({ "video": codec, "keepSize": true }),
                )?;
                rig::watch(&page, &server.whep(STREAM), false, &json!({}))?;
            }
        }
        rig::frame_after(&page, None, PATIENCE)?;
        std::thread::sleep(warm_up);
        let seen = rig::measure(&page, MEASURE)?;
        page.close()?;
        Ok(seen)
    }

    /// Whether the latency grows while a viewer stays: a clock that is mapped wrongly or a buffer that only fills.
    fn drift(&self) -> Result<Value> {
        println!("latency p50 of a viewer who stays, each 5 s, VP8 640x360:");
        let mut result = json!({});
        for (name, server) in [("direct", None), ("headwater", Some(Server::start(&[])?))] {
            let page = self.rig.page(&self.chromium)?;
            match &server {
                None => wire_directly(&page, &Source::default(), "VP8")?,
                Some(server) => {
                    rig::publish(
                        &page,
                        &server.whip(STREAM),
                        &Source::default(),
                        &json!({ "video": "VP8" }),
                    )?;
                    rig::watch(&page, &server.whep(STREAM), false, &json!({}))?;
                }
            }
            rig::frame_after(&page, None, PATIENCE)?;
            let window = || Ok(rig::measure(&page, Duration::from_secs(5))?.latency.0);
            let latencies = (0..DRIFT_WINDOWS).map(|_| window()).collect::<Result<Vec<f64>>>()?;
            println!("  {name:9} {latencies:.0?}");
            result[name] = latencies.into();
            page.close()?;
        }
        Ok(result)
    }

    /// A viewer that joins late, 3 s after its join, against one that was there from the start, at the same moment.
    fn late_join(&self, runs: usize) -> Result<Value> {
        let server = Server::start(&[])?;
        let page = self.rig.page(&self.chromium)?;
        rig::publish(
            &page,
            &server.whip(STREAM),
            &Source::sized(1280, 720),
            &json!({ "video": "VP8", "keepSize": true }),
        )?;
        rig::watch(&page, &server.whep(STREAM), false, &json!({}))?;
        rig::frame_after(&page, None, PATIENCE)?;
        std::thread::sleep(WARM_UP);
        let mut differences = Vec::new();
        let mut pairs = Vec::new();
        for _ in 0..runs {
            let script = format!(
                "(async () => {{ const session = await rig.whep('{}'); \
                 const late = new rig.Viewer(session.remote, {{ since: session.since }}); \
                 await late.frameAfter(session.since); await rig.sleep(3000 - (rig.now() - session.since)); \
                 const from = rig.now(); await rig.sleep(2000); \
                 const result = {{ late: late.summary(from), steady: rig.kept.viewer.summary(from) }}; \
                 late.close(); await session.close(); return result; }})()",
                server.whep(STREAM)
            );
            let value = page.eval(&script, PATIENCE + Duration::from_secs(10))?;
            let (late, steady) = (Summary::from_json(&value["late"]), Summary::from_json(&value["steady"]));
            differences.push(late.latency.0 - steady.latency.0);
            pairs.push(json!([steady.latency.0, late.latency.0]));
        }
        page.close()?;
        let added = median(differences.clone());
        println!(
            "3 s after a late join, VP8 720p30: {added:+.1} ms against the steady viewer  {differences:.1?}"
        );
        Ok(json!({ "added_ms": added, "runs_steady_late_ms": pairs }))
    }

    /// From the wish to watch to the first frame, with the page already open.
    fn click(&self) -> Result<Value> {
        let server = Server::start(&[])?;
        let publisher = self.rig.page(&self.chromium)?;
        rig::publish(&publisher, &server.whip(STREAM), &Source::default(), &json!({ "video": "VP8" }))?;
        let viewer = self.rig.page(&self.chromium)?;
        std::thread::sleep(WARM_UP);
        let mut times = Vec::new();
        for _ in 0..CLICKS {
            let script = format!(
                "(async () => {{ const since = rig.now(); const session = await rig.whep('{}'); \
                 const viewer = new rig.Viewer(session.remote, {{ since }}); const frame = await viewer.frameAfter(0); \
                 const took = frame.time - since; viewer.close(); await session.close(); return took; }})()",
                server.whep(STREAM)
            );
            let took = viewer.eval(&script, PATIENCE)?;
            times.push(took.as_f64().unwrap_or(f64::NAN));
            std::thread::sleep(Duration::from_millis(370)); // Not in step with the source's seconds.
        }
        let p50 = median(times.clone());
        println!("click to first frame: p50 {p50:.0} ms  {times:.0?}");
        publisher.close()?;
        viewer.close()?;
        Ok(json!({ "p50_ms": p50, "runs_ms": times }))
    }

    /// The publisher goes in three ways and comes back; how soon does a viewer who stayed see the new picture?
    fn restart(&self, restarts: usize) -> Result<Value> {
        let mut server = Server::start(&[])?;
        let options = json!({ "video": "VP8" });
        let mut publisher = self.rig.page(&self.chromium)?;
        rig::publish(&publisher, &server.whip(STREAM), &Source::default(), &options)?;
        let viewer = self.rig.page(&self.chromium)?;
        rig::watch(&viewer, &server.whep(STREAM), false, &json!({}))?;
        rig::frame_after(&viewer, None, PATIENCE)?;
        println!("viewer's picture after the new publisher's first packet:");
        let mut rows = Vec::new();
        for way in ["deleted", "killed", "reloaded"].into_iter().cycle().take(restarts) {
            // What a restart leaves behind in the viewer's buffers shows here.
            let latency = rig::measure(&viewer, Duration::from_millis(1500))?.latency.0;
            publisher = match way {
                "deleted" => {
                    publisher.eval("rig.kept.publisher.close()", PATIENCE)?;
                    publisher
                }
                "killed" => {
                    publisher.crash()?;
                    self.rig.page(&self.chromium)?
                }
                _ => {
                    publisher.reload()?;
                    publisher.wait_for("globalThis.rig !== undefined", PATIENCE)?;
                    publisher
                }
            };
            let first_packet = rig::publish(&publisher, &server.whip(STREAM), &Source::default(), &options)?;
            let shown = rig::frame_after(&viewer, Some(first_packet), PATIENCE);
            let resumed = match shown {
                Ok(shown) => shown - first_packet,
                Err(Error::Script { message, .. }) => {
                    println!("  {way}: never resumed: {message}\n{}", server.log().tail(30));
                    f64::NAN
                }
                Err(error) => return Err(error),
            };
            let memory = server.resident_bytes().unwrap_or_default() / 1024;
            println!("  {way:8} {resumed:5.0} ms   latency before {latency:.0} ms, server {memory} KiB");
            rows.push(json!({ "way": way, "resumed_ms": resumed, "latency_before_ms": latency, "server_kib": memory }));
            server.check_alive()?;
            if resumed.is_nan() {
                rig::watch(&viewer, &server.whep(STREAM), false, &json!({}))?;
            }
        }
        let worst = rows.iter().filter_map(|row| row["resumed_ms"].as_f64()).fold(0.0, f64::max);
        let lost = rows.iter().filter(|row| row["resumed_ms"].is_null()).count();
        println!("  worst {worst:.0} ms, never {lost} of {restarts}");
        publisher.close()?;
        viewer.close()?;
        Ok(json!({ "worst_ms": worst, "never": lost, "restarts": rows }))
    }
}

fn wire_directly(page: &Page, source: &Source, codec: &str) -> Result<()> {
    let script = format!(
        "(async () => {{ const kept = rig.kept; kept.source = await new rig.Source({}).start(); \
         kept.session = await rig.direct(kept.source.stream, {{ video: '{codec}', keepSize: true }}); \
         kept.viewer = new rig.Viewer(kept.session.remote, {{ since: kept.session.since }}); }})()",
        source.to_json()
    );
    page.eval(&script, PATIENCE).map(drop)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
