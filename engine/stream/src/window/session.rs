//! The operator of session windows: a key's records that follow each other closely, in event time and processing time.
//!
//! A key has one timer, at the time when something is first due for it. A record that makes a session longer leaves the timer where it
//! is; when it comes too early it is set anew. So most records set no timer.
//!
//! Invariants:
//! 1. A key's sessions are disjoint, do not touch, and stand in the order of time.
//! 2. The timer of each key that has sessions is at or before the first time at which something is due for it.
//! 3. A record is in a session, in the side output of late records, or counted as late.
//! 4. For a key, what was due at or before what it has [`Passed`] up to has been done.

use std::ops::Range;

use yeoul_frame::{Frame, KeyHash, Timestamp};
use yeoul_operator::{
    Context, InputId, OpenContext, Operator, OperatorError, OutputId, Passed, Progress, Snapshot, Subtask,
};
use yeoul_state::{Key, StateTable, Table, Timers};

use crate::TimeWindow;
use crate::key_selector::FrameKeys;
use crate::late::Late;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::window::aligned::no_event_time;
use crate::window::assigner::Domain;
use crate::window::content::Content;
use crate::window::results::Results;

/// Timers that are looked at in one call.
const TIMERS_A_CALL: usize = 1024;
/// Keys ahead for which the table is asked to bring the entry.
const AHEAD: usize = 24;

/// What a user has set.
#[derive(Clone)]
pub(crate) struct SessionSettings {
    pub(crate) gap: i64,
    pub(crate) domain: Domain,
    /// For how long after a session has fired it takes late records, in milliseconds.
    pub(crate) lateness: i64,
    pub(crate) late: Option<OutputId>,
    pub(crate) sides: Sides,
}

/// A session: first time, end, whether it has fired as it is, and its content.
pub(crate) type Session<H> = (i64, i64, bool, H);
/// When the key's timer comes, and its sessions.
pub(crate) type Sessions<H> = (i64, Vec<Session<H>>);

pub(crate) struct SessionWindows<K: Key, C: Content<K>> {
    settings: SessionSettings,
    keys: FrameKeys<K>,
    fired: Passed,
    late: Late,
    opened: Option<(Table<K, Sessions<C::Held>>, Timers<K>)>,
    results: Results<K, C>,
}

impl<K: Key, C: Content<K>> SessionWindows<K, C> {
    pub(crate) fn new(settings: SessionSettings, keys: FrameKeys<K>, content: C) -> Self {
        Self {
            late: Late::new(settings.late),
            settings,
            keys,
            fired: Passed::new("fired"),
            opened: None,
            results: Results::new(content),
        }
    }

    /// Does what is due at or before `target`, as far as there is room.
    fn advance(&mut self, target: i64, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let (table, timers) = opened(&mut self.opened);
        // Those of sessions that were extended since give nothing, so results alone would be no bound.
        for _ in 0..TIMERS_A_CALL {
            let Some(timer) = timers.pop_due(Timestamp(target)) else {
                self.fired.advance(target);
                self.results.flush(cx)?;
                return Ok(Progress::Done);
            };
            let Some(sessions) = table.get_mut(&timer.key, timer.hash) else { continue };
            if sessions.0 != timer.time.0 {
                // An earlier one was set since, and took its place.
                continue;
            }
            for (start, end, fired, held) in &mut sessions.1 {
                if !*fired && *end - 1 <= timer.time.0 {
                    let window = TimeWindow { start: Timestamp(*start), end: Timestamp(*end) };
                    self.results.fire(&timer.key, window, held, cx)?;
                    *fired = true;
                }
            }
            let lateness = self.settings.lateness;
            sessions.1.retain(|(_, end, ..)| (end - 1).saturating_add(lateness) > timer.time.0);
            if sessions.1.is_empty() {
                table.remove(&timer.key, timer.hash);
            } else {
                sessions.0 = i64::MAX;
                set_timer(sessions, lateness, timers, &timer.key, timer.hash);
            }
            if !self.results.emit_full(cx)? {
                break;
            }
        }
        Ok(Progress::More)
    }
}

