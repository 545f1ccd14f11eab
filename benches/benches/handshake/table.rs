//! Medians over all turns, side by side.

use std::time::Duration;

use crate::{Subject, Turn};

pub(crate) struct Table {
    title: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    floor: Option<&'static str>,
    turns: Vec<Turn>,
}

impl Table {
    pub(crate) fn new(title: &'static str, subjects: &[Subject]) -> Self {
        let row = |subject: &Subject| Row { name: subject.name, floor: subject.floor, turns: Vec::new() };
        Self { title, rows: subjects.iter().map(row).collect() }
    }

    pub(crate) fn add(&mut self, row: usize, turn: Turn) {
        self.rows[row].turns.push(turn);
    }

    pub(crate) fn print(&self) {
        let Some(turns) = self.rows.first().map(|row| row.turns.len()).filter(|turns| *turns > 0) else {
            return; // criterion was asked for other benches
        };
        println!("\n{}: medians of {turns} interleaved turns", self.title);
        println!("{:<43} {:>7} {:>16}  beside", "", "µs", "longest call, µs");
        for row in &self.rows {
            let (total, longest) = (row.total(), micros(median(row.turns.iter().map(|turn| turn.longest))));
            let floor = row.floor.and_then(|name| self.rows.iter().find(|row| row.name == name));
            let beside = floor.map(|floor| format!("{:.2} x {}", total / floor.total(), floor.name));
            println!("{:<43} {total:>7.1} {longest:>16.1}  {}", row.name, beside.unwrap_or_default());
        }
        println!();
    }
}

impl Row {
    fn total(&self) -> f64 {
        micros(median(self.turns.iter().map(|turn| turn.total)))
    }
}

fn median(values: impl Iterator<Item = Duration>) -> Duration {
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
