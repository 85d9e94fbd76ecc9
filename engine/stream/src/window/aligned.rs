//! The operator of aligned windows: tumbling and sliding, in event time and processing time.
//!
//! A record is added to its pane; a window's content is that of its panes together, made when it fires. So what a record costs does
//! not depend on how many windows it is in, and no key has a timer: a window that fires walks its panes.
//!
//! Invariants:
//! 1. For a key, every window whose last time is at or before what it has fired up to has fired, and no other has. That is `fired` for
//!    all keys, but for groups that were restored from a subtask that was `ahead`: they wait, with their panes, until the others have
//!    caught up. What is ahead is part of every snapshot, so this holds over any number of restores before that.
//! 2. A record is in a pane, in the side output of late records, or counted as late. (Or, where the user's windows leave gaps, in none
//!    of them.)
//! 3. A pane is held as long as a window that it is in has not fired, or may still take late records; then it is dropped whole.

use std::ops::Range;

use yeoul_frame::{Frame, KeyGroups, KeyHash, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId, Progress, Snapshot, Subtask};
use yeoul_state::{Key, Panes, StateTable};

use crate::key_selector::FrameKeys;
use crate::late::Late;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::window::assigner::Domain;
use crate::window::content::Content;
use crate::window::firing::{Fired, Firing};
use crate::window::grid::Grid;
use crate::window::panes_of_frame::{Group, PanesOfFrame, RowNumbers};
use crate::window::results::Results;

/// The name of the time up to which windows have fired, in a snapshot: an `i64`, then for each range of key groups that is ahead its first
/// group and the one after its last as `u16` and its time as `i64`; all little endian.
const FIRED: &str = "fired";

/// What a user has set.
#[derive(Clone)]
pub(crate) struct AlignedSettings {
    pub(crate) grid: Grid,
    pub(crate) domain: Domain,
    /// For how long after a window has fired it takes late records, in milliseconds.
    pub(crate) lateness: i64,
    pub(crate) late: Option<OutputId>,
    pub(crate) sides: Sides,
}

pub(crate) struct AlignedWindows<K: Key, C: Content<K>> {
    settings: AlignedSettings,
    keys: FrameKeys<K>,
    fired: i64,
    /// Key groups and up to when their windows had fired in the subtask that they were restored from. None is here once `fired` has reached it.
    ahead: Vec<(Range<u16>, i64)>,
    firing: Option<Firing<K, C::Held>>,
    sort: PanesOfFrame,
    gathered: (Vec<K>, Vec<KeyHash>),
    /// Positions of records that are late, but not too late.
    again: Vec<usize>,
    late: Late,
    key_groups: KeyGroups,
    /// Its own key groups.
    own: Range<u16>,
    /// Whether `fired` is that of an earlier run.
    is_restored: bool,
    panes: Option<Panes<K, C::Held>>,
    results: Results<K, C>,
}

impl<K: Key, C: Content<K>> AlignedWindows<K, C> {
    pub(crate) fn new(settings: AlignedSettings, keys: FrameKeys<K>, content: C) -> Self {
        Self {
            late: Late::new(settings.late),
            settings,
            keys,
            fired: i64::MIN,
            ahead: Vec::new(),
            firing: None,
            sort: PanesOfFrame::default(),
            gathered: (Vec::new(), Vec::new()),
            again: Vec::new(),
            key_groups: KeyGroups::DEFAULT,
            own: 0..KeyGroups::DEFAULT.count(),
            is_restored: false,
            panes: None,
            results: Results::new(content),
        }
    }

    /// Fires all windows whose last time is at or before `target`, as far as there is room.
    fn advance(&mut self, target: i64, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        loop {
            let panes = opened(&mut self.panes);
            let mut firing = match self.firing.take() {
                Some(firing) => firing,
                None => {
                    let next = panes.namespaces().find_map(|pane| self.settings.grid.next_end_of(pane, self.fired));
                    match next {
                        Some(end) if end - 1 <= target => Firing::new(&self.settings.grid, end, panes),
                        _ => {
                            self.settle(target);
                            self.results.flush(cx)?;
                            return Ok(Progress::Done);
                        }
                    }
                }
            };
            let (ahead, groups) = (&self.ahead, self.key_groups);
            let last = firing.window().max_timestamp().0;
            let has_fired = |key: &K| !ahead.is_empty() && fired_before(ahead, groups, key.routing()) >= last;
            match firing.step(panes, &mut self.results, has_fired, cx)? {
                Fired::Whole => self.settle(last),
                Fired::Part => {
                    self.firing = Some(firing);
                    return Ok(Progress::More);
                }
            }
        }
    }

