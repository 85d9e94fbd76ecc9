//! The first or the last row of each key.
//!
//! Of a frame's rows of a key only the one that stays can change what is given, so a key is looked up once a frame. Among rows of one
//! time the last to arrive is the last, and the first to arrive the first.
//!
//! Invariants:
//! 1. What is kept of a key is the row that was given of it, and its event time, under which it is taken back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::UInt32Array;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError};
use yeoul_state::log::Corrupt;
use yeoul_state::{StateTable, Stored, Table};

use crate::aggregate::{Groups, columns};
use crate::assign_times::event_times;
use crate::input::{Input, gather};
use crate::key::{ColumnKey, KeyForm, KeyReader, by_key_form};
use crate::output::emit;
use crate::row::{EncodedRows, RowCodec};
use crate::time_order::{OrderTime, TimeOrder};

/// At least so many buckets are looked at after each frame (and one for each key in it) for keys whose life is over.
const SWEPT: usize = 16;

/// Keeps one row of each key; rows that only come in, and are not taken back.
#[derive(Debug, Clone)]
pub struct Deduplicate {
    /// The key.
    pub keys: Vec<usize>,
    /// What first and last mean.
    pub order: OrderTime,
    /// The first row is kept; otherwise the last.
    pub keep_first: bool,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// Each row that is the kept one for a moment is given, also if another of its frame takes its place: what is behind it asks what was
    /// when.
    pub every_change: bool,
    /// A key of which no row came for so long is forgotten.
    pub ttl: Option<Duration>,
    /// What comes in, and out.
    pub schema: SchemaRef,
}

impl fmt::Display for Deduplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keep, order) = (
            if self.keep_first { "FirstRow" } else { "LastRow" },
            match self.order.order() {
                TimeOrder::RowTime => "ROWTIME",
                TimeOrder::ProcTime => "PROCTIME",
            },
        );
        write!(f, "Deduplicate(keep=[{keep}], key=[{}], order=[{order}])", columns(&self.keys))
    }
}

impl Deduplicate {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let form = KeyForm::of(&self.schema, &self.keys);
        by_key_form!(form, K => Ok(Box::new(DeduplicateOperator::<K> {
            keys: KeyReader::new(&self.schema, &self.keys)?,
            codec: RowCodec::of_fields(self.schema.fields())?,
            ttl: self.ttl.map(|ttl| (ttl.as_millis() as i64).max(1)),
            spec: self,
            groups: Groups::new(),
            rows: EncodedRows::default(),
            table: None,
        })))
    }

    /// What is given of a key may change, so it is kept.
    fn keeps_rows(&self) -> bool {
        self.update_before && !(self.keep_first && self.order == OrderTime::ProcTime)
    }
}

/// What is kept of a key: its time, when it was written, and its event time and the row if it will be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    time: i64,
    since: i64,
    event: i64,
    row: Box<[u8]>,
}

impl Stored for Kept {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self { time: 0, since: 0, event: 0, row: Box::default() }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.time.encode(out);
        self.since.encode(out);
        self.event.encode(out);
        out.extend_from_slice(&self.row);
    }

    /// Takes all the bytes.
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let (time, since, event) = (i64::decode(bytes)?, i64::decode(bytes)?, i64::decode(bytes)?);
        Ok(Self { time, since, event, row: std::mem::take(bytes).into() })
    }

    fn heap_bytes(&self) -> usize {
        self.row.len()
    }
}

/// A row that is kept of its key, if only for a moment.
struct Taken {
    row: u32,
    group: u32,
    /// The one of this frame whose place it takes, by number.
    before: Option<u32>,
}

struct DeduplicateOperator<K: ColumnKey> {
    spec: Arc<Deduplicate>,
    keys: KeyReader<K>,
    codec: RowCodec,
    ttl: Option<i64>,
    groups: Groups<K>,
    rows: EncodedRows,
    table: Option<Table<K, Kept>>,
}

