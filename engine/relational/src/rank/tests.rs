//! Top-n and deduplication against a plain model after every frame, through snapshots, restores and other numbers of shards.

#![cfg(test)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testing::{Fold, Harness, Step, Table, fold, rows, run_with_restores};

fn input() -> Table {
    Table::new(&[("k", DataType::Int64), ("v", DataType::Int64), ("id", DataType::Int64)])
}

fn spec(from: usize, to: usize, rank_column: bool, strategy: RankStrategy) -> Rank {
    let mut columns = vec![("k", DataType::Int64), ("v", DataType::Int64), ("id", DataType::Int64)];
    if rank_column {
        columns.push(("rank", DataType::Int64));
    }
    Rank {
        partition: vec![0],
        order: vec![SortKey::descending(1)],
        from: from as u64,
        to: to as u64,
        rank_column,
        strategy,
        window_end: None,
        update_before: true,
        ttl: None,
        input_schema: input().schema().clone(),
        schema: Table::new(&columns).schema().clone(),
    }
}

fn harness(spec: Rank) -> Harness {
    let spec = Arc::new(spec);
    Harness::of(move || spec.clone().operator(), &[&[0]])
}

#[test]
fn places_change_with_what_comes() {
    let top = spec(1, 2, true, RankStrategy::AppendOnly);
    assert_eq!(
        top.to_string(),
        "Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[$0], orderBy=[$1 DESC])"
    );
    let mut harness = harness(top);
    harness.push(0, input().frame("+I 1 5 1\n+I 1 7 2\n+I 1 6 3\n+I 2 1 4 @8"));
    assert_eq!(rows(&harness.take()), "+I 1 7 2 1 @0\n+I 1 6 3 2 @0\n+I 2 1 4 1 @8");
    harness.push(0, input().frame("+I 1 6 5\n+I 1 7 6"));
    assert_eq!(rows(&harness.take()), "-U 1 6 3 2 @0\n+U 1 7 6 2 @0", "equals stand by arrival");
    harness.push(0, input().frame("+I 1 7 7\n+I 1 null 7"));
    assert_eq!(rows(&harness.take()), "");
    assert!(harness.try_push(0, input().frame("-D 1 7 7")).is_err());
}

#[test]
fn without_the_place_a_row_comes_and_goes() {
    let mut harness = harness(spec(1, 2, false, RankStrategy::Retract));
    harness.push(0, input().frame("+I 1 5 1\n+I 1 7 2\n+I 1 6 3"));
    assert_eq!(rows(&harness.take()), "+I 1 7 2 @0\n+I 1 6 3 @0");
    harness.push(0, input().frame("-D 1 7 2"));
    assert_eq!(rows(&harness.take()), "-D 1 7 2 @0\n+I 1 5 1 @0");
}

#[test]
fn of_rows_that_only_come_in_those_go_out_that_have_come_or_gone() {
    let mut harness = harness(spec(1, 3, false, RankStrategy::AppendOnly));
    for (frame, expected) in [
        ("+I 1 5 1\n+I 1 7 2", "+I 1 7 2 @0\n+I 1 5 1 @0"),
        // 4 comes and goes within the frame.
        ("+I 1 4 3\n+I 1 6 4\n+I 2 1 5", "+I 1 6 4 @0\n+I 2 1 5 @0"),
        ("+I 1 9 6\n+I 1 8 7\n+I 1 2 8", "-D 1 6 4 @0\n-D 1 5 1 @0\n+I 1 9 6 @0\n+I 1 8 7 @0"),
        ("+I 1 7 9\n+I 1 3 10", ""),
    ] {
        harness.push(0, input().frame(frame));
        assert_eq!(rows(&harness.take()), expected, "{frame}");
    }
}

#[test]
fn an_update_replaces_the_row_of_its_key() {
    let mut harness = harness(spec(1, 1, false, RankStrategy::Update { upsert_key: vec![0, 2] }));
    harness.push(0, input().frame("+I 1 5 1\n+I 1 4 2"));
    harness.push(0, input().frame("+U 1 6 2"));
    harness.push(0, input().frame("-D 1 6 2"));
    assert_eq!(rows(&harness.take()), "+I 1 5 1 @0\n-U 1 5 1 @0\n+U 1 6 2 @0\n-U 1 6 2 @0\n+U 1 5 1 @0");
}

#[test]
fn an_update_that_leaves_the_order_as_it_is_leaves_the_row_where_it_is() {
    let update = RankStrategy::Update { upsert_key: vec![0, 2] };
    let columns = [("k", DataType::Int64), ("v", DataType::Int64), ("id", DataType::Int64), ("x", DataType::Int64)];
    let input = Table::new(&columns);
    let schema = input.schema().clone();
    let spec = Rank { input_schema: schema.clone(), schema, ..spec(1, 1, false, update) };
    let mut harness = harness(spec);
    harness.push(0, input.frame("+I 1 10 1 0\n+I 1 10 2 0"));
    harness.push(0, input.frame("+U 1 10 1 7"));
    harness.push(0, input.frame("+U 1 10 2 7\n+U 1 10 1 7"));
    assert_eq!(rows(&harness.take()), "+I 1 10 1 0 @0\n-U 1 10 1 0 @0\n+U 1 10 1 7 @0");
}

