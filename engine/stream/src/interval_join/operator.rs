//! The operator of interval joins.
//!
//! A record is held as long as one may come that it joins. What has expired is dropped when its key's next record comes, or a little after
//! all that the key holds has expired. Nothing that the join gives depends on when that is; so it takes no timer, which would be state too:
//! [`Notes`] are made anew after a restore.
//!
//! Invariants:
//! 1. A record is joined with each record of the other side that lies within the bounds and came before it, once.
//! 2. A record behind the watermark is in the side output of late records or counted as late; it is neither joined nor held.
//! 3. A record's pairs are made as far as there is room; what is left of its frame is [`Paused`], and nothing else comes before that is done.
//! 4. Each key that holds records is noted once, for a time at or before a sixteenth of the bounds after they have expired.

use yeoul_frame::{Frame, Record, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId, Progress};
use yeoul_state::{Key, StateTable, Table};

use super::buffers::{Buffers, NOT_NOTED};
use super::notes::Notes;
use super::{JoinContext, ProcessJoinFunction};
use crate::StateRecord;
use crate::collector::Collector;
use crate::key_selector::FrameKeys;
use crate::late::Late;
use crate::side_outputs::SideOutputs;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::window::aligned::no_event_time;

/// Keys ahead for which the table is asked to bring the bucket.
const AHEAD: usize = 24;
/// Keys ahead for which it is asked to bring the entry, once its bucket is there.
const ENTRY_AHEAD: usize = 12;
/// Keys that are looked at in one call.
const NOTES_A_CALL: usize = 1024;

/// A right record of event time r joins a left one of l if l + `lower` ≤ r ≤ l + `upper`, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) lower: i64,
    pub(super) upper: i64,
}

impl Bounds {
    /// Up to which watermark a left record of this time may find a partner.
    fn left_until(self, time: i64) -> i64 {
        time.saturating_add(self.upper.max(0))
    }

    /// Up to which watermark a right record of this time may find a partner.
    fn right_until(self, time: i64) -> i64 {
        time.saturating_add(self.lower.saturating_neg().max(0))
    }
}

pub(super) struct IntervalJoin<K: Key, P: ProcessJoinFunction>
where
    P::Left: StateRecord,
    P::Right: StateRecord,
{
    bounds: Bounds,
    keys: [FrameKeys<K>; 2],
    late: [Late; 2],
    function: P,
    declared: Sides,
    paused: Option<Paused>,
    opened: Option<Opened<K, P>>,
}

/// What is left of a frame: from this selected row on, of which so many pairs are made.
struct Paused {
    input: InputId,
    frame: Frame,
    row: usize,
    made: usize,
}

struct Opened<K: Key, P: ProcessJoinFunction>
where
    P::Left: StateRecord,
    P::Right: StateRecord,
{
    table: Table<K, Buffers<P::Left, P::Right>>,
    /// None until the keys that a restore brought are noted.
    notes: Option<Notes<K>>,
    sides: SideOutputs,
    out: Collector<P::Out>,
}

impl<K: Key, P: ProcessJoinFunction> Opened<K, P>
where
    P::Left: StateRecord,
    P::Right: StateRecord,
{
    /// Notes the keys of a table that was restored, once: it walks all of them, and reads nothing of what they hold. They are looked at when
    /// what came up to the watermark has expired, and noted again if they then hold anything.
    fn note_restored(&mut self, bounds: Bounds, watermark: i64) {
        if self.notes.is_none() {
            let mut notes = Notes::new(bounds.lower, bounds.upper);
            let expired = bounds.left_until(watermark).max(bounds.right_until(watermark)).saturating_add(1);
            for key in self.table.keys() {
                notes.add(expired, key, key.hash());
            }
            self.notes = Some(notes);
        }
    }
}

