//! `NOT IN`: left rows whose key is known not to be among the right ones.
//!
//! A null on the right may be any value, so while there is one no left row comes out; a null on the left comes out only while the right
//! has no row at all. What comes out of one key so depends on rows of others: all rows are in one place.
//!
//! Invariants:
//! 1. Left rows are out as `Mode` and the number of right rows of their key say.
//! 2. Rows are kept for good: a time to live would change what is known not to be there.

use std::sync::Arc;

use yeoul_frame::{Frame, KeyHash, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError};
use yeoul_state::{Compound, KeyBytes, StateTable, Table};

use super::{RegularJoin, null_keys};
use crate::aggregate::Groups;
use crate::arena::Arena;
use crate::input::Input;
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit};
use crate::row::{EncodedRows, RowCodec};

/// What the right rows say to all left ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// There is none: every left row comes out.
    Empty,
    /// There is a null among them: none does.
    Blocked,
    /// Those do whose key is not null and not among them.
    Known,
}

/// A key, below the one key that all rows have.
type Place<K> = Compound<KeyBytes, K>;

pub(super) struct NullAwareOperator<K: ColumnKey> {
    spec: Arc<RegularJoin>,
    keys: [KeyReader<K>; 2],
    /// Of no columns.
    all: [KeyReader<KeyBytes>; 2],
    codec: RowCodec,
    rows: EncodedRows,
    groups: Groups<K>,
    /// Rows by key; marked where the key is null.
    left: Option<Table<Place<K>, Arena>>,
    /// How many rows there are by key, and whether the key is null.
    right: Option<Table<Place<K>, [u64; 2]>>,
    /// All right rows and those whose key is null, once they are counted.
    counted: Option<[u64; 2]>,
}

const NULL_KEY: u32 = 1;

impl<K: ColumnKey> NullAwareOperator<K> {
    pub(super) fn new(spec: Arc<RegularJoin>) -> Result<Self, OperatorError> {
        if spec.residual.is_some() || spec.left_keys.len() != 1 {
            return Err(OperatorError::new(format!(
                "{spec} that is null-aware (NOT IN), with more than one key or a condition"
            ))
            .hint("write NOT EXISTS (SELECT … WHERE …) instead of NOT IN"));
        }
        Ok(Self {
            keys: [
                KeyReader::new(&spec.left_schema, &spec.left_keys)?,
                KeyReader::new(&spec.right_schema, &spec.right_keys)?,
            ],
            all: [KeyReader::new(&spec.left_schema, &[])?, KeyReader::new(&spec.right_schema, &[])?],
            codec: RowCodec::of_fields(spec.left_schema.fields())?,
            spec,
            rows: EncodedRows::default(),
            groups: Groups::new(),
            left: None,
            right: None,
            counted: None,
        })
    }

    /// All right rows, and those whose key is null.
    fn count(&mut self) -> [u64; 2] {
        let right = self.right.as_ref().expect("an operator is opened before its first frame");
        *self.counted.get_or_insert_with(|| {
            right.iter().fold([0, 0], |[all, nulls], (_, [count, is_null])| [all + count, nulls + count * is_null])
        })
    }

