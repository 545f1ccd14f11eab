use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// Sets the deadline of a key so many microseconds ahead, or behind.
    Set(u32, i64),
    Clear(u32),
    /// Microseconds pass, whether or not something is due before.
    Leap(u64),
    /// Time goes on to the next wake-up.
    Sleep,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0_u32..12;
    let ahead = prop_oneof![
        4 => -5_000_i64..80_000,
        3 => 0_i64..5_000_000,
        2 => 0_i64..40_000_000,
        1 => 0_i64..100_000_000_000,
    ];
    let leap = prop_oneof![
        4 => 0_u64..3_000,
        3 => 0_u64..700_000,
        2 => 0_u64..40_000_000,
        1 => 0_u64..1_000_000_000_000,
    ];
    prop_oneof![
        4 => (key.clone(), ahead).prop_map(|(key, ahead)| Step::Set(key, ahead)),
        1 => key.prop_map(Step::Clear),
        2 => leap.prop_map(Step::Leap),
        3 => Just(Step::Sleep),
    ]
}

/// The latest that a deadline may come up, set at `now`.
fn latest(now: Instant, due: Instant) -> Instant {
    due.max(now) + due.saturating_duration_since(now) / 7 + 2 * TICK
}

proptest! {
    #[test]
    fn every_deadline_comes_up_once_not_early_and_not_much_late(steps in proptest::collection::vec(step(), 1..200)) {
        let start = Instant::now() + Duration::from_secs(1);
        let mut now = start;
        let mut wheel = Wheel::new(start);
        let mut model: BTreeMap<u32, (Instant, Instant)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(key, ahead) => {
                    let ahead_by = Duration::from_micros(ahead.unsigned_abs());
                    let due = if ahead < 0 { now - ahead_by.min(now - start) } else { now + ahead_by };
                    wheel.set(key, due);
                    model.insert(key, (due, latest(now, due)));
                }
                Step::Clear(key) => {
                    wheel.clear(key);
                    model.remove(&key);
                }
                Step::Leap(by) => now += Duration::from_micros(by),
                Step::Sleep => {
                    let next = wheel.poll_timeout();
                    prop_assert_eq!(next.is_some(), !model.is_empty());
                    if let Some(next) = next {
                        prop_assert!(next > now, "it would not sleep");
                        for (due, latest) in model.values() {
                            prop_assert!(next <= *latest, "{:?} late", next - *due);
                        }
                        now = next;
                    }
                }
            }
            wheel.advance(now);
            while let Some(key) = wheel.pop() {
                let (due, _) = model.remove(&key).expect("it has a deadline");
                prop_assert!(due <= now, "{:?} early", due - now);
            }
            for (due, latest) in model.values() {
                prop_assert!(*latest > now, "{:?} late", now - *due);
            }
        }
    }
}

#[test]
fn what_is_due_seldom_wakes_in_batches() {
    let start = Instant::now();
    let mut wheel = Wheel::new(start);
    for key in 0..1000 {
        wheel.set(key, start + Duration::from_secs(1) + Duration::from_millis(u64::from(key)));
    }
    let (mut wakes, mut woken) = (0, 0);
    while let Some(next) = wheel.poll_timeout() {
        wheel.advance(next);
        wakes += 1;
        woken += std::iter::from_fn(|| wheel.pop()).count();
    }
    assert_eq!(woken, 1000);
    assert!(wakes <= 18, "{wakes}");
}

#[test]
fn setting_again_and_again_costs_no_memory() {
    let start = Instant::now();
    let mut wheel = Wheel::new(start);
    for round in 0..100_000_u64 {
        wheel.set((round % 10) as u32, start + Duration::from_millis(round * 7919 % 40_000));
    }
    assert_eq!(wheel.entries.len(), 10);
    wheel.advance(start + Duration::from_secs(41));
    let mut keys: Vec<_> = std::iter::from_fn(|| wheel.pop()).collect();
    keys.sort_unstable();
    assert_eq!(keys, (0..10).collect::<Vec<_>>());
    assert_eq!(wheel.poll_timeout(), None);
}

#[test]
fn a_deadline_taken_away_while_others_come_up_stays_away() {
    let start = Instant::now();
    let mut wheel = Wheel::new(start);
    for key in 0..4 {
        wheel.set(key, start + TICK);
    }
    wheel.advance(start + TICK);
    let first = wheel.pop().expect("four are due");
    let others: Vec<u32> = (0..4).filter(|key| *key != first).collect();
    wheel.clear(others[0]);
    wheel.set(others[1], start + 9 * TICK);
    assert_eq!(wheel.pop(), Some(others[2]));
    assert_eq!(wheel.pop(), None);
    assert_eq!(wheel.poll_timeout(), Some(start + 9 * TICK));
}
