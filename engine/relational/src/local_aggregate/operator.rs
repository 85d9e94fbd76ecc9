//! Makes partial rows of frames, where that is worth it and no row in them can be late.
//!
//! Invariants:
//! 1. A row is in one partial row, or sent on as it came.
//! 2. The last window of a partial row's pane can not have fired behind the exchange: the watermark there is at most this task's own, as
//!    long as this task was never idle. Once it was, or if a job is restored that does not tell, rows of windows go on as they came.
//! 3. What is sent is in the order of what came, for each key, so that nothing is taken back before it was there.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, UInt32Array, UInt64Array};
use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, Selection, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId, Progress, Snapshot, Subtask};

use super::distinct::{Values, starts};
use super::{Layout, LocalAggregate, Phases};
use crate::aggregate::{Folder, Groups, Plan};
use crate::input::{Input, gather};
use crate::key::{ColumnKey, KeyReader};
use crate::output::frame;
use crate::window::{Panework, Split, WindowTime, row_times};

/// The name of its state.
const OPEN_AFTER: &str = "open-after";
/// The most frames that go on as they came before it is tried again whether they would become smaller.
const MOST_SKIPPED: u32 = 64;

pub(super) struct LocalOperator<K: ColumnKey> {
    spec: Arc<LocalAggregate>,
    plan: Plan,
    layout: Layout,
    schema: SchemaRef,
    keys: KeyReader<K>,
    groups: Groups<K>,
    folder: Folder,
    panes: Option<(Panework, WindowTime)>,
    split: Split,
    /// Up to when windows may have fired behind the exchange. None: that is not known before the first watermark.
    passed: Option<i64>,
    /// What a snapshot says of it.
    noted: Option<i64>,
    /// All rows go on as they came.
    passes_on: bool,
    trial: Trial,
}

/// Whether it is tried to make frames smaller: after each that did not become so, twice as many are left as they are.
#[derive(Default)]
struct Trial {
    left: u32,
    next: u32,
}

impl Trial {
    fn skips(&mut self) -> bool {
        let skips = self.left > 0;
        self.left -= u32::from(skips);
        skips
    }

    fn note(&mut self, is_worth_it: bool) {
        self.next = if is_worth_it { 0 } else { (self.next * 2).clamp(1, MOST_SKIPPED) };
        self.left = self.next;
    }
}

impl<K: ColumnKey> LocalOperator<K> {
    pub(super) fn new(spec: Arc<LocalAggregate>, plan: Plan, layout: Layout) -> Result<Self, OperatorError> {
        Ok(Self {
            keys: KeyReader::new(&spec.input_schema, &spec.keys)?,
            schema: layout.schema(&plan, &spec.input_schema, &spec.keys),
            panes: spec.panes.map(|(window, time)| (Panework::of(window, time, false), time)),
            spec,
            plan,
            layout,
            groups: Groups::new(),
            folder: Folder::default(),
            split: Split::default(),
            passed: None,
            noted: None,
            passes_on: false,
            trial: Trial::default(),
        })
    }

    /// Makes partial rows of a frame's rows, which are of one pane. False: that is not worth it, and nothing was sent.
    fn take(&mut self, whole: &Frame, pane: Option<i64>, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        let Self { spec, plan, layout, keys, groups, folder, .. } = self;
        let input = Input::of(whole)?;
        keys.read(&input)?;
        groups.group(keys.keys(), keys.hashes());
        let is_worth_it = |rows: usize| spec.phases == Phases::Two || rows * 2 <= whole.len();
        let mut sets = Vec::with_capacity(layout.sets.len());
        let mut starts = (0..=groups.len() as u32).collect::<Vec<_>>();
        let mut worth_it = is_worth_it(groups.len());
        if worth_it {
            folder.read(plan, &input)?;
            for set in &layout.sets {
                let array = folder.array(set.argument);
                sets.push(Values::of(set, array, &folder.weights, &groups.ids, &groups.hashes)?);
            }
            if !sets.is_empty() {
                starts = self::starts(groups.len(), &sets);
                worth_it = is_worth_it(starts[groups.len()] as usize);
            }
        }
        if !worth_it {
            return Ok(false);
        }
        for feed in layout.sets.iter().flat_map(|set| &set.feeds) {
            folder.weights[*feed] = Some(vec![0; whole.len()]);
        }
        folder.fold(plan, &groups.ids, groups.len());

        let rows = starts[groups.len()] as usize;
        let mut first = Vec::with_capacity(rows);
        for (group, ends) in starts.windows(2).enumerate() {
            first.extend(std::iter::repeat_n(groups.first[group], (ends[1] - ends[0]) as usize));
        }
        let first = UInt32Array::from(first);
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for &key in &spec.keys {
            arrays.push(gather(&input.column(key)?, &first)?);
        }
        if let Some(pane) = pane {
            arrays.push(Arc::new(Int64Array::from(vec![pane; rows])));
        }
        for word in 0..plan.words {
            let partial = folder.word(word);
            let mut words = vec![plan.initial[word]; rows];
            starts.iter().zip(partial).for_each(|(&start, &partial)| words[start as usize] = partial);
            arrays.push(Arc::new(UInt64Array::from(words)));
        }
        for (set, values) in layout.sets.iter().zip(&sets) {
            let mut next = starts.clone();
            let (mut from, mut bits) = (vec![None; rows], vec![0; rows]);
            for ((&row, &group), &feeds) in values.rows.iter().zip(&values.groups).zip(&values.bits) {
                let at = next[group as usize] as usize;
                (from[at], bits[at]) = (Some(row), feeds);
                next[group as usize] += 1;
            }
            arrays.push(gather(folder.array(set.argument), &UInt32Array::from(from))?);
            arrays.push(Arc::new(UInt64Array::from(bits)));
        }
        let times = input.times();
        let times = first.values().iter().map(|&row| times[row as usize]).collect();
        cx.emit(OutputId::MAIN, frame(&self.schema, arrays, times, Vec::new())?);
        Ok(true)
    }

