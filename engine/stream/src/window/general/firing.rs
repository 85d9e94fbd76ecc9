//! One key and window at a time: what a record or a timer does to it.

use yeoul_frame::{KeyHash, Record, Timestamp};
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_state::{Key, StateTable, Table, Timer};

use super::contents::Contents;
use super::keyed_trigger::{KeyedTrigger, Turn};
use super::merging::{self, Merge, Merging};
use super::place::{Place, WindowTimers};
use crate::stateless::opened;
use crate::tag::Sides;
use crate::window::assigner::Domain;
use crate::window::results::Emission;
use crate::window::trigger::TriggerResult;
use crate::{TimeDomain, TimeWindow, WindowKey};

/// The times as they are for one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// Up to when the clock has passed that the windows follow.
    pub(crate) passed: i64,
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
}

/// All that is kept of windows, and what decides on it.
pub(crate) struct General<K: Key, T: Record, O: Record> {
    domain: Domain,
    merges: bool,
    lateness: i64,
    trigger: Box<dyn KeyedTrigger<K, T>>,
    contents: Box<dyn Contents<K, T, O>>,
    timers: Option<WindowTimers<K>>,
    /// Of each key that has windows, if they merge.
    merging: Option<Table<K, Merging>>,
    pub(crate) emission: Emission<K, O>,
    /// The key and window that is worked on, and where what it holds is kept.
    at: Place<K>,
    state_at: Place<K>,
}

impl<K: Key, T: Record, O: Record> General<K, T, O> {
    pub(crate) fn new(
        domain: Domain,
        merges: bool,
        lateness: i64,
        trigger: Box<dyn KeyedTrigger<K, T>>,
        contents: Box<dyn Contents<K, T, O>>,
    ) -> Self {
        Self {
            domain,
            merges,
            lateness,
            trigger,
            contents,
            timers: None,
            merging: None,
            emission: Emission::new(),
            at: Place::nowhere(),
            state_at: Place::nowhere(),
        }
    }

    pub(crate) fn open(&mut self, sides: &Sides, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.timers = Some(WindowTimers::open(cx));
        self.merging = self.merges.then(|| Table::new(cx.operator.table("merging windows"), "merging windows"));
        self.trigger.open(cx);
        self.emission.open(sides, cx);
        self.contents.declare(&mut self.emission.states);
        if self.merges && !self.emission.states.window.is_empty() {
            return Err(OperatorError::new("a window function has per-window state, and its windows merge")
                .hint("keep it in a state of the key (`states.global`), or use windows that do not merge")
                .permanent());
        }
        self.contents.open(cx)
    }

    pub(crate) fn pop_due(&mut self, domain: TimeDomain, upto: Timestamp) -> Option<Timer<WindowKey<K>>> {
        opened(&mut self.timers).pop_due(domain, upto)
    }

    pub(crate) fn next_processing_time(&self) -> Option<Timestamp> {
        self.timers.as_ref()?.next_processing_time()
    }

    /// The time at which a window expires. [`Timestamp::MAX`]: never.
    fn cleanup_time(&self, window: TimeWindow) -> Timestamp {
        window.max_timestamp().plus(if self.domain == Domain::Event { self.lateness } else { 0 })
    }

    /// Whether a timer of the windows' own kind of time is that of its window's end.
    pub(crate) fn is_end(&self, timer: &Timer<WindowKey<K>>) -> bool {
        timer.time == self.cleanup_time(timer.key.sub)
    }

    /// Adds a record to one of its windows. Says no if the window has expired.
    pub(crate) fn add(
        &mut self,
        record: &T::Archived,
        time: Timestamp,
        (key, hash, window): (&K, KeyHash, TimeWindow),
        clock: Clock,
    ) -> Result<bool, OperatorError> {
        let has_expired = self.domain == Domain::Event && self.cleanup_time(window).0 <= clock.passed;
        let mut is_new = false;
        match &mut self.merging {
            None if has_expired => return Ok(false),
            None => {
                self.at.set(key, hash, window);
                self.state_at.set(key, hash, window);
            }
            Some(merging) => {
                // A record that is too late by itself may belong to a window that is not.
                if has_expired && !merging.get(key, hash).is_some_and(|windows| merging::joins(windows, &window)) {
                    return Ok(false);
                }
                let merge = merging::add(merging.upsert(key, hash, Vec::new), window);
                self.at.set(key, hash, merge.window);
                self.state_at.set(key, hash, merge.state);
                if !merge.replaced.is_empty() {
                    is_new = true;
                    self.merge(key, hash, &merge, clock);
                }
            }
        }
        is_new |= self.contents.add(record, time, &self.state_at);
        let result = self.trigger.on_element(record, time, &mut turn(&mut self.timers, &self.at, clock));
        self.act(result, clock)?;
        let expires = self.cleanup_time(self.at.window());
        if is_new && expires < Timestamp::MAX {
            let own = self.own_domain();
            opened(&mut self.timers).of(own).register(&self.at.of, self.at.hash, 0, expires);
        }
        Ok(true)
    }

