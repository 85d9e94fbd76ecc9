//! Joins a row with the version of a table as of the row's time.
//!
//! Left rows wait until no version before them can come any more. Of each key the versions that a left row may still ask for are kept:
//! the last one that event time has passed, and all after it.
//!
//! Invariants:
//! 1. A left row waits, is out, has no version and none is asked for (inner), or is late.
//! 2. A version is kept, replaced by another of its time, or late: older than one that every row to come sees before it.

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, KeyHash, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{StateTable, Table};

use super::{JoinKind, check_output, joined_schema, key_form, null_keys};
use crate::aggregate::{Groups, columns};
use crate::arena::Arena;
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

/// Joins left rows with the right row of their key as it was at the left row's time. Late rows are counted, and go to [`LATE`](crate::LATE).
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
    /// By key: right rows, by time. A version that is none (the row was deleted) is marked.
    versions: Option<Table<K, Arena>>,
    passed: Passed,
}

/// The mark of versions that are none.
const DELETED: u32 = 1;
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
    fn put(&mut self, times: &[i64], kinds: Option<&[RowKind]>, is_null: &dyn Fn(usize) -> bool) -> Vec<usize> {
        let Self { groups, rows, versions, passed, .. } = self;
        let versions = versions.as_mut().expect("an operator is opened before its first frame");
        let members = groups.members();
        let mut late = Vec::new();
        versions.upsert_batch(&groups.keys, &groups.hashes, Arena::default, |group, held| {
            let passed = passed.of(groups.hashes[group]);
            for row in members.of(group).iter().map(|&row| row as usize) {
                let kind = kinds.map_or(RowKind::Insert, |kinds| kinds[row]);
                // The new form of the row follows, and takes its place from its own time on.
                if kind == RowKind::UpdateBefore || is_null(row) {
                    continue;
                }
                let mark = if kind == RowKind::Delete { DELETED } else { 0 };
                if !put_version(held, times[row], mark, rows.row(row), passed) {
                    late.push(row);
                }
            }
        });
        for (group, key) in groups.keys.iter().enumerate() {
            if versions.get(key, groups.hashes[group]).is_some_and(Arena::is_empty) {
                versions.remove(key, groups.hashes[group]);
            }
        }
        late.sort_unstable();
        late
    }

    /// Joins left rows whose time has come, and gives them in the order of time.
    fn give(&mut self, ripe: &Ripe<K>, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let mut groups = std::mem::replace(&mut self.groups, Groups::new());
        let keys: Vec<K> = (0..ripe.len()).map(|row| ripe.key(row).clone()).collect();
        let hashes: Vec<KeyHash> = (0..ripe.len()).map(|row| ripe.hash(row)).collect();
        groups.group(&keys, &hashes);
        let versions = self.versions.as_ref().expect("an operator is opened before its first watermark");
        let mut held: Vec<Option<&Arena>> = Vec::with_capacity(groups.len());
        versions.get_batch(&groups.keys, &groups.hashes, |_, found| held.push(found));
        let mut partners: Vec<&[u8]> = Vec::with_capacity(ripe.len());
        for row in 0..ripe.len() {
            let held = held[groups.ids[row] as usize].filter(|_| ripe.mark(row) & NULL_KEY == 0);
            let before = held.iter().flat_map(|held| held.iter()).take_while(|version| version.time <= ripe.time(row));
            partners.push(before.last().filter(|version| version.mark != DELETED).map_or(&[], |version| version.row));
        }
        for start in (0..ripe.len()).step_by(OUTPUT_ROWS) {
            let part = start..(start + OUTPUT_ROWS).min(ripe.len());
            self.give_part(ripe, part, &mut partners, cx)?;
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

/// Puts a version in its place, and lets go of those that no row will ask for. False: no row will ask for this one.
fn put_version(held: &mut Arena, time: i64, mark: u32, row: &[u8], passed: i64) -> bool {
    let last = held.iter().last().map(|version| version.time);
    // Rows to come are after `passed`, and see the last version at or before it.
    let seen = held.iter().take_while(|version| version.time <= passed).last().map(|version| version.time);
    if seen.is_some_and(|seen| time < seen) {
        return false;
    }
    if last.is_none_or(|last| last < time) {
        held.push(time, mark, row);
    } else {
        let mut all = Arena::default();
        let mut is_put = false;
        for version in held.iter() {
            if version.time >= time && !is_put {
                all.push(time, mark, row);
                is_put = true;
            }
            if version.time != time {
                all.push(version.time, version.mark, version.row);
            }
        }
        if !is_put {
            all.push(time, mark, row);
        }
        *held = all;
    }
    let seen = held.iter().take_while(|version| version.time <= passed).last().map(|version| version.time);
    if let Some(seen) = seen {
        held.retain(|version| version.time >= seen);
    }
    true
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
            pending.add(&self.groups, &times, &self.rows, is_late, mark);
            (0..times.len()).filter(|&row| is_late(row)).collect()
        } else {
            self.put(&times, kinds.as_deref(), &is_null)
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
                versions.sweep(SWEPT, |_, held| {
                    held.iter().all(|version| version.mark == DELETED && version.time <= watermark.0)
                });
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

    use super::super::tests::Less;
    use super::*;
    use crate::testing::{Harness, Table, check};

    fn joined(kind: JoinKind, residual: bool, expected: &str) {
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
        let open = || {
            let spec = spec.clone();
            Harness::of(move || spec.clone().operator(), &[&[0], &[0]])
        };
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
            w 9000
            0 +I 1 11 9500 @9500";
        check(open, &[&left, &right], script, &format!("{expected}late +I 1 8 2200 @2200\nlate +U 1 50 1500 @0"));
    }

    #[test]
    fn a_row_sees_the_version_of_its_time() {
        let found = "+I 1 2 1000 1 100 1000 @1000\n-D 1 9 2999 1 60 2600 @2999\n";
        let rest = "+I 1 10 3500 1 70 3500 @3500\n+I 1 11 9500 1 70 3500 @9500\n";
        let newer = "+I 1 6 2500 1 5 2000 @2500\n";
        let alone = "+I 1 1 999 null null null @999\n+I 2 3 1500 null null null @1500
            +I null 4 1500 null null null @1500\n+I 1 7 3000 null null null @3000\n";
        joined(JoinKind::Inner, false, &format!("{found}{newer}{rest}"));
        joined(JoinKind::Left, false, &format!("{found}{newer}{rest}{alone}"));
        joined(JoinKind::Inner, true, &format!("{found}{rest}"));
        joined(JoinKind::Left, true, &format!("{found}{rest}{alone}+I 1 6 2500 null null null @2500\n"));
    }
}
