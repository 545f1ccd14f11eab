//! Replays the seeds of every fuzz target, and some thousand mutations of them, the same ones in every run.

use headwater_fuzz::{TARGETS, Target};
use std::path::{Path, PathBuf};

/// Mutations for each target: a second or two unoptimised.
const MUTATIONS: usize = 3_000;
/// No input gets longer, as under libFuzzer.
const MAX_LEN: usize = 8192;

macro_rules! replay {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replay! { stun_message ice_agent dtls_wire dtls_connection srtp rtp_packet rtcp rtp_receive payload sdp sfu turn }

#[test]
fn every_target_is_replayed_and_there_are_at_most_twelve() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, REPLAYED);
    assert!(names.len() <= 12);
    for name in names {
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets").join(name).with_extension("rs");
        assert!(program.is_file(), "{} is missing", program.display());
    }
}

/// Other people's corpora are read where they are, and are not part of this repository.
#[test]
fn corpora_of_other_projects_are_survived() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let vectors = std::env::var_os("HEADWATER_VECTORS").map_or(beside, PathBuf::from);
    if !vectors.is_dir() {
        eprintln!("no corpora of other projects here: HEADWATER_VECTORS names no folder");
        return;
    }
    for (folder, name) in [
        ("stun/libwebrtc-corpus", "stun_message"),
        ("rtp/libwebrtc-corpus", "rtp_packet"),
        ("rtp/aiortc", "rtp_packet"),
        ("rtcp/libwebrtc-corpus", "rtcp"),
        ("rtcp/aiortc", "rtcp"),
    ] {
        let inputs = files(&vectors.join(folder));
        assert!(!inputs.is_empty(), "{folder} is empty");
        inputs.iter().for_each(|input| run(target(name), input));
    }
}

fn replay(name: &str) {
    let target = target(name);
    let seeds = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name));
    assert!(!seeds.is_empty(), "corpus/{name} is empty");
    run(target, &[]);
    seeds.iter().for_each(|seed| run(target, seed));
    let mut mutator = Mutator(0x5eed);
    for _ in 0..MUTATIONS {
        let input = mutator.mutate(&seeds);
        run(target, &input);
    }
}

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("a row in TARGETS")
}

/// Runs a target; if it panics, the input is shown.
fn run(target: &Target, input: &[u8]) {
    struct Shown<'a>(&'a str, &'a [u8]);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let hex: String = self.1.iter().map(|byte| format!("{byte:02x}")).collect();
                eprintln!("the input of {} was {hex}", self.0);
            }
        }
    }
    let _shown = Shown(target.name, input);
    (target.run)(input);
}

/// The contents of a folder's files, in the order of their names.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a readable file")).collect()
}

/// Changes inputs by chance, from a seed (SplitMix64).
struct Mutator(u64);

impl Mutator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input, seeds);
        }
        input.truncate(MAX_LEN);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len());
        let to = at + self.below(input.len() - at);
        match self.below(9) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..to)),
            2 => {
                let copy = input[at..to].to_vec();
                input.splice(at..at, copy);
            }
            3 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                input.truncate(at);
                input.extend(&other[from..]);
            }
            4 => input.insert(at, self.next() as u8),
            // Lengths and counts are most often wrong at their edges.
            5 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][self.below(6)],
            6 if at < input.len() => input[at] = input[at].wrapping_add(1),
            7 if at < input.len() => input[at] = self.next() as u8,
            _ if at < input.len() => input[at] ^= 1 << self.below(8),
            _ => {}
        }
    }
}
