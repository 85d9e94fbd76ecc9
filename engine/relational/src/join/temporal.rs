//! Joins a row with the version of a table as of the row's time.
//!
//! Left rows wait until no version before them can come any more. Of each key the versions that a left row may still ask for are kept:
//! the last one that event time has passed, and all after it. A left row that comes late sees what is kept of them, at once.
//!
//! Invariants:
//! 1. A left row waits, is out, has no version and none is asked for (inner), or is late: no version of its time is known any more.
//! 2. A version is kept, replaced by another of its time, or late: older than one that every row in time sees before it.

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, KeyHash, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{StateTable, Table};

use super::versions::Versions;
use super::{JoinKind, check_output, joined_schema, key_form, null_keys};
use crate::aggregate::{Groups, columns};
use crate::assign_times::event_times;
use crate::calc::keep;
use crate::expression::Expression;
use crate::input::Input;
use crate::key::{ColumnKey, HashColumns, KeyReader, by_key_form};
use crate::output::{OUTPUT_ROWS, emit, emit_late, frame};
use crate::pending::{Pending, Ripe};
use crate::row::{EncodedRows, RowCodec};

/// Buckets that are looked at with each watermark for keys whose rows were deleted.
const SWEPT: usize = 64;

/// Joins left rows with the right row of their key as it was at the left row's time. Late rows of which nothing comes are counted, and go to
/// [`LATE`](crate::LATE).
#[derive(Debug, Clone)]
pub struct TemporalJoin {
    /// Inner or left.
    pub kind: JoinKind,
    /// The left columns that are compared; null is equal to nothing.
    pub left_keys: Vec<usize>,
    /// The right columns, in the order of the left ones, and of their types.
    pub right_keys: Vec<usize>,
    /// The column of the left's event time.
    pub left_time: usize,
    /// The column of the right's event time: when a version begins.
    pub right_time: usize,
    /// The right's primary key: what versions are of. All of it is among `right_keys`.
    pub right_primary_key: Vec<usize>,
    /// A boolean over the left columns and then the right ones.
    pub residual: Option<Arc<dyn Expression>>,
    /// What comes in on the left.
    pub left_schema: SchemaRef,
    /// What comes in on the right.
    pub right_schema: SchemaRef,
    /// What comes out: the left columns, then the right ones.
    pub schema: SchemaRef,
}

impl fmt::Display for TemporalJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TemporalJoin(joinType=[{}], leftKeys=[{}], rightKeys=[{}], asOf=[${}], versions=[${} by {}]",
            self.kind,
            columns(&self.left_keys),
            columns(&self.right_keys),
            self.left_time,
            self.right_time,
            columns(&self.right_primary_key)
        )?;
        if let Some(residual) = &self.residual {
            write!(f, ", where=[{residual}]")?;
        }
        f.write_str(")")
    }
}

impl TemporalJoin {
    /// By what the rows of an input (0 left, 1 right) are exchanged before it.
    #[must_use]
    pub fn exchange(&self, side: usize) -> HashColumns {
        HashColumns { columns: if side == 0 { self.left_keys.clone() } else { self.right_keys.clone() } }
    }

    /// An instance.
    ///
    /// # Errors
    /// Keys of different types, a type that cannot be kept, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let schemas = [&self.left_schema, &self.right_schema];
        if !matches!(self.kind, JoinKind::Inner | JoinKind::Left) {
            return crate::refusal::not_supported(&self);
        }
        let form = key_form(&self.to_string(), schemas, [&self.left_keys, &self.right_keys])?;
        check_output(&self.to_string(), self.kind, schemas, &self.schema)?;
        by_key_form!(form, K => Ok(Box::new(TemporalOperator::<K>::new(self)?)))
    }
}

struct TemporalOperator<K: ColumnKey> {
    spec: Arc<TemporalJoin>,
    joined: SchemaRef,
    keys: [KeyReader<K>; 2],
    codecs: [RowCodec; 2],
    rows: EncodedRows,
    groups: Groups<K>,
    /// Left rows.
    pending: Option<Pending<K>>,
    /// Of right rows.
    versions: Option<Table<K, Versions>>,
    passed: Passed,
}

/// The mark of left rows whose key is null, beside the number of their kind.
const NULL_KEY: u32 = 0x100;

const KINDS: [RowKind; 4] = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];

