//! The operator of aligned windows: tumbling and sliding, in event time and processing time.
//!
//! A record is added to its pane; a window's content is that of its panes together, made when it fires. So what a record costs does
//! not depend on how many windows it is in, and no key has a timer: a window that fires walks its panes.
//!
//! Invariants:
//! 1. For a key, every window whose last time is at or before what it has `fired` up to has fired, and no other has. Keys that a restore
//!    brought ahead of others wait, with their panes, until the others have caught up ([`Passed`]).
//! 2. A record is in a pane, in the side output of late records, or counted as late. (Or, where the user's windows leave gaps, in none
//!    of them.)
//! 3. A pane is held as long as a window that it is in has not fired, or may still take late records; then it is dropped whole.

use yeoul_frame::{Frame, KeyHash, Timestamp};
use yeoul_operator::{
    Context, InputId, OpenContext, Operator, OperatorError, OutputId, Passed, Progress, Snapshot, Subtask,
};
use yeoul_state::{Key, Panes, StateTable, Value};

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
    fired: Passed,
    firing: Option<Firing<K, C::Held>>,
    sort: PanesOfFrame,
    gathered: (Vec<K>, Vec<KeyHash>),
    /// Positions of records that are late, but not too late.
    again: Vec<usize>,
    late: Late,
    panes: Option<Panes<K, C::Held>>,
    results: Results<K, C>,
}

impl<K: Key, C: Content<K>> AlignedWindows<K, C> {
    pub(crate) fn new(settings: AlignedSettings, keys: FrameKeys<K>, content: C) -> Self {
        Self {
            late: Late::new(settings.late),
            settings,
            keys,
            fired: Passed::new("fired"),
            firing: None,
            sort: PanesOfFrame::default(),
            gathered: (Vec::new(), Vec::new()),
            again: Vec::new(),
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
                None => match next_end(&self.settings.grid, panes, self.fired.all()) {
                    Some(end) if end - 1 <= target => Firing::new(&self.settings.grid, end, panes),
                    _ => {
                        self.settle(target);
                        self.results.flush(cx)?;
                        return Ok(Progress::Done);
                    }
                },
            };
            let fired = &self.fired;
            let last = firing.window().max_timestamp().0;
            let has_fired = |key: &K| fired.any_ahead() && fired.of(key.routing()) >= last;
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
        self.fired.advance(fired);
        let panes = opened(&mut self.panes);
        let expired = |pane: &i64| expiry(&self.settings, *pane) <= self.fired.all();
        loop {
            let first = panes.namespaces().next();
            match first.filter(expired) {
                Some(pane) => panes.drop_namespace(pane),
                None => return,
            }
        }
    }
}

/// The end of the first window that holds something and whose last time is after `fired`.
fn next_end<K: Key, H: Value>(grid: &Grid, panes: &Panes<K, H>, fired: i64) -> Option<i64> {
    // Windows of earlier panes have ended by then. Such panes wait for late records, and may be many.
    panes.namespaces_from(fired.saturating_sub(grid.size())).find_map(|pane| grid.next_end_of(pane, fired))
}

/// The watermark at which a pane takes no more records.
fn expiry(settings: &AlignedSettings, pane: i64) -> i64 {
    (settings.grid.last_end(pane) - 1).saturating_add(settings.lateness)
}

impl<K: Key, C: Content<K>> Operator for AlignedWindows<K, C> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.fired.open(cx);
        self.panes = Some(Panes::new(cx.operator.table("windows"), "windows"));
        self.results.open(&self.settings.sides, cx)
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let Self { settings, keys, sort, gathered, again, late, results, fired, .. } = self;
        let panes = opened(&mut self.panes);
        let (keys, hashes) = keys.read(frame);
        let rows = RowNumbers::of(frame);
        let records = frame.rows::<C::In>();
        match settings.domain {
            Domain::Event => sort.sort(&settings.grid, rows, frame.len(), frame.times()).ok_or_else(no_event_time)?,
            // The clock may go back; windows that have fired, for whichever key, stay so.
            Domain::Processing => {
                sort.whole(settings.grid.pane_of(cx.now().0.max(fired.furthest().saturating_add(1))), frame.len());
            }
        }
        for (pane, group) in sort.groups() {
            let (first_end, last_end) = (settings.grid.first_end(pane), settings.grid.last_end(pane));
            if first_end > last_end {
                // In a gap between windows that begin further apart than they are long.
                continue;
            }
            if expiry(settings, pane) <= fired.all() {
                late.add(&group, rows);
                continue;
            }
            let content = &results.content;
            // Until all keys have caught up after a restore, some have fired further than others.
            if fired.any_ahead() {
                for position in group.positions() {
                    let (key, row) = (&keys[position], rows.at(position));
                    let fired = fired.of(key.routing());
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
            if settings.lateness == 0 || first_end - 1 > fired.all() {
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
            let fired = fired.of(key.routing());
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
        next_end(&self.settings.grid, panes, self.fired.all()).map(Timestamp)
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.advance(now.0.saturating_sub(1), cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        debug_assert!(self.firing.is_none(), "a barrier does not come in the middle of a firing");
        self.fired.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.fired.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(panes) = &mut self.panes {
            panes.count_beside(self.firing.as_ref().map_or(0, Firing::memory_bytes));
            visit(panes);
        }
        self.results.tables(visit);
    }

    fn close(&mut self) {
        self.results.content.close();
    }
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
