//! Whatever comes in whichever order, and wherever a run ends and another goes on: each record has its results once, on its side of each watermark.

use std::time::Duration;

use proptest::prelude::*;
use yeoul_operator::{MakeOperator, Subtask};
use yeoul_stream::AsyncOptions;

use crate::gate::Ask;
use crate::gate::Gate;
use crate::stage::{Saved, Stage, make};

#[derive(Debug, Clone, Copy)]
enum Event {
    /// So many records come, in one frame, to one of the subtasks.
    Records(u64),
    Watermark,
    /// One that has not left, by its place among these, has its answer.
    Answer(usize),
    Checkpoint,
    /// All is lost since the last checkpoint; so many subtasks go on from there.
    Crash(u16),
}

fn events(most: u16) -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (1..6_u64).prop_map(Event::Records),
        2 => Just(Event::Watermark),
        5 => (0..20_usize).prop_map(Event::Answer),
        1 => Just(Event::Checkpoint),
        1 => (1..=most).prop_map(Event::Crash),
    ];
    proptest::collection::vec(event, 1..60)
}

/// A record: its number, the last watermark before it, and the first one behind it.
type Record = (u64, i64, i64);

struct Run {
    gate: Gate,
    make: MakeOperator,
    stages: Vec<Stage>,
    /// For each subtask, up to which watermark it has said.
    said: Vec<i64>,
    /// All that came, as steps; `came` of them before the last checkpoint.
    input: Vec<String>,
    records: Vec<Record>,
    watermark: i64,
    /// Numbers of records whose results have left; `kept` of them before the last checkpoint.
    left: Vec<u64>,
    saved: (Saved, Vec<i64>, usize, usize),
    is_strict: bool,
}

impl Run {
    fn play(&mut self, at: usize, step: &str) {
        for word in self.stages[at].play(step, &self.gate).unwrap().split_whitespace().filter(|word| *word != "full") {
            if let Some(watermark) = word.strip_prefix('w') {
                self.said[at] = watermark.parse().unwrap();
                continue;
            }
            let number = word.split(['@', '\'']).next().unwrap().parse::<u64>().unwrap() / 10;
            let (_, before, behind) = self.records[number as usize];
            assert!(self.said[at] < behind, "record {number} has let the watermark {behind} pass");
            assert!(!self.is_strict || self.said[at] >= before, "record {number} has passed the watermark {before}");
            self.left.push(number);
        }
    }

    fn input(&mut self, step: &str) {
        if step.starts_with('w') {
            (0..self.stages.len()).for_each(|at| self.play(at, step));
        } else {
            let first: usize = step.split('@').next().unwrap().parse().unwrap();
            self.play(first % self.stages.len(), step);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Records(count) => {
                let first = self.records.len() as u64;
                let numbers = first..first + count;
                let step: Vec<_> = numbers.clone().map(|n| format!("{n}@{n}")).collect();
                self.records.extend(numbers.map(|n| (n, self.watermark, i64::MAX)));
                self.input.push(step.join(","));
                self.input(&step.join(","));
            }
            Event::Watermark => {
                self.watermark = self.watermark.max(0) + 1;
                let behind = self.records.iter_mut().filter(|(_, _, behind)| *behind == i64::MAX);
                behind.for_each(|(_, _, behind)| *behind = self.watermark);
                let step = format!("w{}", self.watermark);
                self.input.push(step.clone());
                self.input(&step);
            }
            Event::Answer(place) => {
                let waiting = self.records.iter().map(|(n, ..)| *n).filter(|n| !self.left.contains(n));
                if let Some(n) = waiting.collect::<Vec<_>>().get(place) {
                    (0..self.stages.len())
                        .for_each(|at| self.play(at, if at == 0 { format!("a{n}") } else { String::new() }.as_str()));
                }
            }
            Event::Checkpoint => {
                let saved = self.stages.iter_mut().map(Stage::save).collect();
                self.saved = (saved, self.said.clone(), self.input.len(), self.left.len());
            }
            Event::Crash(parallelism) => {
                let (saved, said, came, kept) = self.saved.clone();
                self.left.truncate(kept);
                if saved.is_empty() {
                    self.stages = open(&self.make, parallelism);
                    self.said = vec![i64::MIN; usize::from(parallelism)];
                } else {
                    self.stages = Stage::restored(&self.make, parallelism, &saved);
                    let least = said.iter().copied().min().unwrap_or(i64::MIN);
                    let as_before = saved.len() == usize::from(parallelism);
                    self.said = if as_before { said } else { vec![least; usize::from(parallelism)] };
                }
                let again = self.input[came..].to_vec();
                again.iter().for_each(|step| self.input(step));
            }
        }
    }
}

fn open(make: &MakeOperator, parallelism: u16) -> Vec<Stage> {
    (0..parallelism).map(|index| Stage::open(make, Subtask { index, parallelism })).collect()
}

fn check(events: &[Event], is_ordered: bool, is_strict: bool) {
    let gate = Gate::default();
    let make = make(|numbers| {
        let (ask, options) = (Ask(gate.clone()), AsyncOptions::new(Duration::MAX).capacity(4));
        if is_ordered { numbers.async_ordered(ask, options) } else { numbers.async_unordered(ask, options) }
    });
    let mut run = Run {
        stages: open(&make, 1),
        gate,
        make,
        said: vec![i64::MIN],
        input: Vec::new(),
        records: Vec::new(),
        watermark: i64::MIN,
        left: Vec::new(),
        saved: (Saved::new(), Vec::new(), 0, 0),
        is_strict,
    };
    events.iter().for_each(|event| run.happen(*event));
    run.gate.open();
    run.happen(Event::Watermark);
    let mut left = run.left;
    if !(is_ordered && is_strict) {
        left.sort_unstable();
    }
    assert!(left.into_iter().eq(0..run.records.len() as u64));
    assert!(run.said.iter().all(|said| *said == run.watermark));
}

proptest! {
    #[test]
    fn each_record_has_its_results_once_on_its_side_of_each_watermark(events in events(1), is_ordered: bool) {
        check(&events, is_ordered, true);
    }

    #[test]
    fn each_record_has_its_results_once_whatever_the_number_of_subtasks(events in events(3), is_ordered: bool) {
        check(&events, is_ordered, false);
    }
}