    /// Makes partial rows of a frame's rows where that is worth it, and sends them on as they came where not.
    fn take_or_pass(&mut self, frame: &Frame, pane: Option<i64>, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let is_taken = self.take(frame, pane, cx)?;
        self.trial.note(is_taken);
        if !is_taken {
            cx.emit(OutputId::MAIN, frame.clone());
        }
        Ok(())
    }

    /// Whether all windows of a pane can not have fired behind the exchange (invariant 2), and there are any.
    fn is_open(&self, work: Panework, pane: i64) -> bool {
        let (first, last) = work.ends_around(pane);
        first <= last && self.passed.is_some_and(|passed| last.saturating_sub(1) > passed)
    }
}

impl<K: ColumnKey> Operator for LocalOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.passes_on = match self.spec.phases {
            Phases::One => true,
            Phases::Auto => cx.subtask.parallelism == 1,
            Phases::Two => false,
        };
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let is_closed = self.panes.is_some() && self.passed.is_none_or(|passed| passed == i64::MAX);
        if self.passes_on || is_closed || self.spec.phases == Phases::Auto && self.trial.skips() {
            cx.emit(OutputId::MAIN, frame.clone());
            return Ok(());
        }
        // Those of an exchange before this one are of other columns.
        let frame = &frame.clone().without_hashes();
        let Some((work, time)) = self.panes else { return self.take_or_pass(frame, None, cx) };
        let input = Input::of(frame)?;
        let times = row_times(time, &input)?;
        if let Some(pane) = self.split.sort(work, &times) {
            if self.is_open(work, pane) {
                return self.take_or_pass(frame, Some(pane), cx);
            }
            cx.emit(OutputId::MAIN, frame.clone());
            return Ok(());
        }
        // Panes are taken in their order, as they are behind the exchange; rows that go on as they came go together.
        let (mut passed, mut any_taken, mut any_open) = (Vec::new(), false, false);
        for (pane, positions) in self.split.take() {
            let rows: Vec<u32> = positions.into_iter().map(|position| input.row(position as usize)).collect();
            let part = frame.select(Selection::rows(&rows));
            if self.is_open(work, pane) {
                any_open = true;
                if self.take(&part, Some(pane), cx)? {
                    any_taken = true;
                    continue;
                }
            }
            passed.extend(rows);
        }
        if any_open {
            self.trial.note(any_taken);
        }
        passed.sort_unstable();
        cx.emit(OutputId::MAIN, frame.select(Selection::rows(&passed)));
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.passed = self.passed.max(Some(watermark.0));
        Ok(Progress::Done)
    }

    fn on_idle(&mut self) {
        self.passed = Some(i64::MAX);
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        if let Some(passed) = self.passed.filter(|_| self.panes.is_some()) {
            snapshot.state(OPEN_AFTER, passed.to_le_bytes().to_vec());
        }
        Ok(())
    }

    fn on_restore(&mut self) {
        self.passed = Some(i64::MAX);
    }

    fn restore(&mut self, name: &str, _: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let passed = <[u8; 8]>::try_from(bytes).ok().filter(|_| name == OPEN_AFTER).ok_or_else(|| {
            OperatorError::new(format!("{} bytes of state '{name}' are not a local aggregate's", bytes.len()))
                .hint("give the operator that wrote it its old uid, or start from a savepoint of the same job")
                .permanent()
        })?;
        // Splits may come to other subtasks: what was furthest holds for all.
        self.noted = self.noted.max(Some(i64::from_le_bytes(passed)));
        self.passed = self.noted;
        Ok(())
    }
}
