//! Runs one step after another, with its time, and sums up at the end.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What came of the steps so far.
pub(crate) struct Steps {
    start: Instant,
    done: Vec<Step>,
}

struct Step {
    name: String,
    time: Duration,
    tests: Tests,
    failure: Option<String>,
}

/// Tests counted in a runner's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tests {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), done: Vec::new() }
    }

    /// Runs a step that isn't a command. Returns whether it went well.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Tests, String>) -> bool {
        println!("\n── {name}");
        let start = Instant::now();
        let (tests, failure) = match step() {
            Ok(tests) => (tests, None),
            Err(why) => (Tests::default(), Some(why)),
        };
        self.finish(name, start, tests, failure)
    }

    /// Runs a command, counting the tests that it reports.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) -> bool {
        println!("\n── {name}: {}", shown(command));
        let start = Instant::now();
        let mut tests = Tests::default();
        let failure = run_counting(command, &mut tests).err();
        self.finish(name, start, tests, failure)
    }

    /// Notes a step that could not be tried.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.finish(name, Instant::now(), Tests::default(), Some(format!("not run: {why}")));
    }

    fn finish(&mut self, name: &str, start: Instant, tests: Tests, failure: Option<String>) -> bool {
        let time = start.elapsed();
        let went_well = failure.is_none();
        match &failure {
            None => println!("── {name}: ok, {}", seconds(time)),
            Some(why) => println!("── {name}: FAILED after {}: {why}", seconds(time)),
        }
        self.done.push(Step { name: name.to_owned(), time, tests, failure });
        went_well
    }

    /// Prints the table and, as the last line, the tests passed and failed. A failed step without a failed test of its
    /// own (formatting, say) counts as one failed.
    pub(crate) fn summary(self) -> Result<(), String> {
        let width = self.done.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
        println!("\n{:width$}  {:>9}  result", "step", "time");
        let mut total = Tests::default();
        for step in &self.done {
            let tests = if step.tests == Tests::default() {
                String::new()
            } else {
                format!(", {} passed, {} failed", step.tests.passed, step.tests.failed)
            };
            let result =
                step.failure.as_ref().map_or_else(|| "ok".to_owned(), |why| format!("FAILED: {why}"));
            println!("{:width$}  {:>9}  {result}{tests}", step.name, seconds(step.time));
            total.passed += step.tests.passed;
            total.failed += step.tests.failed;
            if step.failure.is_some() && step.tests.failed == 0 {
                total.failed += 1;
            }
        }
        println!("{:width$}  {:>9}", "all", seconds(self.start.elapsed()));
        let failed: Vec<&str> =
            self.done.iter().filter(|s| s.failure.is_some()).map(|s| s.name.as_str()).collect();
        println!("\n{} passed, {} failed", total.passed, total.failed);
        let _ = std::io::stdout().flush();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

/// `cargo` with arguments separated by spaces, in the workspace.
pub(crate) fn cargo(root: &Path, arguments: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments.split_whitespace());
    command
}

/// Runs a command to its end, showing its output.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(command))) }
}

/// What a command printed, without the newline at the end.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}\n{}", shown(command), output.status, said.trim_end()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn run_counting(command: &mut Command, tests: &mut Tests) -> Result<(), String> {
    let mut child = command
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", shown(command)))?;
    let mut lines = BufReader::new(child.stdout.take().expect("piped above"));
    let mut line = Vec::new();
    let mut screen = std::io::stdout().lock();
    while lines.read_until(b'\n', &mut line).map_err(|error| error.to_string())? > 0 {
        let _ = screen.write_all(&line);
        if let Some(counted) = count(&String::from_utf8_lossy(&line)) {
            tests.passed += counted.passed;
            tests.failed += counted.failed;
        }
        line.clear();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

/// Reads the closing line of Rust's test runner.
fn count(line: &str) -> Option<Tests> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| counts.split("; ").find_map(|part| part.strip_suffix(word)?.parse().ok());
    Some(Tests { passed: number(" passed")?, failed: number(" failed")? })
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_a_test_run_is_counted() {
        let line = "test result: FAILED. 26 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.71s\n";
        assert_eq!(count(line), Some(Tests { passed: 26, failed: 2 }));
        assert_eq!(count("test links::jitter_keeps_the_order ... ok\n"), None);
    }

    #[test]
    fn a_failed_command_is_a_failure_and_the_next_step_still_runs() {
        let mut steps = Steps::new();
        assert!(!steps.command("wrong", &mut Command::new("false")));
        assert!(steps.run("right", || Ok(Tests { passed: 3, failed: 0 })));
        assert_eq!(steps.summary(), Err("failed: wrong".to_owned()));
    }
}