    fn take_left(&mut self, input: &Input<'_>, at: &KeyBytes, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let mode = mode_of(self.count());
        let left = self.left.as_mut().expect("an operator is opened before its first frame");
        let right = self.right.as_ref().expect("an operator is opened before its first frame");
        self.codec.encode(&input.all_columns()?, input.rows(), &mut self.rows)?;
        let nulls = null_keys(input, &self.spec.left_keys)?;
        let (kinds, times) = (input.kinds(), input.times());
        let mut out = Changes::default();
        for row in 0..input.rows() {
            let group = self.groups.ids[row] as usize;
            let (place, hash) = place(at, &self.groups.keys[group]);
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls[row]);
            let kind = kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
            let bytes = self.rows.row(row);
            if is_added(kind) {
                let mark = if is_null { NULL_KEY } else { 0 };
                left.upsert(&place, hash, Arena::default).push(times[row].0, mark, bytes)?;
            } else {
                let Some(held) = left.get_mut(&place, hash) else { continue };
                let mut is_gone = false;
                held.retain(|entry| is_gone || entry.row != bytes || std::mem::replace(&mut is_gone, true));
                if held.is_empty() {
                    left.remove(&place, hash);
                }
            }
            let is_out = match mode {
                Mode::Empty => true,
                Mode::Blocked => false,
                Mode::Known => !is_null && !right.contains(&place, hash),
            };
            if is_out {
                out.push(bytes, kind, times[row]);
            }
        }
        self.give(&out, cx)
    }

    fn take_right(&mut self, input: &Input<'_>, at: &KeyBytes, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let mut counted = self.count();
        let before = mode_of(counted);
        let left = self.left.as_ref().expect("an operator is opened before its first frame");
        let right = self.right.as_mut().expect("an operator is opened before its first frame");
        let nulls = null_keys(input, &self.spec.right_keys)?;
        let (kinds, times) = (input.kinds(), input.times());
        let members = self.groups.members();
        let mut turned = Turned(Vec::new());
        for (group, key) in self.groups.keys.iter().enumerate() {
            let (place, hash) = place(at, key);
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls[self.groups.first[group] as usize]);
            let held = right.get(&place, hash).map_or(0, |held| held[0]);
            let mut count = held;
            for &row in members.of(group) {
                let kind = kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row as usize]);
                count = if is_added(kind) { count + 1 } else { count.saturating_sub(1) };
            }
            if count == 0 {
                right.remove(&place, hash);
            } else if count != held {
                right.set(&place, hash, [count, u64::from(is_null)]);
            }
            counted[0] = counted[0] + count - held;
            counted[1] = if is_null { counted[1] + count - held } else { counted[1] };
            if (held == 0) != (count == 0) {
                turned.0.push((hash, place, held != 0));
            }
        }
        self.counted = Some(counted);
        let after = mode_of(counted);
        let time = times.iter().copied().max().unwrap_or(Timestamp::MIN);
        let mut out = Changes::default();
        if before == after && before != Mode::Known {
            return Ok(());
        }
        let is_out = |mode: Mode, is_null: bool, is_there: bool| match mode {
            Mode::Empty => true,
            Mode::Blocked => false,
            Mode::Known => !is_null && !is_there,
        };
        let mut compare = |held: &'_ Arena, was_there: bool, is_there: bool| {
            let is_null = held.iter().next().is_some_and(|entry| entry.mark == NULL_KEY);
            let kind = match (is_out(before, is_null, was_there), is_out(after, is_null, is_there)) {
                (true, false) => RowKind::Delete,
                (false, true) => RowKind::Insert,
                _ => return,
            };
            held.iter().for_each(|entry| out.push(entry.row, kind, time));
        };
        if before == after {
            for (hash, place, was_there) in &turned.0 {
                if let Some(held) = left.get(place, *hash) {
                    compare(held, *was_there, !was_there);
                }
            }
        } else {
            turned.sort();
            for (key, held) in left.iter() {
                let hash = yeoul_state::Key::hash(key);
                let is_there = right.contains(key, hash);
                compare(held, turned.was_there(key, hash).unwrap_or(is_there), is_there);
            }
        }
        self.give(&out, cx)
    }

    fn give(&self, out: &Changes, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        for start in (0..out.kinds.len()).step_by(OUTPUT_ROWS) {
            let part = start..(start + OUTPUT_ROWS).min(out.kinds.len());
            let rows: Vec<&[u8]> = out.rows[part.clone()].iter().map(|row| &**row).collect();
            let (times, kinds) = (out.times[part.clone()].to_vec(), out.kinds[part].to_vec());
            emit(cx, &self.spec.schema, self.codec.decode(&rows)?, times, kinds)?;
        }
        Ok(())
    }
}

/// Keys whose first right row came, or whose last went, and whether there was one before.
struct Turned<P>(Vec<(KeyHash, P, bool)>);

impl<P: Eq> Turned<P> {
    /// Puts them in order, before any is looked for.
    fn sort(&mut self) {
        self.0.sort_unstable_by_key(|(hash, ..)| hash.0);
    }

    /// Whether there was a right row of a key; none if that is as before.
    fn was_there(&self, place: &P, hash: KeyHash) -> Option<bool> {
        let first = self.0.partition_point(|(other, ..)| other.0 < hash.0);
        let mut of_hash = self.0[first..].iter().take_while(|(other, ..)| *other == hash);
        of_hash.find(|(_, other, _)| other == place).map(|(_, _, was_there)| *was_there)
    }
}

/// What goes out.
#[derive(Default)]
struct Changes {
    rows: Vec<Box<[u8]>>,
    kinds: Vec<RowKind>,
    times: Vec<Timestamp>,
}

impl Changes {
    fn push(&mut self, row: &[u8], kind: RowKind, time: Timestamp) {
        self.rows.push(row.into());
        self.kinds.push(kind);
        self.times.push(time);
    }
}

fn is_added(kind: RowKind) -> bool {
    matches!(kind, RowKind::Insert | RowKind::UpdateAfter)
}

fn mode_of([all, nulls]: [u64; 2]) -> Mode {
    match (all, nulls) {
        (0, _) => Mode::Empty,
        (_, 0) => Mode::Known,
        _ => Mode::Blocked,
    }
}

fn place<K: ColumnKey>(at: &KeyBytes, key: &K) -> (Place<K>, KeyHash) {
    let place = Compound { key: at.clone(), sub: key.clone() };
    let hash = yeoul_state::Key::hash(&place);
    (place, hash)
}