    /// All windows up to `fired` have fired: drops what no window needs any more.
    fn settle(&mut self, fired: i64) {
        self.fired = self.fired.max(fired);
        self.ahead.retain(|(_, before)| *before > self.fired);
        let panes = opened(&mut self.panes);
        let expired = |pane: &i64| expiry(&self.settings, *pane) <= self.fired;
        loop {
            let first = panes.namespaces().next();
            match first.filter(expired) {
                Some(pane) => panes.drop_namespace(pane),
                None => return,
            }
        }
    }
}

/// The watermark at which a pane takes no more records.
fn expiry(settings: &AlignedSettings, pane: i64) -> i64 {
    (settings.grid.last_end(pane) - 1).saturating_add(settings.lateness)
}

/// Up to when the windows of this key had fired before a restore, if that is further than those of all keys.
fn fired_before(ahead: &[(Range<u16>, i64)], groups: KeyGroups, hash: KeyHash) -> i64 {
    let group = groups.of(hash).0;
    let of_group = ahead.iter().filter(|(range, _)| range.contains(&group));
    of_group.map(|(_, fired)| *fired).max().unwrap_or(i64::MIN)
}

impl<K: Key, C: Content<K>> Operator for AlignedWindows<K, C> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.key_groups = cx.key_groups;
        self.own = cx.key_groups.range(cx.subtask.index, cx.subtask.parallelism);
        self.panes = Some(Panes::new(cx.operator.table("windows"), "windows"));
        self.results.open(&self.settings.sides, cx)
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let Self { settings, keys, sort, gathered, again, late, results, fired, ahead, key_groups, .. } = self;
        // Until all keys have caught up after a restore, some have fired further than others.
        let fired_for = |fired: i64, key: &K| {
            if ahead.is_empty() { fired } else { fired.max(fired_before(ahead, *key_groups, key.routing())) }
        };
        let panes = opened(&mut self.panes);
        let (keys, hashes) = keys.read(frame);
        let rows = RowNumbers::of(frame);
        let records = frame.rows::<C::In>();
        match settings.domain {
            Domain::Event => sort.sort(&settings.grid, rows, frame.len(), frame.times()).ok_or_else(no_event_time)?,
            // The clock may go back; windows that have fired, for whichever key, stay so.
            Domain::Processing => {
                let fired = ahead.iter().map(|(_, fired)| *fired).fold(*fired, i64::max);
                sort.whole(settings.grid.pane_of(cx.now().0.max(fired.saturating_add(1))), frame.len());
            }
        }
        for (pane, group) in sort.groups() {
            let (first_end, last_end) = (settings.grid.first_end(pane), settings.grid.last_end(pane));
            if first_end > last_end {
                // In a gap between windows that begin further apart than they are long.
                continue;
            }
            if expiry(settings, pane) <= *fired {
                late.add(&group, rows);
                continue;
            }
            let content = &results.content;
            if !ahead.is_empty() {
                for position in group.positions() {
                    let (key, row) = (&keys[position], rows.at(position));
                    let fired = fired_for(*fired, key);
                    if expiry(settings, pane) <= fired {
                        late.add_row(row);
                    } else if settings.lateness == 0 || first_end - 1 > fired {
                        let held = panes.pane(pane).upsert(key, hashes[position], || content.create());
                        content.add(&records[row], held);
                    } else {
                        again.push(position);
                    }
                }
                continue;
            }
            if settings.lateness == 0 || first_end - 1 > *fired {
                let table = panes.pane(pane);
                match group {
                    Group::Run(run) => table.upsert_batch(
                        &keys[run.clone()],
                        &hashes[run.clone()],
                        || content.create(),
                        |i, held| content.add(&records[rows.at(run.start + i)], held),
                    ),
                    Group::List(list) => {
                        gathered.0.clear();
                        gathered.0.extend(list.iter().map(|&position| keys[position as usize].clone()));
                        gathered.1.clear();
                        gathered.1.extend(list.iter().map(|&position| hashes[position as usize]));
                        table.upsert_batch(
                            &gathered.0,
                            &gathered.1,
                            || content.create(),
                            |i, held| content.add(&records[rows.at(list[i] as usize)], held),
                        );
                    }
                }
                continue;
            }
            again.extend(group.positions());
        }
        // Late, but not too late: each record makes the windows that have fired fire again, in the order in which they came.
        again.sort_unstable();
        for position in again.drain(..) {
            let (key, hash, row) = (&keys[position], hashes[position], rows.at(position));
            let pane = settings.grid.pane_of(frame.times()[row as usize].0);
            let held = panes.pane(pane).upsert(key, hash, || results.content.create());
            results.content.add(&records[row], held);
            let mut end = settings.grid.first_end(pane);
            let fired = fired_for(*fired, key);
            while end <= settings.grid.last_end(pane) && end - 1 <= fired {
                if (end - 1).saturating_add(settings.lateness) > fired {
                    fire_again(results, &settings.grid, end, panes, key, hash, cx)?;
                }
                end += settings.grid.slide();
            }
        }
        late.emit(frame, cx);
        results.flush(cx)
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        match self.settings.domain {
            Domain::Event => self.advance(watermark.0, cx),
            // The input has ended: what its windows hold is not left behind.
            Domain::Processing if watermark == Timestamp::MAX => self.advance(i64::MAX, cx),
            Domain::Processing => Ok(Progress::Done),
        }
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        let panes = self.panes.as_ref().filter(|_| self.settings.domain == Domain::Processing)?;
        if self.firing.is_some() {
            return Some(Timestamp::MIN);
        }
        panes.namespaces().find_map(|pane| self.settings.grid.next_end_of(pane, self.fired)).map(Timestamp)
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.advance(now.0.saturating_sub(1), cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        debug_assert!(self.firing.is_none(), "a barrier does not come in the middle of a firing");
        let mut bytes = self.fired.to_le_bytes().to_vec();
        for (groups, fired) in self.ahead.iter().filter(|(_, fired)| *fired > self.fired) {
            bytes.extend(groups.start.to_le_bytes().into_iter().chain(groups.end.to_le_bytes()));
            bytes.extend(fired.to_le_bytes());
        }
        snapshot.state(FIRED, bytes);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let (fired, ahead) = fired_of(name, bytes)?;
        let all = (self.key_groups.range(from.index, from.parallelism), fired);
        // Keys that it does not own hold it back as little as they are its concern.
        let own = |groups: &Range<u16>| groups.start.max(self.own.start)..groups.end.min(self.own.end);
        if own(&all.0).is_empty() {
            return Ok(());
        }
        let restored = std::iter::once(all).chain(ahead).map(|(groups, fired)| (own(&groups), fired));
        self.ahead.extend(restored.filter(|(groups, _)| !groups.is_empty()));
        self.fired = if self.is_restored { self.fired.min(fired) } else { fired };
        self.is_restored = true;
        Ok(())
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(panes) = &mut self.panes {
            visit(panes);
        }
    }

    fn close(&mut self) {
        self.results.content.close();
    }
}