impl<K: ColumnKey> TemporalOperator<K> {
    fn new(spec: Arc<TemporalJoin>) -> Result<Self, OperatorError> {
        Ok(Self {
            joined: joined_schema(&spec.left_schema, &spec.right_schema),
            keys: [
                KeyReader::new(&spec.left_schema, &spec.left_keys)?,
                KeyReader::new(&spec.right_schema, &spec.right_keys)?,
            ],
            codecs: [RowCodec::of_fields(spec.left_schema.fields())?, RowCodec::of_fields(spec.right_schema.fields())?],
            spec,
            rows: EncodedRows::default(),
            groups: Groups::new(),
            pending: None,
            versions: None,
            passed: Passed::new("passed"),
        })
    }

    /// Takes versions. Returns the rows that are late.
    fn put(
        &mut self,
        times: &[i64],
        kinds: Option<&[RowKind]>,
        is_null: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<usize>, OperatorError> {
        let Self { groups, rows, versions, passed, .. } = self;
        let versions = versions.as_mut().expect("an operator is opened before its first frame");
        let members = groups.members();
        let (mut late, mut put) = (Vec::new(), Ok(()));
        versions.upsert_batch(&groups.keys, &groups.hashes, Versions::default, |group, held| {
            let passed = passed.of(groups.hashes[group]);
            for row in members.of(group).iter().map(|&row| row as usize) {
                let kind = kinds.map_or(RowKind::Insert, |kinds| kinds[row]);
                // The new form of the row follows, and takes its place from its own time on.
                if kind == RowKind::UpdateBefore || is_null(row) {
                    continue;
                }
                match held.put(times[row], kind == RowKind::Delete, rows.row(row), passed) {
                    Ok(true) => {}
                    Ok(false) => late.push(row),
                    Err(error) => put = Err(error),
                }
            }
        });
        for (group, key) in groups.keys.iter().enumerate() {
            if versions.get(key, groups.hashes[group]).is_some_and(Versions::is_empty) {
                versions.remove(key, groups.hashes[group]);
            }
        }
        late.sort_unstable();
        put.map(|()| late)
    }

    /// Whether it is known what the version of a row of the frame was at this time.
    fn is_known(&self, row: usize, time: i64) -> bool {
        let group = self.groups.ids[row] as usize;
        let versions = self.versions.as_ref().expect("an operator is opened before its first frame");
        versions.get(&self.groups.keys[group], self.groups.hashes[group]).is_some_and(|held| held.reaches(time))
    }

    /// Joins left rows whose time has come, and gives them in the order of time. No row in time is before them any more.
    fn give(&mut self, ripe: &Ripe<K>, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let mut groups = std::mem::replace(&mut self.groups, Groups::new());
        let keys: Vec<K> = (0..ripe.len()).map(|row| ripe.key(row).clone()).collect();
        let hashes: Vec<KeyHash> = (0..ripe.len()).map(|row| ripe.hash(row)).collect();
        groups.group(&keys, &hashes);
        let versions = self.versions.as_ref().expect("an operator is opened before its first frame");
        let mut held: Vec<Option<&Versions>> = Vec::with_capacity(groups.len());
        versions.get_batch(&groups.keys, &groups.hashes, |_, found| held.push(found));
        let mut partners: Vec<&[u8]> = Vec::with_capacity(ripe.len());
        for row in 0..ripe.len() {
            let held = held[groups.ids[row] as usize].filter(|_| ripe.mark(row) & NULL_KEY == 0);
            partners.push(held.and_then(|held| held.at(ripe.time(row))).unwrap_or_default());
        }
        for start in (0..ripe.len()).step_by(OUTPUT_ROWS) {
            let part = start..(start + OUTPUT_ROWS).min(ripe.len());
            self.give_part(ripe, part, &mut partners, cx)?;
        }
        // A key that gets no more versions is let go of by those who use it; its record is written anew only for half of it.
        let last = ripe.len().checked_sub(1).map_or(i64::MIN, |row| ripe.time(row));
        let is_due = |group: &usize| held[*group].is_some_and(|held| held.is_half_gone(last));
        let due: Vec<usize> = (0..groups.len()).filter(is_due).collect();
        drop((partners, held));
        let versions = self.versions.as_mut().expect("an operator is opened before its first frame");
        for group in due {
            if let Some(held) = versions.get_mut(&groups.keys[group], groups.hashes[group]) {
                held.prune(last);
            }
        }
        self.groups = groups;
        Ok(())
    }

    fn give_part(
        &self,
        ripe: &Ripe<K>,
        part: std::ops::Range<usize>,
        partners: &mut [&[u8]],
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        let columns_of = |rows: &[usize], partners: &[&[u8]]| -> Result<Vec<ArrayRef>, OperatorError> {
            let left: Vec<&[u8]> = rows.iter().map(|&row| ripe.row(row)).collect();
            let right: Vec<&[u8]> = rows.iter().map(|&row| partners[row]).collect();
            let mut arrays = self.codecs[0].decode(&left)?;
            arrays.extend(self.codecs[1].decode(&right)?);
            Ok(arrays)
        };
        let times_of = |rows: &[usize]| rows.iter().map(|&row| Timestamp(ripe.time(row))).collect::<Vec<_>>();
        if let Some(residual) = &self.spec.residual {
            let rows: Vec<usize> = part.clone().filter(|&row| !partners[row].is_empty()).collect();
            if !rows.is_empty() {
                let all = frame(&self.joined, columns_of(&rows, partners)?, times_of(&rows), Vec::new())?;
                let mut holds = vec![false; rows.len()];
                for at in keep(residual, &all, cx)?.iter().flat_map(Frame::indices) {
                    holds[at as usize] = true;
                }
                for (row, _) in rows.iter().zip(holds).filter(|(_, holds)| !holds) {
                    partners[*row] = &[];
                }
            }
        }
        let is_out = |row: &usize| self.spec.kind == JoinKind::Left || !partners[*row].is_empty();
        let rows: Vec<usize> = part.filter(is_out).collect();
        let kinds: Vec<RowKind> = rows.iter().map(|&row| KINDS[(ripe.mark(row) & 3) as usize]).collect();
        let kinds = if kinds.iter().all(|kind| *kind == RowKind::Insert) { Vec::new() } else { kinds };
        emit(cx, &self.spec.schema, columns_of(&rows, partners)?, times_of(&rows), kinds)
    }
}

impl<K: ColumnKey> Operator for TemporalOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.passed.open(cx);
        self.pending = Some(Pending::new(cx.operator.table("pending"), "pending"));
        self.versions = Some(Table::new(cx.operator.table("versions"), "versions"));
        Ok(())
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let at = usize::from(input.0);
        let spec = Arc::clone(&self.spec);
        let (key_columns, time) =
            if at == 0 { (&spec.left_keys, spec.left_time) } else { (&spec.right_keys, spec.right_time) };
        let input = Input::of(frame)?;
        self.keys[at].read(&input)?;
        let times: Vec<i64> = event_times(&input.column(time)?)?.into_iter().map(|time| time.0).collect();
        let nulls = null_keys(&input, key_columns)?;
        let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls[row]);
        self.codecs[at].encode(&input.all_columns()?, input.rows(), &mut self.rows)?;
        self.groups.group(self.keys[at].keys(), self.keys[at].hashes());
        let kinds = input.kinds();
        let late: Vec<usize> = if at == 0 {
            let hashes = self.keys[0].hashes();
            let is_late = |row: usize| times[row] <= self.passed.of(hashes[row]);
            let mark = |row: usize| {
                let kind = kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
                let kind = KINDS.iter().position(|known| *known == kind).unwrap_or(0) as u32;
                kind | if is_null(row) { NULL_KEY } else { 0 }
            };
            let pending = self.pending.as_mut().expect("an operator is opened before its first frame");
            pending.add(&self.groups, &times, &self.rows, is_late, mark)?;
            let (known, lost): (Vec<usize>, Vec<usize>) = (0..times.len())
                .filter(|&row| is_late(row))
                .partition(|&row| spec.kind == JoinKind::Left || (!is_null(row) && self.is_known(row, times[row])));
            if !known.is_empty() {
                let ripe = Ripe::of(&self.groups, known, &times, &self.rows, mark)?;
                self.give(&ripe, cx)?;
            }
            lost
        } else {
            self.put(&times, kinds.as_deref(), &is_null)?
        };
        let late: Vec<u32> = late.into_iter().map(|row| input.row(row)).collect();
        emit_late(cx, frame, &late);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        while cx.has_room() {
            let pending = self.pending.as_mut().expect("an operator is opened before its first watermark");
            let Some(ripe) = pending.take(watermark.0) else {
                self.passed.advance(watermark.0);
                let versions = self.versions.as_mut().expect("an operator is opened before its first watermark");
                versions.sweep(SWEPT, |_, held| held.is_over(watermark.0));
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
        if let Some(versions) = &mut self.versions {
            visit(versions);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};
    use yeoul_state::Stored;

    use super::super::tests::Less;
    use super::*;
    use crate::testing::{Harness, Table, check, rows};

    /// The left table, the right one, and a join of both.
    fn open(kind: JoinKind, residual: bool) -> (Table, Table, Harness) {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let columns = |names: [&'static str; 3]| {
            [(names[0], DataType::Int64), (names[1], DataType::Int64), (names[2], millis.clone())]
        };
        let (left, right) = (columns(["k", "v", "ts"]), columns(["rk", "w", "rts"]));
        let all = Table::new(&[left.clone(), right.clone()].concat());
        let (left, right) = (Table::new(&left), Table::new(&right));
        let spec = Arc::new(TemporalJoin {
            kind,
            left_keys: vec![0],
            right_keys: vec![0],
            left_time: 2,
            right_time: 2,
            right_primary_key: vec![0],
            residual: residual.then(|| Arc::new(Less([1, 4])) as Arc<dyn Expression>),
            left_schema: left.schema().clone(),
            right_schema: right.schema().clone(),
            schema: all.schema().clone(),
        });
        (left, right, Harness::of(move || spec.clone().operator(), &[&[0], &[0]]))
    }

    fn joined(kind: JoinKind, residual: bool, expected: &str) {
        let (left, right, _) = open(kind, residual);
        let script = "
            1 +I 1 100 1000
            0 +I 1 1 999 @999
            0 +I 1 2 1000 @1000
            0 +I 2 3 1500 @1500
            0 +I null 4 1500 @1500
            1 +I null 0 0
            1 -U 1 100 1000
            1 +U 1 5 2000
            0 +I 1 6 2500 @2500
            1 -D 1 5 3000
            0 +I 1 7 3000 @3000
            w 2200
            0 +I 1 8 2200 @2200
            0 -D 1 9 2999 @2999
            1 +U 1 50 1500
            1 +U 1 60 2600
            w 2999
            0 +I 1 10 3500 @3500
            1 +U 1 70 3500
            0 +I 1 12 2100 @2100
            0 -U 1 13 2700 @2700
            0 +U 1 14 2700 @2700
            w 9000
            0 +I 1 11 9500 @9500";
        let lost = if kind == JoinKind::Inner { "late +I 1 12 2100 @2100\n" } else { "" };
        check(|| open(kind, residual).2, &[&left, &right], script, &format!("{expected}late +U 1 50 1500 @0\n{lost}"));
    }

    #[test]
    fn a_row_sees_the_version_of_its_time() {
        // The last two come late, as their versions are still kept.
        let found = "+I 1 2 1000 1 100 1000 @1000\n-D 1 9 2999 1 60 2600 @2999
            -U 1 13 2700 1 60 2600 @2700\n+U 1 14 2700 1 60 2600 @2700\n";
        let rest = "+I 1 10 3500 1 70 3500 @3500\n+I 1 11 9500 1 70 3500 @9500\n";
        let newer = "+I 1 6 2500 1 5 2000 @2500\n+I 1 8 2200 1 5 2000 @2200\n";
        let alone = "+I 1 1 999 null null null @999\n+I 2 3 1500 null null null @1500
            +I null 4 1500 null null null @1500\n+I 1 7 3000 null null null @3000
            +I 1 12 2100 null null null @2100\n";
        let unmet = "+I 1 6 2500 null null null @2500\n+I 1 8 2200 null null null @2200\n";
        joined(JoinKind::Inner, false, &format!("{found}{newer}{rest}"));
        joined(JoinKind::Left, false, &format!("{found}{newer}{rest}{alone}"));
        joined(JoinKind::Inner, true, &format!("{found}{rest}"));
        joined(JoinKind::Left, true, &format!("{found}{rest}{alone}{unmet}"));
    }

    #[test]
    fn versions_that_nobody_asks_for_go_with_use() {
        let (left, right, mut harness) = open(JoinKind::Inner, false);
        let versions = (0..64).map(|at| format!("+I 1 {at} {}\n", at * 1_000)).collect::<String>();
        harness.push(1, right.frame(&versions));
        let table = yeoul_frame::OperatorId::of("tested").table("versions");
        let kept = |harness: &mut Harness| {
            let (_, _, value) = harness.snapshot().puts(table).pop().expect("versions were written");
            crate::arena::Arena::decode(&mut &value[..]).unwrap().iter().count()
        };
        // The right says nothing more. Less than half of them go at no time, and at least half at once.
        for (time, expected) in [(20_500, 64), (40_000, 24), (41_000, 24), (63_000, 1)] {
            harness.push(0, left.frame(&format!("+I 1 0 {time}")));
            harness.watermark(time);
            assert_eq!(rows(&harness.take()), format!("+I 1 0 {time} 1 {0} {0}000 @{time}", time / 1_000));
            assert_eq!(kept(&mut harness), expected, "at {time}");
        }
    }

    #[test]
    fn a_key_that_was_deleted_is_forgotten() {
        let (_, right, mut harness) = open(JoinKind::Inner, false);
        harness.push(1, right.frame("+I 1 100 1000\n-D 1 100 3000\n+I 2 100 1000"));
        for (watermark, expected) in [(2_999, 2), (3_000, 1)] {
            harness.watermark(watermark);
            assert_eq!(harness.state_entries(), expected, "at {watermark}");
        }
    }
}
