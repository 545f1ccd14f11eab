//! One test, one process, one network: how the tests of this package run.
//!
//! The test's body runs in a copy of the test binary inside [`namespace::command`]. The original waits
//! for it with a limit, so a hanging browser fails one test and not the run. Tests take turns (a lock file
//! that also holds between processes): software video encoders need both cores for themselves.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::namespace;
use crate::process::POLL;

/// One try of one test, browsers' start included.
const LIMIT: Duration = Duration::from_secs(90);
/// For our turn.
const TURN_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Runs `body` isolated; a failed try is repeated once, and the output of both is printed.
///
/// The first try is retried because two encoders, two decoders and the server share the machine's
/// cores with whatever else runs there; a true fault fails twice.
///
/// # Panics
/// If both tries failed.
pub fn isolated<F: FnOnce()>(body: F) {
    run(2, body);
}

/// Runs `body` isolated, once.
///
/// # Panics
/// If it failed.
pub fn isolated_once<F: FnOnce()>(body: F) {
    run(1, body);
}

fn run<F: FnOnce()>(tries: u32, body: F) {
    if namespace::is_inside() {
        return body();
    }
    let name = test_name::<F>();
    let turn = File::create(std::env::temp_dir().join("headwater-interop.lock")).expect("the lock file");
    let deadline = Instant::now() + TURN_LIMIT;
    while turn.try_lock().is_err() {
        assert!(Instant::now() < deadline, "another test held the lock for {TURN_LIMIT:?}");
        std::thread::sleep(POLL);
    }
    for attempt in 1..=tries {
        let started = Instant::now();
        let (passed, output) = attempt_in_namespace(&name);
        let elapsed = started.elapsed();
        println!("--- {name}: try {attempt} {} in {elapsed:.1?}\n{output}", verdict(passed));
        if passed {
            if attempt > 1 {
                // Past the harness's capture, so that a flaky test is seen in a green run.
                let _ = writeln!(std::io::stderr(), "note: {name} passed only on try {attempt}");
            }
            return;
        }
    }
    panic!("{name} failed {tries} time(s)");
}

fn verdict(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

/// The path that libtest knows the test by: that of the function which the closure is in, less the crate.
fn test_name<F>() -> String {
    let path = std::any::type_name::<F>();
    let path = path.split("::{{closure}}").next().expect("split gives one item at least");
    path.split_once("::").map_or(path, |(_crate, rest)| rest).to_owned()
}

fn attempt_in_namespace(name: &str) -> (bool, String) {
    let program = std::env::current_exe().expect("the running test binary");
    // Into a file, not a pipe: a browser that outlives its test cannot keep us reading.
    let path = std::env::temp_dir().join(format!("headwater-interop-{}.log", std::process::id()));
    let log = File::create(&path).expect("the log file");
    let mut child = namespace::command(program)
        .args(["--exact", name, "--nocapture", "--include-ignored", "--test-threads=1"])
        .env("RUST_BACKTRACE", "0") // The message says it; the frames are libtest's and ours.
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle of the log file"))
        .stderr(log)
        .spawn()
        .expect("unshare (util-linux) is needed for a network namespace");
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break Some(status);
        }
        if Instant::now() > deadline {
            let _ = child.kill(); // --kill-child: the whole PID namespace goes with it.
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(POLL);
    };
    let mut output = String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
    let _ = std::fs::remove_file(&path);
    // A filter that matches nothing exits with success: that would be a test which never ran.
    let ran = output.contains("running 1 test");
    match status {
        Some(status) if !ran => output.push_str(&format!("\nthe test did not run: {status}")),
        Some(_) => {}
        None => output.push_str(&format!("\nkilled after {LIMIT:?}")),
    }
    (ran && status.is_some_and(|status| status.success()), output)
}