impl<K: Key, P: ProcessJoinFunction> IntervalJoin<K, P>
where
    P::Left: StateRecord,
    P::Right: StateRecord,
{
    pub(super) fn new(
        bounds: Bounds,
        late: [Option<OutputId>; 2],
        keys: [FrameKeys<K>; 2],
        function: P,
        declared: Sides,
    ) -> Self {
        Self { bounds, keys, late: late.map(Late::new), function, declared, paused: None, opened: None }
    }

    /// Takes the rows of one side's frame from `start` on, of which `made` pairs are made: `join` gives the rest of them as far as there is room,
    /// says how many there are if that was not enough, and else adds the record to what its key holds.
    fn take<T: Record>(
        &mut self,
        side: usize,
        frame: &Frame,
        (start, made): (usize, usize),
        cx: &mut Context<'_>,
        mut join: impl FnMut(
            &mut P,
            (&T::Archived, i64),
            &mut Buffers<P::Left, P::Right>,
            &mut Results<'_, '_, P::Out>,
        ) -> Result<Option<usize>, OperatorError>,
    ) -> Result<(), OperatorError> {
        let Self { bounds, keys, late, function, paused, .. } = self;
        let opened = opened(&mut self.opened);
        opened.note_restored(*bounds, cx.watermark().0);
        let Opened { table, notes: Some(notes), sides, out } = opened else { unreachable!("noted above") };
        let (keys, hashes) = keys[side].read(frame);
        hashes[start..].iter().take(AHEAD).for_each(|&hash| table.prefetch(hash));
        let rows = frame.rows::<T>();
        let watermark = cx.watermark().0;
        let mut results = Results { made, sides, out, cx };
        for (i, (row, record)) in rows.iter().enumerate().skip(start) {
            if let Some(&hash) = hashes.get(i + AHEAD) {
                table.prefetch(hash);
            }
            if let Some(&hash) = hashes.get(i + ENTRY_AHEAD) {
                table.prefetch_entry(hash);
            }
            let time = rows.time(row).0;
            if time == i64::MIN {
                return Err(no_event_time());
            }
            if time < watermark {
                late[side].add_row(row);
                continue;
            }
            let held = table.upsert(&keys[i], hashes[i], Buffers::empty);
            forget(*bounds, held, watermark);
            if let Some(made) = join(function, (record, time), held, &mut results)? {
                *paused = Some(Paused { input: InputId(side as u8), frame: frame.clone(), row: i, made });
                return Ok(());
            }
            results.made = 0;
            if held.noted == NOT_NOTED {
                held.noted = notes.add(expiry(*bounds, held), &keys[i], hashes[i]);
            }
        }
        let Results { sides, out, cx, .. } = results;
        late[side].emit(frame, cx);
        sides.flush(cx)?;
        out.flush(OutputId::MAIN, cx)
    }

    /// Takes a frame from a row on, of which some pairs are made.
    fn take_from(
        &mut self,
        input: InputId,
        frame: &Frame,
        from: (usize, usize),
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        let Bounds { lower, upper } = self.bounds;
        match input {
            InputId(0) => self.take::<P::Left>(0, frame, from, cx, |function, (record, time), held, results| {
                let record = yeoul_frame::OwnedRecord::from_archived(record);
                let partners = held.right.within(time.saturating_add(lower), time.saturating_add(upper));
                let left = results.give_all(partners, |(at, partner), sides, out| {
                    give(function, (&record, time), (partner, at), sides, out)
                })?;
                if left.is_none() {
                    held.left.insert(time, record);
                }
                Ok(left)
            }),
            _ => self.take::<P::Right>(1, frame, from, cx, |function, (record, time), held, results| {
                let record = yeoul_frame::OwnedRecord::from_archived(record);
                let partners = held.left.within(time.saturating_sub(upper), time.saturating_sub(lower));
                let left = results.give_all(partners, |(at, partner), sides, out| {
                    give(function, (partner, at), (&record, time), sides, out)
                })?;
                if left.is_none() {
                    held.right.insert(time, record);
                }
                Ok(left)
            }),
        }
    }
}

/// Where pairs go.
struct Results<'a, 'c, O: Record> {
    /// How many pairs of the present record are made already.
    made: usize,
    sides: &'a mut SideOutputs,
    out: &'a mut Collector<O>,
    cx: &'a mut Context<'c>,
}