impl<K: ColumnKey> Operator for DeduplicateOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.table = Some(Table::new(cx.operator.table("kept"), "kept"));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (input, now) = (Input::of(frame)?, cx.now().0);
        if input.kinds().is_some_and(|kinds| kinds.iter().any(|kind| !matches!(kind, RowKind::Insert))) {
            return Err(OperatorError::new(format!("{} over rows that change", self.spec))
                .hint("this is a fault of the plan, or of a source that declares the wrong changelog mode"));
        }
        self.keys.read(&input)?;
        self.groups.group(self.keys.keys(), self.keys.hashes());
        let times: Option<Vec<Timestamp>> = match self.spec.order {
            OrderTime::RowTime(column) => Some(event_times(&input.column(column)?)?),
            OrderTime::ProcTime => None,
        };
        let taken = self.take(times.as_deref(), now);
        let old = self.keep(&input, &taken, times.as_deref(), now)?;
        self.give(&input, &taken, &old, cx)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(table) = &mut self.table {
            visit(table);
        }
    }
}

impl<K: ColumnKey> DeduplicateOperator<K> {
    /// The rows that take the place of what was kept of their key, in an order in which each key's are in theirs.
    fn take(&mut self, times: Option<&[Timestamp]>, now: i64) -> Vec<Taken> {
        let Self { spec, groups, ttl, table, .. } = self;
        let table = table.as_mut().expect("an operator is opened before its first frame");
        let is_over = |kept: &Kept| ttl.is_some_and(|ttl| kept.since.saturating_add(ttl) <= now);
        // The time of what is kept of each key.
        let mut held: Vec<Option<i64>> = Vec::with_capacity(groups.len());
        table.get_batch(&groups.keys, &groups.hashes, |_, kept| {
            held.push(kept.filter(|kept| !is_over(kept)).map(|kept| kept.time));
        });
        let mut taken: Vec<Taken> = Vec::with_capacity(groups.len());
        // The last one of each key.
        let mut last: Vec<Option<u32>> = vec![None; groups.len()];
        for (row, &group) in groups.ids.iter().enumerate() {
            let time = times.map_or(0, |times| times[row].0);
            let held = &mut held[group as usize];
            let replaces = match (times, spec.keep_first, *held) {
                (_, _, None) => true,
                (Some(_), true, Some(held)) => time < held,
                (Some(_), false, Some(held)) => time >= held,
                (None, keep_first, _) => !keep_first,
            };
            if !replaces {
                continue;
            }
            *held = Some(time);
            let last = &mut last[group as usize];
            match last {
                Some(last) if !spec.every_change => taken[*last as usize].row = row as u32,
                _ => {
                    let before = last.replace(taken.len() as u32);
                    taken.push(Taken { row: row as u32, group, before });
                }
            }
        }
        taken
    }

    /// Keeps the last row of each key that was taken. Returns what was kept before, by group.
    fn keep(
        &mut self,
        input: &Input<'_>,
        taken: &[Taken],
        times: Option<&[Timestamp]>,
        now: i64,
    ) -> Result<Vec<Option<Kept>>, OperatorError> {
        let keeps_rows = self.spec.keeps_rows();
        let Self { codec, groups, rows, ttl, table, .. } = self;
        let table = table.as_mut().expect("an operator is opened before its first frame");
        let mut last: Vec<Option<u32>> = vec![None; groups.len()];
        taken.iter().for_each(|taken| last[taken.group as usize] = Some(taken.row));
        let changed: Vec<(usize, u32)> =
            last.into_iter().enumerate().filter_map(|(group, row)| row.map(|row| (group, row))).collect();
        if keeps_rows {
            let stay = UInt32Array::from(changed.iter().map(|(_, row)| *row).collect::<Vec<_>>());
            let columns =
                input.all_columns()?.iter().map(|column| gather(column, &stay)).collect::<Result<Vec<_>, _>>()?;
            codec.encode(&columns, stay.len(), rows)?;
        }
        let is_over = |kept: &Kept| ttl.is_some_and(|ttl| kept.since.saturating_add(ttl) <= now);
        let row_times = input.times();
        let mut old: Vec<Option<Kept>> = vec![None; groups.len()];
        for (at, (group, row)) in changed.into_iter().enumerate() {
            let (bytes, event) = match keeps_rows {
                true => (rows.row(at).into(), row_times[row as usize].0),
                false => (Box::default(), 0),
            };
            let time = times.map_or(0, |times| times[row as usize].0);
            let kept = Kept { time, since: now, event, row: bytes };
            old[group] = table.set(&groups.keys[group], groups.hashes[group], kept).filter(|kept| !is_over(kept));
        }
        if ttl.is_some() {
            table.sweep(SWEPT.max(groups.len()), |_, kept| is_over(kept));
        }
        Ok(old)
    }