/// Makes sure that the key's timer comes in time.
fn set_timer<K: Key, H>(sessions: &mut Sessions<H>, lateness: i64, timers: &mut Timers<K>, key: &K, hash: KeyHash) {
    let due = |(_, end, fired, _): &Session<H>| if *fired { (end - 1).saturating_add(lateness) } else { end - 1 };
    if let Some(due) = sessions.1.iter().map(due).min().filter(|due| *due < sessions.0) {
        sessions.0 = due;
        timers.register(key, hash, 0, Timestamp(due));
    }
}

/// Makes room for a record that alone would be the session from `start` to `end`: returns the session that it belongs to, which is new,
/// or has become longer, or has taken in others.
fn session<'a, K: Key, C: Content<K>>(
    sessions: &'a mut Vec<Session<C::Held>>,
    start: i64,
    end: i64,
    content: &C,
) -> &'a mut Session<C::Held> {
    let window = |start, end| TimeWindow { start: Timestamp(start), end: Timestamp(end) };
    let Range { start: first, end: after } =
        window(start, end).joined(sessions, |session| window(session.0, session.1));
    if first == after {
        sessions.insert(first, (start, end, false, content.create()));
        return &mut sessions[first];
    }
    let (kept, others) = sessions[first..after].split_first_mut().expect("there is at least one");
    for other in others {
        content.merge(&mut kept.3, &other.3);
        kept.1 = kept.1.max(other.1);
    }
    (kept.0, kept.1) = (kept.0.min(start), kept.1.max(end));
    sessions.drain(first + 1..after);
    &mut sessions[first]
}

impl<K: Key, C: Content<K>> Operator for SessionWindows<K, C> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let table = Table::new(cx.operator.table("sessions"), "sessions");
        self.opened = Some((table, Timers::new(cx.operator.table("session timers"), "session timers")));
        self.fired.open(cx);
        self.results.open(&self.settings.sides, cx)
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let Self { settings, keys, late, results, fired, .. } = self;
        let (table, timers) = opened(&mut self.opened);
        let (keys, hashes) = keys.read(frame);
        hashes.iter().take(AHEAD).for_each(|&hash| table.prefetch(hash));
        let rows = frame.rows::<C::In>();
        // The clock may go back; what has fired, for whichever key, stays so.
        let now = cx.now().0.max(fired.furthest().saturating_add(1));
        for (i, (row, record)) in rows.iter().enumerate() {
            if let Some(&hash) = hashes.get(i + AHEAD) {
                table.prefetch(hash);
            }
            let (key, hash) = (&keys[i], hashes[i]);
            let time = match settings.domain {
                Domain::Event => rows.time(row).0,
                Domain::Processing => now,
            };
            if time == i64::MIN {
                return Err(no_event_time());
            }
            let (start, end) = (time, time.saturating_add(settings.gap));
            let fired = fired.of(hash);
            // A record that is too late by itself may belong to a session that is not.
            if (end - 1).saturating_add(settings.lateness) <= fired {
                let joins = |session: &Session<_>| session.0 <= end && session.1 >= start;
                if !table.get(key, hash).is_some_and(|sessions| sessions.1.iter().any(joins)) {
                    late.add_row(row);
                    continue;
                }
            }
            let sessions = table.upsert(key, hash, || (i64::MAX, Vec::new()));
            let of = session::<K, C>(&mut sessions.1, start, end, &results.content);
            results.content.add(record, &mut of.3);
            of.2 = of.1 - 1 <= fired;
            if of.2 {
                let window = TimeWindow { start: Timestamp(of.0), end: Timestamp(of.1) };
                results.fire(key, window, &of.3, cx)?;
            }
            set_timer(sessions, settings.lateness, timers, key, hash);
        }
        late.emit(frame, cx);
        results.flush(cx)
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        match self.settings.domain {
            Domain::Event => self.advance(watermark.0, cx),
            // The input has ended: what its sessions hold is not left behind.
            Domain::Processing if watermark == Timestamp::MAX => self.advance(i64::MAX, cx),
            Domain::Processing => Ok(Progress::Done),
        }
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        let (_, timers) = self.opened.as_ref().filter(|_| self.settings.domain == Domain::Processing)?;
        timers.next_time().map(|time| time.plus(1))
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.advance(now.0.saturating_sub(1), cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.fired.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.fired.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some((table, timers)) = &mut self.opened {
            visit(table);
            visit(timers);
        }
        self.results.tables(visit);
    }

    fn close(&mut self) {
        self.results.content.close();
    }
}
