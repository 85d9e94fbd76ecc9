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
fn an_update_replaces_the_row_of_its_key() {
    let mut harness = harness(spec(1, 1, false, RankStrategy::Update { upsert_key: vec![0, 2] }));
    harness.push(0, input().frame("+I 1 5 1\n+I 1 4 2"));
    harness.push(0, input().frame("+U 1 6 2"));
    harness.push(0, input().frame("-D 1 6 2"));
    assert_eq!(rows(&harness.take()), "+I 1 5 1 @0\n-U 1 5 1 @0\n+U 1 6 2 @0\n-U 1 6 2 @0\n+U 1 5 1 @0");
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
            [RankStrategy::AppendOnly, RankStrategy::Retract, RankStrategy::Update { upsert_key: vec![2] }][which].clone();
        let (mut table, mut steps, mut tables) = (Vec::<Row>::new(), vec![], vec![]);
        for (n, events) in events.chunks(cut).enumerate() {
            let mut lines = vec![];
            for (m, (key, value, index, what)) in events.iter().enumerate() {
                let row = (*key, *value, (n * cut + m) as i64);
                if *what < 4 && which != 0 && !table.is_empty() {
                    let gone = table.remove(index.index(table.len()));
                    if which == 2 && *what < 2 {
                        // An update without the row as it was; it stands behind its equals.
                        let new = (gone.0, *value, gone.2);
                        table.push(new);
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
