//! Edges that give records out by choice, by chance and by shares, on several shards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use yeoul_frame::Frame;
use yeoul_operator::{
    Chaining, Context, InputId, JobGraph, Node, NodeKind, OpenContext, Operator, OperatorError, OutputId, Partitioner,
    Partitioning, Services, Subtask, WatermarkSpec,
};
use yeoul_runtime::{JobError, Outcome, spawn};

use crate::parts::{Numbers, PER_SPLIT, SPLITS, config};

/// What came to each subtask.
type Seen = Arc<Mutex<BTreeMap<u16, Vec<u64>>>>;

struct Note(Seen, Option<Subtask>);

impl Operator for Note {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.1 = Some(cx.subtask);
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        assert!(frame.hashes().is_none(), "no key was hashed");
        let index = self.1.expect("opened").index;
        let numbers = frame.rows::<u64>();
        self.0.lock().unwrap().entry(index).or_default().extend(numbers.iter().map(|(_, n)| n.to_native()));
        Ok(())
    }
}

/// Numbers modulo what it is told; more than that is no subtask.
struct Modulo(u64);

impl Partitioner for Modulo {
    fn partition(&self, frame: &Frame, _: u16, chosen: &mut Vec<u16>) {
        chosen.extend(frame.rows::<u64>().iter().map(|(_, n)| (n.to_native() % self.0) as u16));
    }
}

/// Runs numbers over the edge on three shards, from so many subtasks, to so many.
fn run(partitioning: Partitioning, from: u16, to: u16) -> Result<BTreeMap<u16, Vec<u64>>, JobError> {
    let seen = Seen::default();
    let mut graph = JobGraph { name: "partitioned".to_owned(), ..JobGraph::default() };
    let node = |uid: &str, parallelism, kind| Node {
        uid: uid.to_owned(),
        name: uid.to_owned(),
        parallelism: Some(parallelism),
        chaining: Chaining::Always,
        kind,
    };
    let make = Arc::new(|| Box::new(Numbers::new()) as _);
    let numbers = graph.add(node("numbers", from, NodeKind::Source { make, watermarks: WatermarkSpec::default() }));
    let noted = seen.clone();
    let make = Arc::new(move || Box::new(Note(noted.clone(), None)) as _);
    let note = graph.add(node("note", to, NodeKind::Operator { make }));
    graph.connect(numbers, OutputId::MAIN, note, InputId(0), partitioning);
    assert_eq!(spawn(graph, config(3), Services::default()).wait()?, Outcome::Finished);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let mut all: Vec<u64> = seen.values().flatten().copied().collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..SPLITS * PER_SPLIT), "each number once");
    Ok(seen)
}

#[test]
fn a_partitioner_chooses_each_records_subtask() {
    let seen = run(Partitioning::Custom(Arc::new(Modulo(3))), 2, 3).unwrap();
    for (subtask, numbers) in seen {
        assert!(numbers.iter().all(|n| n % 3 == u64::from(subtask)), "subtask {subtask}");
    }
}

#[test]
fn a_subtask_that_there_is_not_is_refused() {
    let error = run(Partitioning::Custom(Arc::new(Modulo(4))), 1, 3).unwrap_err().to_string();
    assert!(error.contains("a partitioner chose subtask 3 of 3") && error.contains("note"), "{error}");
}

#[test]
fn chance_gives_each_subtask_about_as_many() {
    let seen = run(Partitioning::Shuffle, 1, 3).unwrap();
    let even = SPLITS * PER_SPLIT / 3;
    for (subtask, numbers) in seen {
        assert!((numbers.len() as u64).abs_diff(even) < even / 20, "subtask {subtask}: {}", numbers.len());
    }
}

#[test]
fn a_sender_deals_to_its_share() {
    // Splits 0 and 2 are the first sender's, 1 and 3 the second's; the first has one receiver, the second the other two.
    let seen = run(Partitioning::Rescale, 2, 3).unwrap();
    for (subtask, numbers) in &seen {
        let of = u64::from(*subtask > 0);
        assert!(numbers.iter().all(|n| n / PER_SPLIT % 2 == of), "subtask {subtask}");
    }
    assert_eq!(seen.len(), 3, "all have some");
}
