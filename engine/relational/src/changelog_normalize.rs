//! Upserts by key as a full changelog.
//!
//! Of a frame's rows of a key only the last says how things stand, so a key is looked up once a frame.
//!
//! Invariants:
//! 1. What is kept of a key is the row that was given of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, RowKind};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError};
use yeoul_state::log::Corrupt;
use yeoul_state::{StateTable, Stored, Table};

use crate::aggregate::{Groups, columns};
use crate::input::Input;
use crate::key::{ColumnKey, KeyForm, KeyReader, by_key_form};
use crate::output::emit;
use crate::row::{EncodedRows, RowCodec};

/// At least so many buckets are looked at after each frame (and one for each key in it) for keys whose life is over.
const SWEPT: usize = 16;

/// Turns upserts by key into a full changelog: inserts, updates with the row as it was, and deletes with all of the row.
#[derive(Debug, Clone)]
pub struct ChangelogNormalize {
    /// The key.
    pub keys: Vec<usize>,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// A key of which no row came for so long is forgotten.
    pub ttl: Option<Duration>,
    /// What comes in, and out.
    pub schema: SchemaRef,
}

impl fmt::Display for ChangelogNormalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangelogNormalize(key=[{}])", columns(&self.keys))
    }
}

impl ChangelogNormalize {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let form = KeyForm::of(&self.schema, &self.keys);
        by_key_form!(form, K => Ok(Box::new(NormalizeOperator::<K> {
            keys: KeyReader::new(&self.schema, &self.keys)?,
            codec: RowCodec::of_fields(self.schema.fields())?,
            ttl: self.ttl.map(|ttl| (ttl.as_millis() as i64).max(1)),
            spec: self,
            groups: Groups::new(),
            rows: EncodedRows::default(),
            table: None,
        })))
    }
}

/// What is kept of a key: when it was written, and the row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    since: i64,
    row: Box<[u8]>,
}

impl Stored for Kept {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self { since: 0, row: Box::default() }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.since.encode(out);
        out.extend_from_slice(&self.row);
    }

    /// Takes all the bytes.
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        Ok(Self { since: i64::decode(bytes)?, row: std::mem::take(bytes).into() })
    }

    fn heap_bytes(&self) -> usize {
        self.row.len()
    }
}

struct NormalizeOperator<K: ColumnKey> {
    spec: Arc<ChangelogNormalize>,
    keys: KeyReader<K>,
    codec: RowCodec,
    ttl: Option<i64>,
    groups: Groups<K>,
    rows: EncodedRows,
    table: Option<Table<K, Kept>>,
}

impl<K: ColumnKey> Operator for NormalizeOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.table = Some(Table::new(cx.operator.table("kept"), "kept"));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let Self { spec, keys, codec, ttl, groups, rows, table } = self;
        let table = table.as_mut().expect("an operator is opened before its first frame");
        let (input, now) = (Input::of(frame)?, cx.now().0);
        keys.read(&input)?;
        groups.group(keys.keys(), keys.hashes());
        codec.encode(&input.all_columns()?, input.rows(), rows)?;
        let kinds = input.kinds();
        let kind_of = |row: usize| kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
        // The row of each key that says how it stands: an UPDATE_BEFORE never does.
        let mut last: Vec<Option<usize>> = vec![None; groups.len()];
        for (row, &group) in groups.ids.iter().enumerate() {
            if kind_of(row) != RowKind::UpdateBefore {
                last[group as usize] = Some(row);
            }
        }
        let is_over = |kept: &Kept| ttl.is_some_and(|ttl| kept.since.saturating_add(ttl) <= now);
        // By change: the row as it was, the row as it is, and which row of the frame says so.
        let mut changes: Vec<(Option<Kept>, bool, usize)> = Vec::new();
        for (group, row) in last.iter().enumerate().filter_map(|(group, row)| Some((group, (*row)?))) {
            let (key, hash) = (&groups.keys[group], groups.hashes[group]);
            let is_there = kind_of(row) != RowKind::Delete;
            let old = if is_there {
                table.set(key, hash, Kept { since: now, row: rows.row(row).into() })
            } else {
                table.remove(key, hash)
            };
            let old = old.filter(|old| !is_over(old));
            let is_same = match &old {
                Some(old) => is_there && *old.row == *rows.row(row),
                None => !is_there,
            };
            if !is_same {
                changes.push((old, is_there, row));
            }
        }
        if ttl.is_some() {
            table.sweep(SWEPT.max(groups.len()), |_, kept| is_over(kept));
        }
        let row_times = input.times();
        let (mut out, mut given, mut times): (Vec<&[u8]>, _, _) = (Vec::new(), Vec::new(), Vec::new());
        for (old, is_there, row) in &changes {
            let mut push = |bytes, kind| {
                out.push(bytes);
                given.push(kind);
                times.push(row_times[*row]);
            };
            match old {
                Some(old) if !is_there => push(&*old.row, RowKind::Delete),
                Some(old) if spec.update_before => push(&*old.row, RowKind::UpdateBefore),
                _ => {}
            }
            if *is_there {
                push(rows.row(*row), if old.is_some() { RowKind::UpdateAfter } else { RowKind::Insert });
            }
        }
        emit(cx, &spec.schema, codec.decode(&out)?, times, given)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(table) = &mut self.table {
            visit(table);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;

    use super::*;
    use crate::testing::{Harness, Table, check, rows};

    fn table() -> Table {
        Table::new(&[("k", DataType::Int64), ("v", DataType::Utf8View)])
    }

    fn open(update_before: bool, ttl: Option<Duration>) -> Harness {
        let spec = Arc::new(ChangelogNormalize { keys: vec![0], update_before, ttl, schema: table().schema().clone() });
        Harness::of(move || spec.clone().operator(), &[&[0]])
    }

    #[test]
    fn upserts_become_inserts_updates_and_deletes() {
        // Each row is a frame of its own here, for a frame's changes of a key are one.
        let script = "
            0 +I 1 a @1
            w 1
            0 +U 1 b @2
            w 2
            0 -U 1 b @3
            w 3
            0 +U 1 b @4
            0 -D 2 x @4
            0 +U 2 y @5
            w 5
            0 -D 1 null @6
            w 6
            0 -D 1 null @7";
        let expected = "+I 1 a @1\n+U 1 b @2\n+I 2 y @5\n-D 1 b @6";
        assert_eq!(check(|| open(false, None), &[&table()], script, expected), 1, "key 2 is kept");
        check(|| open(true, None), &[&table()], script, &format!("{expected}\n-U 1 a @2"));
    }

    #[test]
    fn a_frame_gives_one_change_a_key_and_a_life_ends() {
        let mut harness = open(true, Some(Duration::from_millis(100)));
        harness.push(0, table().frame("+I 1 a\n+U 1 b\n-D 2 c\n+I 3 d\n-D 3 d"));
        assert_eq!(rows(&harness.take()), "+I 1 b @0");
        harness.processing_time(100);
        harness.push(0, table().frame("+U 1 c"));
        assert_eq!(rows(&harness.take()), "+I 1 c @0", "a new life");
    }
}