    /// The window that is worked on has taken the place of others.
    fn merge(&mut self, key: &K, hash: KeyHash, merge: &Merge, clock: Clock) {
        let replaced: Vec<_> = merge.replaced.iter().map(|(window, _)| Place::new(key, hash, *window)).collect();
        let own = self.own_domain();
        for place in &replaced {
            let expires = self.cleanup_time(place.window());
            opened(&mut self.timers).of(own).delete(&place.of, place.hash, 0, expires);
        }
        self.trigger.on_merge(&replaced, &mut turn(&mut self.timers, &self.at, clock));
        // The first of them kept what it held where this one does.
        for (_, state) in &merge.replaced[1..] {
            self.contents.merge(&self.state_at, &Place::new(key, hash, *state));
        }
    }

    /// A timer of a key and window is due.
    pub(crate) fn on_timer(
        &mut self,
        domain: TimeDomain,
        of: &WindowKey<K>,
        hash: KeyHash,
        time: Timestamp,
        clock: Clock,
    ) -> Result<(), OperatorError> {
        let (key, window) = (&of.key, of.sub);
        let expires = self.cleanup_time(window);
        let is_own = domain == self.own_domain();
        // A trigger may have left a timer behind.
        if if is_own { time > expires } else { expires.0 <= clock.passed } {
            return Ok(());
        }
        let state = match &self.merging {
            None => window,
            Some(merging) => {
                let windows = merging.get(key, hash);
                let Some(state) = windows.and_then(|windows| merging::state_of(windows, &window)) else {
                    return Ok(());
                };
                state
            }
        };
        self.at.set(key, hash, window);
        self.state_at.set(key, hash, state);
        let result = self.trigger.on_timer(domain, time, &mut turn(&mut self.timers, &self.at, clock));
        self.act(result, clock)?;
        if is_own && time == expires {
            self.expire(hash, clock)?;
        }
        Ok(())
    }

    /// Does what the trigger says.
    fn act(&mut self, result: TriggerResult, clock: Clock) -> Result<(), OperatorError> {
        if result.is_fire() {
            let (mut cx, out) = self.emission.of(&self.at.of.key, self.at.window(), clock.watermark, clock.now);
            self.contents.fire(&self.state_at, &mut cx, out)?;
        }
        if result.is_purge() {
            self.contents.purge(&self.state_at);
        }
        Ok(())
    }

    /// Leaves nothing of the window that is worked on.
    fn expire(&mut self, hash: KeyHash, clock: Clock) -> Result<(), OperatorError> {
        self.contents.purge(&self.state_at);
        self.trigger.clear(&mut turn(&mut self.timers, &self.at, clock));
        // A trigger that asks for the end again, at the end, would be called for ever.
        let (own, expires) = (self.own_domain(), self.cleanup_time(self.at.window()));
        opened(&mut self.timers).of(own).delete(&self.at.of, self.at.hash, 0, expires);
        let (mut cx, _) = self.emission.of(&self.at.of.key, self.at.window(), clock.watermark, clock.now);
        self.contents.clear(&mut cx)?;
        if let Some(merging) = &mut self.merging
            && let Some(windows) = merging.get_mut(&self.at.of.key, hash)
        {
            merging::retire(windows, &self.at.window());
            if windows.is_empty() {
                merging.remove(&self.at.of.key, hash);
            }
        }
        Ok(())
    }

    /// The kind of timer by which windows expire.
    fn own_domain(&self) -> TimeDomain {
        match self.domain {
            Domain::Event => TimeDomain::Event,
            Domain::Processing => TimeDomain::Processing,
        }
    }

    pub(crate) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        self.contents.tables(visit);
        self.trigger.tables(visit);
        self.emission.states.tables(visit);
        if let Some(merging) = &mut self.merging {
            visit(merging);
        }
        if let Some(timers) = &mut self.timers {
            timers.tables(visit);
        }
    }

    pub(crate) fn close(&mut self) {
        self.contents.close();
    }
}

/// What the trigger is asked with.
fn turn<'a, K: Key>(timers: &'a mut Option<WindowTimers<K>>, at: &'a Place<K>, clock: Clock) -> Turn<'a, K> {
    Turn { at, watermark: clock.watermark, now: clock.now, timers: opened(timers) }
}
