//! The operator of interval joins.
//!
//! A record is held as long as one may come that it joins. What has expired is dropped when its key's next record comes, or a little after
//! all that the key holds has expired. Nothing that the join gives depends on when that is; so it takes no timer, which would be state too:
//! [`Notes`] are made anew after a restore.
//!
//! Invariants:
//! 1. A record is joined with each record of the other side that lies within the bounds and came before it, once.
//! 2. A record behind the watermark is in the side output of late records or counted as late; it is neither joined nor held.
//! 3. Each key that holds records is noted once, for a time at or before a sixteenth of the bounds after they have expired.

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

/// Keys ahead for which the table is asked to bring the entry.
const AHEAD: usize = 24;
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
    opened: Option<Opened<K, P>>,
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
    /// Notes the keys of a table that was restored. This walks all of it, once.
    fn note_restored(&mut self, bounds: Bounds) {
        if self.notes.is_none() {
            let mut notes = Notes::new(bounds.lower, bounds.upper);
            self.table.iter().for_each(|(key, held)| notes.put(held.noted, key, key.hash()));
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
        Self { bounds, keys, late: late.map(Late::new), function, declared, opened: None }
    }

    /// Takes a frame of one side: `add` joins a record with what its key holds and adds it to that.
    fn take<T: Record>(
        &mut self,
        side: usize,
        frame: &Frame,
        cx: &mut Context<'_>,
        mut add: impl FnMut(
            &mut P,
            &T::Archived,
            i64,
            &mut Buffers<P::Left, P::Right>,
            &mut SideOutputs,
            &mut Collector<P::Out>,
        ) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let Self { bounds, keys, late, function, .. } = self;
        let opened = opened(&mut self.opened);
        opened.note_restored(*bounds);
        let Opened { table, notes: Some(notes), sides, out } = opened else { unreachable!("noted above") };
        let (keys, hashes) = keys[side].read(frame);
        hashes.iter().take(AHEAD).for_each(|&hash| table.prefetch(hash));
        let rows = frame.rows::<T>();
        let watermark = cx.watermark().0;
        for (i, (row, record)) in rows.iter().enumerate() {
            if let Some(&hash) = hashes.get(i + AHEAD) {
                table.prefetch(hash);
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
            add(function, record, time, held, sides, out)?;
            if held.noted == NOT_NOTED {
                held.noted = notes.add(expiry(*bounds, held), &keys[i], hashes[i]);
            }
        }
        late[side].emit(frame, cx);
        sides.flush(cx)?;
        out.flush(OutputId::MAIN, cx)
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
        let Bounds { lower, upper } = self.bounds;
        match input {
            InputId(0) => self.take::<P::Left>(0, frame, cx, |function, record, time, held, sides, out| {
                let record = yeoul_frame::OwnedRecord::from_archived(record);
                let partners = held.right.within(time.saturating_add(lower), time.saturating_add(upper));
                for (at, partner) in partners {
                    give(function, (&record, time), (partner, at), sides, out)?;
                }
                held.left.insert(time, record);
                Ok(())
            }),
            _ => self.take::<P::Right>(1, frame, cx, |function, record, time, held, sides, out| {
                let record = yeoul_frame::OwnedRecord::from_archived(record);
                let partners = held.left.within(time.saturating_sub(upper), time.saturating_sub(lower));
                for (at, partner) in partners {
                    give(function, (partner, at), (&record, time), sides, out)?;
                }
                held.right.insert(time, record);
                Ok(())
            }),
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let bounds = self.bounds;
        let opened = opened(&mut self.opened);
        opened.note_restored(bounds);
        let Opened { table, notes: Some(notes), .. } = opened else { unreachable!("noted above") };
        let Some((noted, due)) = notes.due(watermark.0, NOTES_A_CALL) else { return Ok(Progress::Done) };
        due.iter().take(AHEAD).for_each(|(_, hash)| table.prefetch(*hash));
        for (i, (key, hash)) in due.iter().enumerate() {
            if let Some((_, hash)) = due.get(i + AHEAD) {
                table.prefetch(*hash);
            }
            let Some(held) = table.get_mut(key, *hash) else { continue };
            forget(bounds, held, watermark.0);
            if watermark == Timestamp::MAX || held.left.last().max(held.right.last()).is_none() {
                table.remove(key, *hash);
            } else {
                // Later records have come since it was noted.
                debug_assert_eq!(held.noted, noted, "a key is noted once");
                held.noted = notes.add(expiry(bounds, held), key, *hash);
            }
        }
        Ok(Progress::More)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(opened) = &mut self.opened {
            visit(&mut opened.table);
        }
    }

    fn close(&mut self) {
        self.function.close();
    }
}