    fn give(
        &self,
        input: &Input<'_>,
        taken: &[Taken],
        old: &[Option<Kept>],
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        let spec = &self.spec;
        let (mut kinds, mut times, mut picks) = (vec![], vec![], vec![]);
        let mut old_rows: Vec<&[u8]> = vec![];
        let row_times = input.times();
        for (at, Taken { row, group, before }) in taken.iter().enumerate() {
            let kept = old[*group as usize].as_ref();
            if spec.keeps_rows() {
                let before = match (before, kept) {
                    (Some(before), _) => {
                        let row = taken[*before as usize].row;
                        Some(((0, *before as usize), row_times[row as usize]))
                    }
                    (None, Some(kept)) => {
                        old_rows.push(&kept.row);
                        Some(((1, old_rows.len() - 1), Timestamp(kept.event)))
                    }
                    (None, None) => None,
                };
                if let Some((pick, time)) = before {
                    picks.push(pick);
                    kinds.push(RowKind::UpdateBefore);
                    times.push(time);
                }
            }
            picks.push((0, at));
            let is_new = before.is_none() && kept.is_none();
            kinds.push(if is_new { RowKind::Insert } else { RowKind::UpdateAfter });
            times.push(row_times[*row as usize]);
        }
        let new = UInt32Array::from(taken.iter().map(|taken| taken.row).collect::<Vec<_>>());
        let is_plain = picks.len() == taken.len();
        let mut arrays = Vec::with_capacity(spec.schema.fields().len());
        for column in 0..spec.schema.fields().len() {
            let new = gather(&input.column(column)?, &new)?;
            if is_plain {
                arrays.push(new);
                continue;
            }
            let old = self.codec.decode_column(&old_rows, column)?;
            let both = interleave(&[&*new, &*old], &picks);
            arrays.push(both.map_err(|error| OperatorError::new("old rows beside new ones").caused_by(error))?);
        }
        if kinds.iter().all(|kind| *kind == RowKind::Insert) {
            kinds.clear();
        }
        emit(cx, &spec.schema, arrays, times, kinds)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow_schema::{DataType, TimeUnit};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Fold, Harness, Step, Table, fold, rows, run_with_restores};

    fn input() -> Table {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        Table::new(&[("k", DataType::Int64), ("s", DataType::Utf8View), ("ts", millis)])
    }

    fn harness(order: OrderTime, keep_first: bool, update_before: bool) -> Harness {
        let ttl = (order == OrderTime::ProcTime).then(|| Duration::from_millis(100));
        let schema = input().schema().clone();
        let spec =
            Arc::new(Deduplicate { keys: vec![0], order, keep_first, update_before, every_change: false, ttl, schema });
        Harness::of(move || spec.clone().operator(), &[&[0]])
    }

    #[test]
    fn among_equal_times_the_last_to_arrive_is_the_last() {
        let mut harness = harness(OrderTime::RowTime(2), false, true);
        harness.push(0, input().frame("+I 1 a 5\n+I 1 b 5\n+I 2 c 9 @3\n+I 1 d 4"));
        assert_eq!(rows(&harness.take()), "+I 1 b 5 @0\n+I 2 c 9 @3");
        harness.push(0, input().frame("+I 2 e 8\n+I 1 f 5 @7"));
        assert_eq!(rows(&harness.take()), "-U 1 b 5 @0\n+U 1 f 5 @7", "each under its own time");
        assert!(harness.try_push(0, input().frame("-D 1 f 5")).is_err());
    }

