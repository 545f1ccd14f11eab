//! How fast a handshake gets through a bad network: 30 % of the datagrams lost each way, 50 ms one way.

use std::time::{Duration, Instant};

use headwater_dtls::Role;

use crate::pair::{Fate, Pair};

const LATENCY: Duration = Duration::from_millis(50);
const LOSS_PERCENT: u64 = 30;
/// What a viewer waits at most...
const IN_TIME: Duration = Duration::from_secs(3);
/// ...but for so many of a thousand.
const LATE_PER_MILLE: usize = 5;
/// Bytes at the median, against a network that loses nothing.
const MAX_BYTES: f64 = 3.0;
/// After this a handshake has failed or is silent.
const LIMIT: Duration = Duration::from_secs(40);

struct Outcome {
    /// Until both ends were connected.
    took: Option<Duration>,
    bytes: usize,
}

/// One handshake; of the datagrams `loss` percent get lost.
fn handshake(make: fn() -> Pair, round_trip: Option<Duration>, loss: u64, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let mut pair = make();
    pair.latency = LATENCY;
    if let Some(round_trip) = round_trip {
        pair.client.connection.set_round_trip(round_trip);
        pair.server.connection.set_round_trip(round_trip);
    }
    let mut took = None;
    let mut last: Instant = pair.now;
    let end = pair.start + LIMIT;
    // In steps, to see when both were connected; then on until nothing is left to be said.
    while pair.now < end {
        pair.run_with(Duration::from_millis(5), &mut |_, _, _| {
            if random.below(100) < loss { Fate::Drop } else { Fate::Deliver }
        });
        if took.is_none() && pair.both_connected() {
            took = Some(pair.elapsed());
        }
        if pair.now == last {
            break;
        }
        last = pair.now;
    }
    let sent = |role: Role, pair: &mut Pair| pair.end(role).sent.iter().map(Vec::len).sum::<usize>();
    Outcome { took, bytes: sent(Role::Client, &mut pair) + sent(Role::Server, &mut pair) }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xA076_1D64_78BD_642F))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Measures `seeds` handshakes of each kind, prints a row for each, and returns whether all of them are good enough.
fn table(seeds: u64) -> bool {
    println!("{LOSS_PERCENT} % loss each way, {LATENCY:?} one way, {seeds} handshakes a row");
    println!(
        "{:20} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}",
        "version", "RTT", "in 3 s", "median", "p99", "p99.5", "longest", "bytes", "p99"
    );
    let mut is_good = true;
    for (name, make) in Pair::ALL {
        for round_trip in [None, Some(2 * LATENCY)] {
            let free = handshake(make, round_trip, 0, 0).bytes as f64;
            let mut outcomes: Vec<_> =
                (1..=seeds).map(|seed| handshake(make, round_trip, LOSS_PERCENT, seed)).collect();
            let part = |of: usize, per_mille: usize| (of * per_mille / 1000).min(of - 1);
            let in_time = outcomes.iter().filter(|it| it.took.is_some_and(|took| took <= IN_TIME)).count();
            outcomes.sort_by_key(|it| it.took.unwrap_or(Duration::MAX));
            let time = |per_mille| {
                let took = outcomes[part(outcomes.len(), per_mille)].took;
                took.map_or_else(|| "never".to_owned(), |took| format!("{} ms", took.as_millis()))
            };
            let times = [500, 990, 995, 1000].map(time);
            let mut bytes: Vec<_> = outcomes.iter().map(|it| it.bytes as f64 / free).collect();
            bytes.sort_by(f64::total_cmp);
            let (median, p99) = (bytes[part(bytes.len(), 500)], bytes[part(bytes.len(), 990)]);
            let percent = 100.0 * in_time as f64 / outcomes.len() as f64;
            let known = round_trip.map_or("unknown", |_| "known");
            println!(
                "{name:20} {known:>8} {percent:>7.2} % {:>9} {:>9} {:>9} {:>9} {median:>7.2} {p99:>7.2}",
                times[0], times[1], times[2], times[3]
            );
            is_good &=
                (outcomes.len() - in_time) * 1000 <= LATE_PER_MILLE * outcomes.len() && median <= MAX_BYTES;
        }
    }
    is_good
}

/// `cargo xtask bench loss` runs ten thousand of each and shows the table.
#[test]
fn handshakes_get_through_heavy_loss_in_time_and_without_a_flood() {
    let seeds = std::env::var("HEADWATER_HANDSHAKES").ok().and_then(|count| count.parse().ok());
    assert!(table(seeds.unwrap_or(400)));
}