impl<O: Record> Results<'_, '_, O> {
    /// Gives a record's pairs that are not made yet, as far as there is room. Returns how many are made if that ended.
    fn give_all<T>(
        &mut self,
        partners: impl Iterator<Item = T>,
        mut give: impl FnMut(T, &mut SideOutputs, &mut Collector<O>) -> Result<(), OperatorError>,
    ) -> Result<Option<usize>, OperatorError> {
        for (number, partner) in partners.enumerate().skip(self.made) {
            give(partner, self.sides, self.out)?;
            if !(self.out.emit_full(OutputId::MAIN, self.cx)? & self.sides.emit_full(self.cx)?) {
                return Ok(Some(number + 1));
            }
        }
        Ok(None)
    }
}

/// Drops what finds no partner any more at this watermark.
fn forget<A, B>(bounds: Bounds, held: &mut Buffers<A, B>, watermark: i64) {
    held.left.forget(watermark.saturating_sub(bounds.left_until(0)));
    held.right.forget(watermark.saturating_sub(bounds.right_until(0)));
}

/// The watermark at which all that is held has expired.
fn expiry<A, B>(bounds: Bounds, held: &Buffers<A, B>) -> i64 {
    let left = held.left.last().map(|time| bounds.left_until(time));
    let right = held.right.last().map(|time| bounds.right_until(time));
    left.max(right).unwrap_or(i64::MIN).saturating_add(1)
}

/// Calls the function with a pair.
fn give<P: ProcessJoinFunction>(
    function: &mut P,
    (left, left_time): (&P::Left, i64),
    (right, right_time): (&P::Right, i64),
    sides: &mut SideOutputs,
    out: &mut Collector<P::Out>,
) -> Result<(), OperatorError> {
    let mut jcx = JoinContext { left: Timestamp(left_time), right: Timestamp(right_time), sides };
    out.stamp(jcx.timestamp(), RowKind::Insert);
    function.process(left, right, &mut jcx, out)
}

impl<K: Key, P: ProcessJoinFunction> Operator for IntervalJoin<K, P>
where
    P::Left: StateRecord,
    P::Right: StateRecord,
{
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.opened = Some(Opened {
            table: Table::new(cx.operator.table("joined"), "joined"),
            notes: None,
            sides: SideOutputs::open(&self.declared, cx.pool),
            out: Collector::new(cx.pool),
        });
        self.function.open(cx)
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.take_from(input, frame, (0, 0), cx)
    }

    fn has_more(&self) -> bool {
        self.paused.is_some()
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let Some(Paused { input, frame, row, made }) = self.paused.take() else { return Ok(()) };
        self.take_from(input, &frame, (row, made), cx)
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let bounds = self.bounds;
        let opened = opened(&mut self.opened);
        opened.note_restored(bounds, watermark.0);
        let Opened { table, notes: Some(notes), .. } = opened else { unreachable!("noted above") };
        let Some(due) = notes.due(watermark.0, NOTES_A_CALL) else { return Ok(Progress::Done) };
        due.iter().take(AHEAD).for_each(|(_, hash)| table.prefetch(*hash));
        for (i, (key, hash)) in due.iter().enumerate() {
            if let Some((_, hash)) = due.get(i + AHEAD) {
                table.prefetch(*hash);
            }
            if let Some((_, hash)) = due.get(i + ENTRY_AHEAD) {
                table.prefetch_entry(*hash);
            }
            let Some(held) = table.get_mut(key, *hash) else { continue };
            forget(bounds, held, watermark.0);
            if watermark == Timestamp::MAX || held.left.last().max(held.right.last()).is_none() {
                table.remove(key, *hash);
            } else {
                // Later records have come since it was noted.
                held.noted = notes.add(expiry(bounds, held), key, *hash);
            }
        }
        Ok(Progress::More)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(Opened { table, notes, .. }) = &mut self.opened {
            table.count_beside(notes.as_ref().map_or(0, Notes::memory_bytes));
            visit(table);
        }
    }

    fn close(&mut self) {
        self.function.close();
    }
}