/// Reads what a snapshot holds: up to when windows had fired, and the key groups that were ahead of that.
fn fired_of(name: &str, bytes: &[u8]) -> Result<(i64, Vec<(Range<u16>, i64)>), OperatorError> {
    let read = || {
        let (fired, mut rest) = bytes.split_first_chunk().filter(|_| name == FIRED)?;
        let mut ahead = Vec::new();
        while !rest.is_empty() {
            let (start, after) = rest.split_first_chunk()?;
            let (end, after) = after.split_first_chunk()?;
            let (fired, after) = after.split_first_chunk()?;
            ahead.push((u16::from_le_bytes(*start)..u16::from_le_bytes(*end), i64::from_le_bytes(*fired)));
            rest = after;
        }
        Some((i64::from_le_bytes(*fired), ahead))
    };
    read().ok_or_else(|| {
        OperatorError::new(format!("{} bytes of state '{name}' are not a window operator's", bytes.len()))
            .hint("give the operator that wrote it its old uid, or start from another savepoint")
            .permanent()
    })
}

#[cold]
pub(crate) fn no_event_time() -> OperatorError {
    OperatorError::new("a record has no event time, and windows in event time need one")
        .hint("give the source's watermark strategy a timestamp assigner, or use windows in processing time")
        .permanent()
}

/// Fires one key's window, with what its panes hold of the key.
fn fire_again<K: Key, C: Content<K>>(
    results: &mut Results<K, C>,
    grid: &Grid,
    end: i64,
    panes: &Panes<K, C::Held>,
    key: &K,
    hash: KeyHash,
    cx: &Context<'_>,
) -> Result<(), OperatorError> {
    let window = grid.window_ending(end);
    let mut held = None;
    for pane in panes.within(window.start.0..window.end.0) {
        if let Some(part) = pane.get(key, hash) {
            let content = &results.content;
            content.merge(held.get_or_insert_with(|| content.create()), part);
        }
    }
    held.map_or(Ok(()), |held| results.fire(key, window, &held, cx))
}
