//! What the engine itself writes into checkpoints has the bytes that docs/format.md prints: the event time of sources, and the catalog.

#![cfg(test)]

use std::collections::BTreeMap;

use yeoul_frame::{Epoch, OperatorId, Pool, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{SplitId, Strategy, WatermarkSpec};
use yeoul_state::catalog::{Catalog, TableEntry};
use yeoul_state::log::Layout;

use crate::event_time::EventTime;

fn payload(name: &str) -> Vec<u8> {
    let page = include_str!("../../../docs/format.md").lines();
    let lines = page.filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("| "));
    let hex = lines.flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace());
    hex.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect()
}

#[test]
fn the_event_time_of_a_source_is_as_printed() {
    let spec = WatermarkSpec { strategy: Strategy::BoundedOutOfOrderness(10), ..WatermarkSpec::default() };
    let mut time = EventTime::new(spec.clone());
    let mut rows = RowBuilder::<u64>::new(&Pool::new(), 1);
    rows.push(&1, Timestamp(911), RowKind::Insert).unwrap();
    time.records(SplitId(5), rows.finish(), &mut Vec::new());
    assert_eq!(time.save(), payload("@event-time"));
    let mut again = EventTime::new(spec);
    again.load(&payload("@event-time"), true, |_| true).unwrap();
    assert_eq!(again.save(), payload("@event-time"));
}

#[test]
fn the_catalog_is_as_printed() {
    let (count, sink) = (OperatorId::of("count"), OperatorId::of("sink"));
    let entry = |name: &str, layout| {
        // The types of one of them are known.
        let types = (name == "a").then(|| ("u64".to_owned(), "()".to_owned()));
        let (version, since) = if name == "b" { (2, Epoch(9)) } else { (0, Epoch(0)) };
        (count.table(name), TableEntry { operator: count, name: name.to_owned(), layout, types, version, since })
    };
    let catalog = Catalog {
        operators: BTreeMap::from([(count, "count".to_owned()), (sink, "sink".to_owned())]),
        tables: BTreeMap::from([entry("a", Layout::Fixed { key: 8, value: 0 }), entry("b", Layout::Variable)]),
        sinks: BTreeMap::from([(sink, Epoch(7))]),
    };
    let printed = ["operators", "tables", "types", "revisions", "sinks"].map(|name| (name.to_owned(), payload(name)));
    assert_eq!(catalog.encode(), BTreeMap::from(printed));
    assert_eq!(Catalog::decode(&catalog.encode()).unwrap(), catalog);
}
