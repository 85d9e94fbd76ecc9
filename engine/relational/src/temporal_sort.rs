//! Rows in the order of time.
//!
//! By event time, rows wait until the watermark says that none before them is missing; by processing time they are in order as they come.
//!
//! Invariants:
//! 1. A row waits, is out, or is late.

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{
    Context, InputId, OpenContext, Operator, OperatorError, OutputId, Passed, Progress, Snapshot, Subtask,
};
use yeoul_state::{KeyBytes, StateTable};

use crate::aggregate::Groups;
use crate::assign_times::event_times;
use crate::input::{Input, check_inserts, gather};
use crate::key::KeyReader;
use crate::output::{OUTPUT_ROWS, emit, emit_late};
use crate::pending::{Pending, Ripe};
use crate::row::{EncodedRows, RowCodec};
use crate::sort_key::{SortKey, SortKeys, check, list};
use crate::time_order::OrderTime;

/// Orders rows by time, then by other columns. Late rows are counted, and go to [`LATE`](crate::LATE).
#[derive(Debug, Clone)]
pub struct TemporalSort {
    /// By which time first.
    pub time: OrderTime,
    /// By what among rows of one time (by processing time: of one frame).
    pub order: Vec<SortKey>,
    /// What comes in, and out.
    pub schema: SchemaRef,
}

impl fmt::Display for TemporalSort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemporalSort(time=[{}], orderBy=[{}])", self.time, list(&self.order))
    }
}

impl TemporalSort {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept or ordered.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        check(&self.schema, &self.order)?;
        Ok(Box::new(SortOperator {
            keys: KeyReader::new(&self.schema, &[])?,
            codec: RowCodec::of_fields(self.schema.fields())?,
            spec: self,
            groups: Groups::new(),
            rows: EncodedRows::default(),
            sort: SortKeys::default(),
            pending: None,
            passed: Passed::new("passed"),
        }))
    }
}

struct SortOperator {
    spec: Arc<TemporalSort>,
    /// All rows have one key: that of no columns.
    keys: KeyReader<KeyBytes>,
    codec: RowCodec,
    groups: Groups<KeyBytes>,
    rows: EncodedRows,
    sort: SortKeys,
    pending: Option<Pending<KeyBytes>>,
    passed: Passed,
}

impl SortOperator {
    /// The columns that rows of one time are ordered by.
    fn read(
        &mut self,
        rows: usize,
        column: impl Fn(usize) -> Result<ArrayRef, OperatorError>,
    ) -> Result<(), OperatorError> {
        let columns = self.spec.order.iter().map(|key| column(key.column)).collect::<Result<Vec<_>, _>>()?;
        self.sort.read(&self.spec.order, &columns, rows);
        Ok(())
    }

    fn give(&mut self, ripe: &Ripe<KeyBytes>, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let mut order: Vec<usize> = (0..ripe.len()).collect();
        if !self.spec.order.is_empty() {
            let rows: Vec<&[u8]> = order.iter().map(|&row| ripe.row(row)).collect();
            let codec = self.codec.clone();
            self.read(rows.len(), |column| codec.decode_column(&rows, column))?;
            order.sort_by(|&a, &b| (ripe.time(a), self.sort.of(a)).cmp(&(ripe.time(b), self.sort.of(b))));
        }
        for part in order.chunks(OUTPUT_ROWS) {
            let rows: Vec<&[u8]> = part.iter().map(|&row| ripe.row(row)).collect();
            let times = part.iter().map(|&row| Timestamp(ripe.time(row))).collect();
            emit(cx, &self.spec.schema, self.codec.decode(&rows)?, times, Vec::new())?;
        }
        Ok(())
    }
}

