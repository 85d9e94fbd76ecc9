//! What a file sink notes and seals has the bytes that docs/format.md prints.

use std::sync::Arc;

use yeoul_file::FileSink;
use yeoul_frame::{Epoch, OperatorId, Pool, RowBuilder, RowKind, Timestamp, record};
use yeoul_operator::{Context, Counters, InputId, Operator, SinkSpec, Snapshot, Subtask};

#[record]
#[derive(Debug, Clone)]
struct Line {
    text: String,
}

fn payload(name: &str) -> Vec<u8> {
    let page = include_str!("../../../docs/format.md").lines();
    let lines = page.filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("| "));
    let hex = lines.flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace());
    hex.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect()
}

/// Restored from what the page prints.
fn restored(sink: &impl SinkSpec) -> Box<dyn Operator> {
    let mut writer = sink.make()();
    writer.restore("file-sink", Subtask { index: 0, parallelism: 1 }, &payload("file-sink")).unwrap();
    writer
}

type States = Vec<(OperatorId, String, Vec<u8>)>;
type Sealed = Vec<(OperatorId, Arc<[u8]>)>;

fn snapshot(writer: &mut dyn Operator) -> (States, Sealed) {
    let (mut states, mut sealed) = (Vec::new(), Vec::new());
    let sink = OperatorId::of("sink");
    writer.snapshot(&mut Snapshot::new(Epoch(1), sink, &mut states, &mut sealed)).unwrap();
    (states, sealed)
}

#[test]
fn the_state_is_as_printed() {
    // A single file has no parts that could end with the epoch.
    let mut writer = restored(&FileSink::csv::<Line>("result.csv").single());
    let (states, sealed) = snapshot(&mut *writer);
    assert_eq!(states, [(OperatorId::of("sink"), "file-sink".to_owned(), payload("file-sink"))]);
    assert!(sealed.is_empty());
}

#[test]
fn a_sealed_chunk_is_as_printed() {
    let mut writer = restored(&FileSink::csv::<Line>("results"));
    let pool = Pool::new();
    let mut rows = RowBuilder::new(&pool, 1);
    rows.push(&Line { text: "a".to_owned() }, Timestamp(0), RowKind::Insert).unwrap();
    let (mut emitted, counters) = (Vec::new(), Counters::default());
    let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
    writer.process(InputId(0), &rows.finish(), &mut cx).unwrap();
    let (_, sealed) = snapshot(&mut *writer);
    assert_eq!(sealed.len(), 1);
    assert_eq!(sealed[0].1[..], payload("file-output"));
}