impl<K: ColumnKey> Operator for NullAwareOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.left = Some(Table::new(cx.operator.table("left"), "left"));
        self.right = Some(Table::new(cx.operator.table("right"), "right"));
        Ok(())
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let side = usize::from(input.0);
        // Hashes of the exchange are not of these keys: it brings all rows to one place.
        let frame = frame.clone().without_hashes();
        let input = Input::of(&frame)?;
        self.keys[side].read(&input)?;
        self.groups.group(self.keys[side].keys(), self.keys[side].hashes());
        let (at, _) = self.all[side].read(&input)?;
        let at = at[0].clone();
        if side == 0 { self.take_left(&input, &at, cx) } else { self.take_right(&input, &at, cx) }
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(left) = &mut self.left {
            visit(left);
        }
        if let Some(right) = &mut self.right {
            visit(right);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow_schema::DataType;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Fold, Harness, Step, Table, fold, not_in, run_with_restores};

    fn harness() -> Harness {
        let left = Table::new(&[("k", DataType::Int64), ("v", DataType::Int64)]);
        let right = Table::new(&[("k", DataType::Int64)]);
        let spec = Arc::new(not_in(&left, &right));
        Harness::of(move || spec.clone().operator(), &[&[], &[]])
    }

    type Key = Option<i64>;

    #[derive(Debug, Clone)]
    enum Event {
        Left(Key, i64),
        Right(Key),
        /// Takes a row back: of the left, and which.
        Back(bool, prop::sample::Index),
        Cut,
        Restore(u16),
    }

    fn event() -> impl Strategy<Value = Event> {
        let key = || prop::option::weighted(0.8, 0..4_i64);
        prop_oneof![
            5 => (key(), 0..3_i64).prop_map(|(key, value)| Event::Left(key, value)),
            2 => key().prop_map(Event::Right),
            4 => (any::<bool>(), any::<prop::sample::Index>()).prop_map(|(left, index)| Event::Back(left, index)),
            2 => Just(Event::Cut),
            1 => (1..4_u16).prop_map(Event::Restore),
        ]
    }

    #[test]
    fn a_key_that_has_turned_is_found_among_those_of_its_hash() {
        let turned = |from: u64| (KeyHash(from / 3), from, from % 7 > 2);
        let mut all = Turned((0..100).rev().filter(|from| from % 5 != 0).map(turned).collect());
        all.sort();
        for place in 0..100 {
            let expected = (place % 5 != 0).then_some(place % 7 > 2);
            assert_eq!(all.was_there(&place, KeyHash(place / 3)), expected, "{place}");
        }
        assert_eq!(all.was_there(&1, KeyHash(33)), None);
    }

    fn shown(key: Key) -> String {
        key.map_or_else(|| "null".to_owned(), |key| key.to_string())
    }

    /// `SELECT * FROM left WHERE k NOT IN (SELECT k FROM right)`, the plain way.
    fn model(left: &[(Key, i64)], right: &[Key]) -> Fold {
        let mut out = BTreeMap::new();
        for (key, value) in left {
            let is_known = key.is_some() && right.iter().all(|other| other.is_some() && other != key);
            if right.is_empty() || is_known {
                *out.entry(format!("{} {value}", shown(*key))).or_default() += 1;
            }
        }
        out
    }

    fn check(events: &[Event]) {
        let tables =
            [Table::new(&[("k", DataType::Int64), ("v", DataType::Int64)]), Table::new(&[("k", DataType::Int64)])];
        let (mut left, mut right) = (Vec::<(Key, i64)>::new(), Vec::<Key>::new());
        let (mut steps, mut after) = (Vec::new(), Vec::new());
        let mut lines = (0, String::new());
        for event in events.iter().chain([&Event::Cut]) {
            let (side, line) = match event {
                Event::Left(key, value) => {
                    left.push((*key, *value));
                    (0, format!("+I {} {value}\n", shown(*key)))
                }
                Event::Right(key) => {
                    right.push(*key);
                    (1, format!("+I {}\n", shown(*key)))
                }
                Event::Back(true, index) if !left.is_empty() => {
                    let (key, value) = left.remove(index.index(left.len()));
                    (0, format!("-D {} {value}\n", shown(key)))
                }
                Event::Back(false, index) if !right.is_empty() => {
                    (1, format!("-D {}\n", shown(right.remove(index.index(right.len())))))
                }
                _ => (lines.0, String::new()),
            };
            let cuts = matches!(event, Event::Cut | Event::Restore(_));
            if side == lines.0 {
                lines.1.push_str(&line);
            }
            if (side != lines.0 || cuts) && !lines.1.is_empty() {
                steps.push(Step::Push(lines.0, tables[usize::from(lines.0)].frame(&lines.1)));
                after.push(None);
                lines.1.clear();
            }
            if side != lines.0 {
                lines = (side, line);
            }
            if cuts {
                if let Event::Restore(parallelism) = event {
                    steps.push(Step::Restore(*parallelism));
                    after.push(None);
                }
                if let Some(last) = after.last_mut() {
                    *last = Some(model(&left, &right));
                }
            }
        }
        let mut folded = Fold::new();
        run_with_restores(harness(), &steps, |at, out| {
            fold(&mut folded, out);
            if let Some(Some(expected)) = after.get(at) {
                assert_eq!(&folded, expected, "after step {at}");
            }
        });
        assert_eq!(folded, model(&left, &right));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_fold_is_the_query(events in prop::collection::vec(event(), 1..50)) {
            check(&events);
        }
    }
}
