//! SESSION: windows that grow as rows come, a key at a time.
//!
//! Invariants:
//! 1. A key's sessions are apart: no two of them meet. They stand in the order of time.
//! 2. A key's first session has a timer at its last millisecond or before. A session gets one when it begins; one that comes too early is
//!    set anew for the first. So a session that grows has one, not one for each row.
//! 3. A row is late if the session that it would be in is over; it is judged by what came before it only.

use std::sync::Arc;

use yeoul_frame::{Frame, KeyHash, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{StateTable, Table, Timers};

use super::give::give;
use super::merged::merge;
use super::{WindowAggregate, WindowTime, times_of};
use crate::aggregate::{Accumulators, Folder, Groups, Plan, TextRows};
use crate::input::Input;
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit_late};

/// Start, end and accumulators.
type Session<A> = (i64, i64, A);

pub(super) struct SessionOperator<K: ColumnKey, A: Accumulators> {
    spec: Arc<WindowAggregate>,
    plan: Plan,
    gap: i64,
    keys: KeyReader<K>,
    groups: Groups<K>,
    folder: Folder,
    state: Option<(Table<K, Vec<Session<A>>>, Timers<K>)>,
    fired: Passed,
    late: Vec<u32>,
}

/// Rows of a frame that are in one session by themselves.
struct Part {
    group: usize,
    start: i64,
    end: i64,
}

impl<K: ColumnKey, A: Accumulators> SessionOperator<K, A> {
    pub(super) fn new(spec: Arc<WindowAggregate>, plan: Plan, gap: i64) -> Result<Self, OperatorError> {
        if plan.feeds.iter().any(|feed| feed.distinct.is_some()) {
            return Err(OperatorError::new(format!("{spec} with DISTINCT is not supported yet"))
                .hint("aggregate over the session's rows without DISTINCT, or use TUMBLE, HOP or CUMULATE"));
        }
        Ok(Self {
            keys: KeyReader::new(&spec.input_schema, &spec.keys)?,
            spec,
            plan,
            gap,
            groups: Groups::new(),
            folder: Folder::default(),
            state: None,
            fired: Passed::new("fired"),
            late: Vec::new(),
        })
    }

    /// Takes rows; `judged`: there is one row, which may be late.
    fn take(&mut self, frame: &Frame, times: &[Timestamp], judged: bool) -> Result<(), OperatorError> {
        let Self { plan, keys, groups, folder, gap, late, fired, .. } = self;
        let (table, timers) = self.state.as_mut().expect("an operator is opened before its first frame");
        let input = Input::of(frame)?;
        keys.read(&input)?;
        groups.group(keys.keys(), keys.hashes());
        folder.read(plan, &input)?;

        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        order.sort_by_key(|&row| (groups.ids[row as usize], times[row as usize]));
        let mut parts: Vec<Part> = Vec::with_capacity(groups.len());
        let mut ids = vec![0; times.len()];
        for &row in &order {
            let (group, time) = (groups.ids[row as usize] as usize, times[row as usize].0);
            let end = time.saturating_add(*gap);
            match parts.last_mut().filter(|part| part.group == group && time <= part.end) {
                Some(part) => part.end = part.end.max(end),
                None => parts.push(Part { group, start: time, end }),
            }
            ids[row as usize] = parts.len() as u32 - 1;
        }
        folder.fold(plan, &ids, parts.len());
        let texts = TextRows::read(plan, folder, &ids, parts.len())?;
        let held_keys: Vec<K> = parts.iter().map(|part| groups.keys[part.group].clone()).collect();
        let hashes: Vec<KeyHash> = parts.iter().map(|part| groups.hashes[part.group]).collect();
        let mut emptied = false;
        table.upsert_batch(&held_keys, &hashes, Vec::new, |number, sessions| {
            let part = &parts[number];
            let mut held = A::fresh(plan);
            plan.merge(held.words_mut(), |word| folder.partial(word, number));
            if let Some(texts) = &texts {
                texts.merge(plan, number, &mut held);
            }
            let (mut start, mut end) = (part.start, part.end);
            // Those that it meets stand side by side, and what they become meets no other: they are apart.
            let at = sessions.partition_point(|(_, end, _)| *end < start);
            let met = sessions[at..].partition_point(|(start, ..)| *start <= end);
            let mut joined: Option<A> = None;
            for (other_start, other_end, other) in sessions.drain(at..at + met) {
                (start, end) = (start.min(other_start), end.max(other_end));
                match &mut joined {
                    None => joined = Some(other),
                    Some(joined) => merge(plan, joined, &other),
                }
            }
            if judged && end.saturating_sub(1) <= fired.of(hashes[number]) {
                late.extend(frame.indices());
                emptied = sessions.is_empty();
                return;
            }
            let held = match joined {
                None => {
                    timers.register(&held_keys[number], hashes[number], 0, Timestamp(end.saturating_sub(1)));
                    held
                }
                Some(mut joined) => {
                    merge(plan, &mut joined, &held);
                    joined
                }
            };
            sessions.insert(at, (start, end, held));
        });
        if emptied {
            table.remove(&held_keys[0], hashes[0]);
        }
        Ok(())
    }

