//! What a source of numbered rows notes has the bytes that docs/format.md prints.

use yeoul_datagen::{NumberedRows, NumberedSource};
use yeoul_frame::{Epoch, Frame, OperatorId, Timestamp};
use yeoul_operator::{Snapshot, Subtask};

struct Blocks;

impl NumberedRows for Blocks {
    fn frame(&self, from: u64, to: u64, _: Timestamp) -> Frame {
        unreachable!("rows {from} to {to} are asked for, though the source is never polled")
    }

    fn block(&self) -> u64 {
        10
    }

    fn end(&self) -> Option<u64> {
        None
    }

    fn rate(&self) -> Option<u64> {
        None
    }
}

fn payload(name: &str) -> Vec<u8> {
    let page = include_str!("../../../docs/format.md").lines();
    let lines = page.filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("| "));
    let hex = lines.flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace());
    hex.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect()
}

#[test]
fn the_state_is_as_printed() {
    let mut source = NumberedSource::new(Blocks).make()();
    source.restore("numbered", Subtask { index: 0, parallelism: 1 }, &payload("numbered")).unwrap();
    let (mut states, mut sealed) = (Vec::new(), Vec::new());
    let id = OperatorId::of("rows");
    source.snapshot(&mut Snapshot::new(Epoch(1), id, &mut states, &mut sealed)).unwrap();
    assert_eq!(states, [(id, "numbered".to_owned(), payload("numbered"))]);
}