    #[test]
    fn what_is_asked_for_each_change_gives_rows_that_stay_but_for_a_moment() {
        let schema = input().schema().clone();
        let order = OrderTime::RowTime(2);
        let of = Deduplicate {
            keys: vec![0],
            order,
            keep_first: false,
            update_before: true,
            every_change: true,
            ttl: None,
            schema,
        };
        let of = Arc::new(of);
        let mut harness = Harness::of(move || of.clone().operator(), &[&[0]]);
        harness.push(0, input().frame("+I 2 b 18\n+I 1 a 16\n+I 1 c 20\n+I 1 d 19\n+I 1 e 21"));
        let expected = "+I 2 b 18 @0\n+I 1 a 16 @0\n-U 1 a 16 @0\n+U 1 c 20 @0\n-U 1 c 20 @0\n+U 1 e 21 @0";
        assert_eq!(rows(&harness.take()), expected, "what is behind the kept row is left out");
    }

    #[test]
    fn the_first_to_arrive_is_given_once_in_its_life() {
        let mut harness = harness(OrderTime::ProcTime, true, true);
        harness.push(0, input().frame("+I 1 a 5\n+I 1 b 1"));
        harness.push(0, input().frame("+I 1 c 0"));
        harness.processing_time(99);
        harness.push(0, input().frame("+I 1 d 0"));
        harness.processing_time(100);
        harness.push(0, input().frame("+I 1 e 0"));
        assert_eq!(rows(&harness.take()), "+I 1 a 5 @0\n+I 1 e 0 @0");
    }

    #[test]
    fn a_key_whose_row_stays_is_not_written() {
        let mut harness = harness(OrderTime::ProcTime, true, true);
        harness.push(0, input().frame("+I 1 a 5"));
        assert_eq!(harness.dirty_entries(), 1);
        harness.snapshot();
        harness.push(0, input().frame("+I 1 b 1"));
        assert_eq!(harness.dirty_entries(), 0);
        harness.push(0, input().frame("+I 1 b 1\n+I 2 c 1"));
        assert_eq!(harness.dirty_entries(), 1);
    }

    #[test]
    fn without_update_before_only_the_new_row_is_given() {
        let mut harness = harness(OrderTime::RowTime(2), true, false);
        harness.push(0, input().frame("+I 1 a 5"));
        harness.push(0, input().frame("+I 1 b 3\n+I 1 c 3\n+I 1 d 4"));
        assert_eq!(rows(&harness.take()), "+I 1 a 5 @0\n+U 1 b 3 @0");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn one_row_a_key_stays(
            all in prop::collection::vec((0..4_i64, 0..9_u8, 0..6_i64), 1..60),
            cut in 1..9_usize,
            keep_first: bool,
            restores in prop::collection::vec((0..8_usize, 1..3_u16), 0..3),
        ) {
            let mut steps: Vec<Step> = vec![];
            let mut models = vec![];
            let mut model = BTreeMap::<i64, (u8, i64)>::new();
            for rows in all.chunks(cut) {
                let line = |(key, text, time): &(i64, u8, i64)| format!("+I {key} t{text} {time}");
                steps.push(Step::Push(0, input().frame(&rows.iter().map(line).collect::<Vec<_>>().join("\n"))));
                for (key, text, time) in rows {
                    let held = model.entry(*key).or_insert((*text, *time));
                    if if keep_first { *time < held.1 } else { *time >= held.1 } {
                        *held = (*text, *time);
                    }
                }
                models.push(model.clone());
            }
            for (at, parallelism) in restores {
                let at = at.min(steps.len());
                models.insert(at, models.get(at.wrapping_sub(1)).cloned().unwrap_or_default());
                steps.insert(at, Step::Restore(parallelism));
            }
            let mut folded = Fold::new();
            run_with_restores(harness(OrderTime::RowTime(2), keep_first, true), &steps, |at, out| {
                fold(&mut folded, out);
                let row = |(key, (text, time)): (&i64, &(u8, i64))| (format!("{key} t{text} {time}"), 1);
                let expected: Fold = models.get(at).unwrap_or(&model).iter().map(row).collect();
                assert_eq!(folded, expected);
            });
        }
    }

    #[test]
    fn what_is_kept_has_the_bytes_that_the_format_page_prints() {
        let kept = Kept { time: 1_000, since: 5_000, event: 999, row: (*b"\0a").into() };
        crate::testing::check_printed("kept", &kept);
    }
}