impl Operator for SortOperator {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.passed.open(cx);
        self.pending = Some(Pending::new(cx.operator.table("pending"), "pending"));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        check_inserts(&self.spec, &input)?;
        let OrderTime::RowTime(column) = self.spec.time else {
            if self.spec.order.is_empty() {
                // The hashes are those of no key.
                cx.emit(OutputId::MAIN, frame.clone().without_hashes());
                return Ok(());
            }
            self.read(input.rows(), |column| input.column(column))?;
            let mut order: Vec<u32> = (0..input.rows() as u32).collect();
            order.sort_by(|&a, &b| self.sort.of(a as usize).cmp(self.sort.of(b as usize)));
            let (times, positions) = (input.times(), order.clone().into());
            let arrays =
                input.all_columns()?.iter().map(|column| gather(column, &positions)).collect::<Result<_, _>>()?;
            let times = order.iter().map(|&row| times[row as usize]).collect();
            return emit(cx, &self.spec.schema, arrays, times, Vec::new());
        };
        let times: Vec<i64> = event_times(&input.column(column)?)?.into_iter().map(|time| time.0).collect();
        self.keys.read(&input)?;
        self.groups.group(self.keys.keys(), self.keys.hashes());
        self.codec.encode(&input.all_columns()?, input.rows(), &mut self.rows)?;
        let passed = self.groups.hashes.first().map_or(i64::MIN, |hash| self.passed.of(*hash));
        let is_late = |row: usize| times[row] <= passed;
        let pending = self.pending.as_mut().expect("an operator is opened before its first frame");
        pending.add(&self.groups, &times, &self.rows, is_late, |_| 0)?;
        let late: Vec<u32> = (0..times.len()).filter(|&row| is_late(row)).map(|row| input.row(row)).collect();
        emit_late(cx, frame, &late);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        while cx.has_room() {
            let pending = self.pending.as_mut().expect("an operator is opened before its first watermark");
            let Some(ripe) = pending.take(watermark.0) else {
                self.passed.advance(watermark.0);
                return Ok(Progress::Done);
            };
            self.give(&ripe, cx)?;
        }
        Ok(Progress::More)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.passed.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.passed.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(pending) = &mut self.pending {
            visit(pending.table());
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};

    use super::*;
    use crate::testing::{Harness, Table, check, rows};

    fn input() -> Table {
        Table::new(&[("a", DataType::Int64), ("ts", DataType::Timestamp(TimeUnit::Millisecond, None))])
    }

    fn open(time: OrderTime, order: &[SortKey]) -> Harness {
        let spec = Arc::new(TemporalSort { time, order: order.to_vec(), schema: input().schema().clone() });
        Harness::of(move || spec.clone().operator(), &[&[]])
    }

    const SCRIPT: &str = "
        0 +I 4 700 @1
        0 +I 2 5 @2
        0 +I 1 5 @3
        0 +I 3 300 @4
        w 299
        0 +I 9 299 @5
        0 +I 5 300 @6
        w 300
        0 +I 6 512 @7
        w 400";

    #[test]
    fn rows_come_out_in_the_order_of_time_and_late_ones_are_late() {
        let table = input();
        let by_time = || open(OrderTime::RowTime(1), &[]);
        let expected =
            "+I 2 5 @5\n+I 1 5 @5\n+I 3 300 @300\n+I 5 300 @300\n+I 6 512 @512\n+I 4 700 @700\nlate +I 9 299 @5";
        assert_eq!(check(by_time, &[&table], SCRIPT, expected), 0);
        // Not only which rows, but in which order.
        let mut harness = open(OrderTime::RowTime(1), &[SortKey::ascending(0)]);
        harness.push(0, table.frame("+I 4 700\n+I 2 5\n+I 1 5\n+I 3 300\n+I 0 -300"));
        harness.watermark(299);
        assert_eq!(rows(&harness.take()), "+I 0 -300 @-300\n+I 1 5 @5\n+I 2 5 @5");
        harness.finish();
        assert_eq!(rows(&harness.take()), "+I 3 300 @300\n+I 4 700 @700");
    }

    #[test]
    fn by_processing_time_rows_pass() {
        let mut harness = open(OrderTime::ProcTime, &[SortKey::descending(0)]);
        harness.push(0, input().frame("+I 1 7 @1\n+I 2 5 @2"));
        assert_eq!(rows(&harness.take()), "+I 2 5 @2\n+I 1 7 @1");
        let mut harness = open(OrderTime::ProcTime, &[]);
        harness.push(0, input().frame("+I 2 5 @2"));
        assert_eq!(rows(&harness.take()), "+I 2 5 @2");
        assert!(harness.try_push(0, input().frame("-D 2 5 @2")).is_err());
    }
}