#[test]
fn every_row_comes_and_goes_under_its_own_time() {
    let frame = |lines: &str| input().frame(lines);
    let mut appended = harness(spec(1, 2, false, RankStrategy::AppendOnly));
    appended.push(0, frame("+I 1 5 1 @1000\n+I 1 7 2 @61000"));
    appended.push(0, frame("+I 1 6 3 @90000"));
    assert_eq!(
        rows(&appended.take()),
        "+I 1 7 2 @61000\n+I 1 5 1 @1000\n-D 1 5 1 @1000\n+I 1 6 3 @90000",
        "however frames are cut"
    );
    let mut first = harness(spec(1, 1, false, RankStrategy::Retract));
    first.push(0, frame("+I 1 5 1 @1000"));
    first.push(0, frame("+I 1 7 2 @61000"));
    first.push(0, frame("-D 1 7 2 @99000"));
    let expected = "+I 1 5 1 @1000\n-U 1 5 1 @1000\n+U 1 7 2 @61000\n-U 1 7 2 @61000\n+U 1 5 1 @1000";
    assert_eq!(rows(&first.take()), expected);
}

#[test]
fn a_partition_dies_whole() {
    let ttl = Some(Duration::from_millis(100));
    for (strategy, kept) in [(RankStrategy::AppendOnly, 3), (RankStrategy::Retract, 20)] {
        let mut harness = harness(Rank { ttl, ..spec(1, 3, false, strategy) });
        harness.push(0, input().frame("+I 1 5 1\n+I 2 5 1"));
        harness.processing_time(60);
        harness.push(0, input().frame("+I 1 6 2"));
        harness.processing_time(120);
        harness.push(0, input().frame("+I 2 4 3"));
        assert_eq!(rows(&harness.take()), "+I 1 5 1 @0\n+I 2 5 1 @0\n+I 1 6 2 @0\n+I 2 4 3 @0");
        for _ in 0..20 {
            harness.processing_time(170);
            harness.push(0, input().frame("+I 3 1 1"));
        }
        // Of partition 2 its one row, of 3 what is kept, each with when it was written.
        assert_eq!(harness.state_entries(), (1 + 1) + (kept + 1));
    }
}

#[test]
fn an_upsert_key_without_the_partition_is_refused() {
    let lacking = spec(1, 1, false, RankStrategy::Update { upsert_key: vec![2] });
    assert!(Arc::new(lacking).operator().err().unwrap().to_string().contains("lacks $0"));
}

#[test]
fn places_that_are_none_are_refused() {
    assert!(Arc::new(spec(2, 1, false, RankStrategy::Retract)).operator().is_err());
}

type Row = (i64, i64, i64);

fn model(table: &[Row], from: usize, to: usize, rank_column: bool) -> Fold {
    let mut partitions: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    table.iter().for_each(|row| partitions.entry(row.0).or_default().push(*row));
    let mut fold = Fold::new();
    for (_, mut rows) in partitions {
        rows.sort_by_key(|row| -row.1);
        for (place, row) in rows.iter().enumerate().take(to).skip(from - 1) {
            let place = if rank_column { format!(" {}", place + 1) } else { String::new() };
            *fold.entry(format!("{} {} {}{place}", row.0, row.1, row.2)).or_default() += 1;
        }
    }
    fold
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_fold_is_the_top_at_every_frame(
        events in prop::collection::vec((0..3_i64, 0..5_i64, any::<prop::sample::Index>(), 0..10_u8), 1..60),
        cut in 1..6_usize,
        (from, more) in (1..4_usize, 0..3_usize),
        rank_column: bool,
        which in 0..3_usize,
        restores in prop::collection::vec((0..10_usize, 1..3_u16), 0..3),
    ) {
        let to = from + more;
        let strategy =
            [RankStrategy::AppendOnly, RankStrategy::Retract, RankStrategy::Update { upsert_key: vec![0, 2] }][which].clone();
        let (mut table, mut steps, mut tables) = (Vec::<Row>::new(), vec![], vec![]);
        for (n, events) in events.chunks(cut).enumerate() {
            let mut lines = vec![];
            for (m, (key, value, index, what)) in events.iter().enumerate() {
                let row = (*key, *value, (n * cut + m) as i64);
                if *what < 4 && which != 0 && !table.is_empty() {
                    let at = index.index(table.len());
                    let gone = table.remove(at);
                    if which == 2 && *what < 2 {
                        // An update without the row as it was; unless it stays where it was, it stands behind its equals.
                        let new = (gone.0, *value, gone.2);
                        table.insert(if new.1 == gone.1 { at } else { table.len() }, new);
                        lines.push(format!("+U {} {} {}", new.0, new.1, new.2));
                    } else {
                        lines.push(format!("-D {} {} {}", gone.0, gone.1, gone.2));
                    }
                } else {
                    table.push(row);
                    lines.push(format!("+I {} {} {}", row.0, row.1, row.2));
                }
            }
            steps.push(Step::Push(0, input().frame(&lines.join("\n"))));
            tables.push(table.clone());
        }
        for (at, parallelism) in restores {
            let at = at.min(steps.len());
            tables.insert(at, tables.get(at.wrapping_sub(1)).cloned().unwrap_or_default());
            steps.insert(at, Step::Restore(parallelism));
        }
        let mut folded = Fold::new();
        run_with_restores(harness(spec(from, to, rank_column, strategy)), &steps, |at, out| {
            fold(&mut folded, out);
            assert_eq!(folded, model(tables.get(at).unwrap_or(&table), from, to, rank_column));
        });
    }
}
