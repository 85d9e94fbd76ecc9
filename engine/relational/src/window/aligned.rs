//! TUMBLE, HOP and CUMULATE, and windows that rows bring along.
//!
//! Invariants:
//! 1. For a key, every window whose last time is at or before what it has [`Passed`] up to has fired, and no other has.
//! 2. A row is in a pane, or late. (Or, where hopping windows leave gaps, in no window.)
//! 3. A pane is held as long as a window that it is in has not fired; then it is dropped whole.
//! 4. Of windows that cumulate, the first pane holds all that has fired of the longest: so what fires is one pane, and what is new.

use std::sync::Arc;

use yeoul_frame::{Frame, KeyHash, Selection, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{Panes, StateTable};

use super::give::give;
use super::merged::{Merged, merge};
use super::panework::{Panework, Split};
use super::{WindowAggregate, WindowTime, times_of};
use crate::aggregate::{Accumulators, Distincts, Folder, Groups, Plan, TextRows};
use crate::assign_times::event_times;
use crate::input::Input;
use crate::key::ColumnKey;
use crate::local_aggregate::{Intake, Layout};
use crate::output::emit_late;

/// How long after its end a window of the clock that rows bring along is waited for, in ms: until all shards' clocks have shown its end,
/// and what they gave then has come.
const GRACE: i64 = 200;

pub(super) struct AlignedOperator<K: ColumnKey, A: Accumulators> {
    spec: Arc<WindowAggregate>,
    plan: Plan,
    work: Panework,
    intake: Intake<K>,
    groups: Groups<K>,
    folder: Folder,
    panes: Option<Panes<K, A>>,
    distincts: Option<Distincts<K>>,
    merged: Merged<K, A>,
    fired: Passed,
    /// Rows of the frame by pane.
    split: Split,
    late: Vec<u32>,
}

impl<K: ColumnKey, A: Accumulators> AlignedOperator<K, A> {
    pub(super) fn new(spec: Arc<WindowAggregate>, plan: Plan) -> Result<Self, OperatorError> {
        let distinct = plan.feeds.iter().any(|feed| feed.distinct.is_some());
        let work = Panework::of(spec.window, spec.time, distinct);
        Ok(Self {
            intake: Intake::new(&plan, &spec.input_schema, &spec.state_keys(), true)?,
            spec,
            plan,
            work,
            groups: Groups::new(),
            folder: Folder::default(),
            panes: None,
            distincts: None,
            merged: Merged::new(),
            fired: Passed::new("fired"),
            split: Split::default(),
            late: Vec::new(),
        })
    }

    /// Whether rows bring windows of processing time along.
    fn is_given_by_clock(&self) -> bool {
        matches!(self.spec.time, WindowTime::Windowed { by_clock: true, .. })
    }

    /// Takes the rows of one pane.
    fn take(&mut self, frame: &Frame, pane: i64, cx: &Context<'_>) -> Result<(), OperatorError> {
        let (first, last) = self.work.ends_around(pane);
        if first > last {
            // In a gap between windows that begin further apart than they are long.
            return Ok(());
        }
        if self.is_given_by_clock() {
            return self.fold(frame, pane, cx);
        }
        if last.saturating_sub(1) <= self.fired.all() {
            self.late.extend(frame.indices());
            return Ok(());
        }
        let rest;
        let frame = if self.fired.any_ahead() {
            rest = self.without_ahead(frame, last)?;
            &rest
        } else {
            frame
        };
        self.fold_into(frame, pane, cx)
    }

    /// Takes partial rows, which are of one pane.
    fn take_partials(&mut self, frame: &Frame, cx: &Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        let pane = self.intake.pane(&input)?;
        let (_, last) = self.work.ends_around(pane);
        if last.saturating_sub(1) <= self.fired.furthest() {
            // No row in it could be given to LATE any more: who made it broke its promise.
            return Err(OperatorError::new(format!("partial rows of windows up to {last}, of which some have fired"))
                .hint(
                    "this is a fault of the engine: SET 'table.optimizer.agg-phase-strategy' = 'ONE_PHASE' avoids it",
                ));
        }
        self.fold_into(frame, pane, cx)
    }

    fn fold_into(&mut self, frame: &Frame, pane: i64, cx: &Context<'_>) -> Result<(), OperatorError> {
        let Panework::Each(grid) = self.work else { return self.fold(frame, pane, cx) };
        for end in grid.ends_of(pane, self.fired.all()) {
            self.fold(frame, end, cx)?;
        }
        Ok(())
    }

    /// The rows of keys whose windows had not fired where they were before a restore; the others are late.
    fn without_ahead(&mut self, frame: &Frame, last: i64) -> Result<Frame, OperatorError> {
        let input = Input::of(frame)?;
        let (_, hashes) = self.intake.rows.read(&input)?;
        let mut position = 0;
        let selection = frame.selection().refine(|row| {
            let keeps = last.saturating_sub(1) > self.fired.of(hashes[position]);
            position += 1;
            if !keeps {
                self.late.push(row);
            }
            keeps
        });
        Ok(frame.select(selection))
    }

    fn fold(&mut self, frame: &Frame, namespace: i64, cx: &Context<'_>) -> Result<(), OperatorError> {
        let Self { plan, intake, groups, folder, .. } = self;
        let panes = self.panes.as_mut().expect("an operator is opened before its first frame");
        let distincts = self.distincts.as_mut().expect("an operator is opened before its first frame");
        if frame.is_empty() {
            return Ok(());
        }
        let input = Input::of(frame)?;
        let keys = intake.read(plan, folder, frame, &input)?;
        groups.group(keys.keys(), keys.hashes());
        if !distincts.is_empty() {
            let mut weights = std::mem::take(&mut folder.weights);
            let array = |column| folder.array(column).clone();
            distincts.weigh(namespace, keys.keys(), keys.hashes(), array, &mut weights, cx.now())?;
            folder.weights = weights;
        }
        folder.fold(plan, &groups.ids, groups.len());
        let texts = TextRows::read(plan, folder, &groups.ids, groups.len())?;
        panes.pane(namespace).upsert_batch(
            &groups.keys,
            &groups.hashes,
            || A::fresh(plan),
            |group, held| {
                plan.merge(held.words_mut(), |word| folder.partial(word, group));
                if let Some(texts) = &texts {
                    texts.merge(plan, group, held);
                }
            },
        );
        Ok(())
    }

    /// Fires all windows whose last time is at or before `target`, as far as there is room.
    fn advance(&mut self, target: i64, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        loop {
            let panes = self.panes.as_ref().expect("an operator is opened before its first watermark");
            let next = match self.work {
                Panework::Shared(grid) => panes.namespaces().find_map(|pane| grid.next_end_of(pane, self.fired.all())),
                Panework::Each(_) | Panework::Given => panes.namespaces().next(),
            };
            let Some(end) = next.filter(|end| end.saturating_sub(1) <= target) else {
                if !self.is_given_by_clock() {
                    self.settle(target);
                }
                return Ok(Progress::Done);
            };
            if !cx.has_room() {
                return Ok(Progress::More);
            }
            self.fire(end, cx)?;
            if self.is_given_by_clock() {
                self.forget(end);
            } else {
                self.settle(end.saturating_sub(1));
            }
        }
    }

    /// Moves what a cumulating window's panes hold into the first one.
    fn gather(&mut self, start: i64, end: i64) {
        let panes = self.panes.as_mut().expect("an operator is opened before its first watermark");
        let later: Vec<i64> = panes.namespaces().filter(|pane| (start + 1..end).contains(pane)).collect();
        for pane in later {
            let from = panes.get(pane).into_iter().flat_map(|pane| pane.iter());
            let (keys, held): (Vec<K>, Vec<A>) = from.map(|(key, held)| (key.clone(), held.clone())).unzip();
            let hashes: Vec<KeyHash> = keys.iter().map(|key| key.hash()).collect();
            panes.drop_namespace(pane);
            let plan = &self.plan;
            let fresh = || A::fresh(plan);
            panes.pane(start).upsert_batch(&keys, &hashes, fresh, |key, into| merge(plan, into, &held[key]));
        }
    }

    fn fire(&mut self, end: i64, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        if let Panework::Shared(grid) = self.work
            && grid.cumulates()
        {
            self.gather(grid.start_of(end), end);
        }
        let panes = self.panes.as_ref().expect("an operator is opened before its first watermark");
        let fired = &self.fired;
        let by_clock = self.is_given_by_clock();
        let takes = |hash: KeyHash| by_clock || !fired.any_ahead() || fired.of(hash) < end.saturating_sub(1);
        self.merged.clear();
        let (start, windows) = match self.work {
            Panework::Shared(grid) => (grid.start_of(end), grid.start_of(end)..end),
            Panework::Each(grid) => (grid.start_of(end), end..end.saturating_add(1)),
            Panework::Given => (end, end..end.saturating_add(1)),
        };
        let alone = panes.within(windows.clone()).nth(1).is_none();
        for pane in panes.within(windows) {
            self.merged.add(&self.plan, pane, alone, takes);
        }
        let (keys, held) = (&self.merged.keys, &self.merged.held);
        let mut starts = vec![(start, end)];
        if let Panework::Given = self.work {
            let column = self.intake.rows.columns_of(keys.iter())?.swap_remove(self.spec.keys.len());
            starts = event_times(&column)?.into_iter().map(|start| (start.0, end)).collect();
        }
        give(&self.spec, &self.plan, &self.intake.rows, keys, held, &starts, cx)
    }

    /// All windows up to `fired` have fired: drops what no window needs any more.
    fn settle(&mut self, fired: i64) {
        self.fired.advance(fired);
        loop {
            let panes = self.panes.as_mut().expect("an operator is opened before its first watermark");
            let Some(pane) = panes.namespaces().next() else { return };
            let last = match self.work {
                Panework::Shared(grid) => grid.last_end(pane),
                Panework::Each(_) | Panework::Given => pane,
            };
            if last.saturating_sub(1) > self.fired.all() {
                return;
            }
            self.forget(pane);
        }
    }

    fn forget(&mut self, pane: i64) {
        if let (Some(panes), Some(distincts)) = (&mut self.panes, &mut self.distincts) {
            panes.drop_namespace(pane);
            distincts.drop_namespace(pane);
        }
    }
}

impl<K: ColumnKey, A: Accumulators> Operator for AlignedOperator<K, A> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.fired.open(cx);
        self.panes = Some(Panes::new(cx.operator.table("windows"), "windows"));
        self.distincts = Some(Distincts::new(&self.plan, cx.operator, None)?);
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        if Layout::is_of(frame) {
            return self.take_partials(frame, cx);
        }
        let input = Input::of(frame)?;
        let times = times_of(self.spec.time, &input, cx.now(), &self.fired)?;
        if let Some(pane) = self.split.sort(self.work, &times) {
            self.take(frame, pane, cx)?;
        }
        for (pane, positions) in self.split.take() {
            let rows: Vec<u32> = positions.iter().map(|&position| input.row(position as usize)).collect();
            self.take(&frame.select(Selection::rows(&rows)), pane, cx)?;
        }
        self.late.sort_unstable();
        emit_late(cx, frame, &self.late);
        self.late.clear();
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        match self.spec.time {
            // The input has ended: what its windows hold is not left behind.
            WindowTime::ProcTime | WindowTime::Windowed { by_clock: true, .. } if watermark != Timestamp::MAX => {
                Ok(Progress::Done)
            }
            _ => self.advance(watermark.0, cx),
        }
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        if self.is_given_by_clock() {
            let first = self.panes.as_ref()?.namespaces().next()?;
            return Some(Timestamp(first.saturating_add(GRACE)));
        }
        if self.spec.time != WindowTime::ProcTime {
            return None;
        }
        let mut panes = self.panes.as_ref()?.namespaces();
        match self.work {
            Panework::Shared(grid) => panes.find_map(|pane| grid.next_end_of(pane, self.fired.all())).map(Timestamp),
            Panework::Each(_) | Panework::Given => panes.next().map(Timestamp),
        }
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let grace = if self.is_given_by_clock() { GRACE } else { 0 };
        self.advance(now.0.saturating_sub(grace + 1), cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.fired.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.fired.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(panes) = &mut self.panes {
            visit(panes);
        }
        if let Some(distincts) = &mut self.distincts {
            distincts.tables(visit);
        }
    }
}