    /// Gives the sessions that are over at `time`, as far as there is room.
    fn advance(&mut self, time: i64, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let (table, timers) = self.state.as_mut().expect("an operator is opened before its first watermark");
        let (mut keys, mut held, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_done = true;
        while let Some(timer) = timers.pop_due(Timestamp(time)) {
            let Some(sessions) = table.get_mut(&timer.key, timer.hash) else { continue };
            let over = sessions.partition_point(|(_, end, _)| end.saturating_sub(1) <= time);
            for (start, end, accumulators) in sessions.drain(..over) {
                keys.push(timer.key.clone());
                held.push(accumulators);
                windows.push((start, end));
            }
            match sessions.first() {
                // Those after it have timers of their own, or get one when it is given.
                Some((_, end, _)) => {
                    timers.register(&timer.key, timer.hash, 0, Timestamp(end.saturating_sub(1)));
                }
                None => {
                    table.remove(&timer.key, timer.hash);
                }
            }
            if keys.len() >= OUTPUT_ROWS {
                give(&self.spec, &self.plan, &self.keys, &keys, &held, &windows, cx)?;
                keys.clear();
                held.clear();
                windows.clear();
                if !cx.has_room() {
                    is_done = false;
                    break;
                }
            }
        }
        if !keys.is_empty() {
            give(&self.spec, &self.plan, &self.keys, &keys, &held, &windows, cx)?;
        }
        if !is_done {
            return Ok(Progress::More);
        }
        self.fired.advance(time);
        Ok(Progress::Done)
    }
}

impl<K: ColumnKey, A: Accumulators> Operator for SessionOperator<K, A> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.fired.open(cx);
        let sessions = Table::new(cx.operator.table("sessions"), "sessions");
        self.state = Some((sessions, Timers::new(cx.operator.table("session timers"), "session timers")));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        let times = times_of(self.spec.time, &input, cx.now(), &self.fired)?;
        let fired = self.fired.furthest();
        if times.iter().all(|time| time.0.saturating_add(self.gap) - 1 > fired) {
            self.take(frame, &times, false)?;
        } else {
            for position in 0..frame.len() {
                self.take(&frame.slice(position..position + 1), &times[position..=position], true)?;
            }
        }
        emit_late(cx, frame, &self.late);
        self.late.clear();
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        match self.spec.time {
            WindowTime::ProcTime if watermark != Timestamp::MAX => Ok(Progress::Done),
            _ => self.advance(watermark.0, cx),
        }
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        let (_, timers) = self.state.as_ref()?;
        if self.spec.time == WindowTime::ProcTime { timers.next_time() } else { None }
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.advance(now.0, cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.fired.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.fired.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some((sessions, timers)) = &mut self.state {
            visit(sessions);
            visit(timers);
        }
    }
}
