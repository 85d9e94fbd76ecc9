//! The operator of all windows that have a trigger, an evictor, state of their own or no grid: Flink's `WindowOperator`.
//!
//! Each record goes into each of its windows; contents, trigger state and timers are kept by key and window. What the fast paths
//! ([`aligned`](super::aligned), [`session`](super::session)) can do they do with less.
//!
//! Invariants:
//! 1. A record is in a window, in the side output of late records, or counted as late. (Or, where windows leave gaps, in none of them.)
//! 2. Each window that holds something, and has an end, has a timer at the time at which it expires. Then nothing is left of it.
//! 3. For a key, what was due at or before what its windows' clock has [`Passed`] up to has been done.

mod contents;
mod elements;
mod firing;
mod keyed_trigger;
mod merging;
mod place;

use yeoul_frame::{Frame, KeyHash, Record, Timestamp};
use yeoul_operator::{
    Context, InputId, OpenContext, Operator, OperatorError, OutputId, Passed, Progress, Snapshot, Subtask,
};
use yeoul_state::{Key, StateTable, Timer};

use crate::key_selector::FrameKeys;
use crate::late::Late;
use crate::tag::Sides;
use crate::window::aligned::no_event_time;
use crate::window::assigner::{Assigner, Domain};
use crate::window::stagger::{STAGGER, Stagger};
use crate::{TimeDomain, TimeWindow, WindowAssigner, WindowKey};
use firing::{Clock, General};

pub(crate) use contents::{Contents, Folds, Lists};
pub(crate) use elements::{ElementStore, Elements};
pub(crate) use keyed_trigger::{KeyedTrigger, StatefulTrigger};
pub(crate) use merging::Merging;

/// Timers that are looked at in one call.
const TIMERS_A_CALL: usize = 1024;

/// What a user has set.
pub(crate) struct GeneralSettings<T: Record> {
    pub(crate) assigner: WindowAssigner<T>,
    /// For how long after its end a window takes late records, in milliseconds.
    pub(crate) lateness: i64,
    pub(crate) late: Option<OutputId>,
    pub(crate) sides: Sides,
}

impl<T: Record> Clone for GeneralSettings<T> {
    fn clone(&self) -> Self {
        let Self { assigner, lateness, late, sides } = self;
        Self { assigner: assigner.clone(), lateness: *lateness, late: *late, sides: sides.clone() }
    }
}

pub(crate) struct GeneralWindows<K: Key, T: Record, O: Record> {
    settings: GeneralSettings<T>,
    keys: FrameKeys<K>,
    stagger: Option<Stagger>,
    /// By the clock that the windows follow.
    passed: Passed,
    late: Late,
    windows: Vec<TimeWindow>,
    general: General<K, T, O>,
}

impl<K: Key, T: Record, O: Record> GeneralWindows<K, T, O> {
    pub(crate) fn new(
        settings: GeneralSettings<T>,
        keys: FrameKeys<K>,
        trigger: Box<dyn KeyedTrigger<K, T>>,
        contents: Box<dyn Contents<K, T, O>>,
    ) -> Self {
        let stagger = match settings.assigner.kind {
            Assigner::Staggered(grid, kind) => Some(Stagger::new(kind, grid.size())),
            _ => None,
        };
        Self {
            general: General::new(
                settings.assigner.domain,
                settings.assigner.merges(),
                settings.lateness,
                trigger,
                contents,
            ),
            late: Late::new(settings.late),
            settings,
            keys,
            stagger,
            passed: Passed::new("fired"),
            windows: Vec::new(),
        }
    }

    /// Does what is due at or before `upto`, as far as there is room.
    fn advance(&mut self, domain: TimeDomain, upto: i64, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.advance_if(|_, _| true, domain, upto, cx)
    }

    /// The same, of the timers for which `counts`; others are dropped.
    fn advance_if(
        &mut self,
        counts: impl Fn(&General<K, T, O>, &Timer<WindowKey<K>>) -> bool,
        domain: TimeDomain,
        upto: i64,
        cx: &mut Context<'_>,
    ) -> Result<Progress, OperatorError> {
        for _ in 0..TIMERS_A_CALL {
            let Some(timer) = self.general.pop_due(domain, Timestamp(upto)) else {
                return Ok(Progress::Done);
            };
            if !counts(&self.general, &timer) {
                continue;
            }
            let hash = timer.key.key.hash();
            let clock = clock(self.settings.assigner.domain, &self.passed, hash, cx);
            self.general.on_timer(domain, &timer.key, hash, timer.time, clock)?;
            if !self.general.emission.emit_full(cx)? {
                break;
            }
        }
        Ok(Progress::More)
    }
}

