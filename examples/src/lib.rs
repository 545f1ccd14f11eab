#![doc = include_str!("../README.md")]

pub mod endpoint;
pub mod receive;
pub mod source;
pub mod whip;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ring::rand::{SecureRandom, SystemRandom};

/// What an example's work ends with.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Draws a seed from the operating system: the machines below have no randomness of their own.
///
/// # Errors
/// The operating system gives none.
pub fn fresh_seed() -> Outcome<[u8; 32]> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| "the operating system gives no randomness")?;
    Ok(seed)
}

/// Says on stderr what went wrong, in words, and makes the exit code of it.
pub fn finish(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Becomes true at Ctrl-C.
///
/// # Errors
/// The signal cannot be caught.
pub fn interrupted() -> Outcome<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    ctrlc::set_handler(move || seen.store(true, Ordering::Relaxed))?;
    Ok(flag)
}

/// The command line as pairs of `--name value`, and names alone for the switches.
#[derive(Debug)]
pub struct Arguments {
    given: Vec<(String, Option<String>)>,
}

impl Arguments {
    /// Reads the command line. `named` take a value, `switches` take none; `--help` prints `usage` and ends the
    /// program.
    ///
    /// # Errors
    /// A name that is in neither list, or a value that is missing.
    pub fn read(usage: &str, named: &[&str], switches: &[&str]) -> Outcome<Self> {
        let mut given = Vec::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--help" || word == "-h" {
                println!("{usage}");
                std::process::exit(0);
            }
            let value = if named.contains(&word.as_str()) {
                Some(words.next().ok_or_else(|| format!("{word} needs a value\n{usage}"))?)
            } else if switches.contains(&word.as_str()) {
                None
            } else {
                return Err(format!("what is {word}?\n{usage}").into());
            };
            given.push((word, value));
        }
        Ok(Self { given })
    }

    /// The value of `name`, the last one given.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|(given, _)| given == name)?.1.as_deref()
    }

    /// Was this switch given?
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| given == name)
    }

    /// The value of `name` as a number of its kind.
    ///
    /// # Errors
    /// It is none.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Outcome<Option<T>> {
        let parse =
            |text: &str| text.parse().map_err(|_| format!("{name}: `{text}` is no such number").into());
        self.value(name).map(parse).transpose()
    }
}

/// Reads a bitrate such as `800000`, `2500k` or `4M`, in bits per second.
pub fn bitrate(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1_000),
        b'm' | b'M' => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