/// The times as they are for a key of this hash.
fn clock(domain: Domain, passed: &Passed, hash: KeyHash, cx: &Context<'_>) -> Clock {
    let passed = passed.of(hash);
    let watermark = if domain == Domain::Event { Timestamp(passed) } else { cx.watermark() };
    Clock { passed, watermark, now: cx.now() }
}

/// The windows of a record that came at this time.
fn assign<T: Record>(
    assigner: &Assigner<T>,
    stagger: Option<&mut Stagger>,
    record: &T::Archived,
    hash: KeyHash,
    (time, now): (i64, i64),
    windows: &mut Vec<TimeWindow>,
) -> Result<(), OperatorError> {
    let session = |gap: i64| TimeWindow { start: Timestamp(time), end: Timestamp(time).plus(gap) };
    windows.clear();
    match assigner {
        Assigner::Aligned(grid) => windows.extend(grid.windows_of(time)),
        Assigner::Staggered(grid, _) => {
            let by = stagger.map_or(0, |stagger| stagger.of(hash, now));
            windows.extend(grid.staggered(by).windows_of(time));
        }
        Assigner::Session(gap) => windows.push(session(*gap)),
        Assigner::DynamicSession(gap) => {
            let gap = gap(record);
            if gap < 1 {
                return Err(OperatorError::new(format!("the gap that a record asks for is {gap} ms"))
                    .hint("let the closure of with_dynamic_gap give at least one millisecond")
                    .permanent());
            }
            windows.push(session(gap));
        }
        Assigner::Global(_) => windows.push(TimeWindow::GLOBAL),
        Assigner::Custom(assign) => assign(record, Timestamp(time), windows),
    }
    Ok(())
}

impl<K: Key, T: Record, O: Record> Operator for GeneralWindows<K, T, O> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.passed.open(cx);
        if let Some(stagger) = &mut self.stagger {
            stagger.open(cx);
        }
        self.general.open(&self.settings.sides, cx)
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let Self { settings, keys, stagger, passed, late, windows, general } = self;
        let (keys, hashes) = keys.read(frame);
        let rows = frame.rows::<T>();
        let domain = settings.assigner.domain;
        // The clock may go back; windows that have fired, for whichever key, stay so.
        let now = cx.now().0.max(passed.furthest().saturating_add(1));
        for (i, (row, record)) in rows.iter().enumerate() {
            let (key, hash, time) = (&keys[i], hashes[i], rows.time(row));
            let when = if domain == Domain::Event { time.0 } else { now };
            if when == i64::MIN {
                return Err(no_event_time());
            }
            assign(&settings.assigner.kind, stagger.as_mut(), record, hash, (when, cx.now().0), windows)?;
            let clock = clock(domain, passed, hash, cx);
            let mut is_late = !windows.is_empty();
            for window in windows.drain(..) {
                is_late &= !general.add(record, time, (key, hash, window), clock)?;
            }
            if is_late {
                late.add_row(row);
            }
        }
        late.emit(frame, cx);
        general.emission.flush(cx)
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let assigner = &self.settings.assigner;
        // The input has ended: what windows hold that would have ended is not left behind. Each comes to its end, once.
        let ends = watermark == Timestamp::MAX
            && assigner.domain == Domain::Processing
            && !matches!(assigner.kind, Assigner::Global(_));
        if assigner.domain == Domain::Event {
            self.passed.advance(watermark.0);
        }
        let mut progress = self.advance(TimeDomain::Event, watermark.0, cx)?;
        if ends && progress == Progress::Done {
            // What else triggers asked for does not come (as in Flink, where nothing does): one that asks again each time would have no end.
            progress = self.advance_if(General::is_end, TimeDomain::Processing, i64::MAX, cx)?;
        }
        if progress == Progress::Done {
            self.general.emission.flush(cx)?;
        }
        Ok(progress)
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        // A time has passed when the next one has come.
        self.general.next_processing_time().map(|time| time.plus(1))
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let upto = now.0.saturating_sub(1);
        if self.settings.assigner.domain == Domain::Processing {
            self.passed.advance(upto);
        }
        let progress = self.advance(TimeDomain::Processing, upto, cx)?;
        if progress == Progress::Done {
            self.general.emission.flush(cx)?;
        }
        Ok(progress)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.passed.snapshot(snapshot);
        if let Some(stagger) = &self.stagger {
            stagger.snapshot(snapshot);
        }
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        match &mut self.stagger {
            Some(stagger) if name == STAGGER => stagger.restore(from, bytes),
            _ => self.passed.restore(name, from, bytes),
        }
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        self.general.tables(visit);
    }

    fn close(&mut self) {
        self.general.close();
    }
}
