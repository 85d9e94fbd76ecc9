//! A trigger with its state of all keys and windows, its type erased.
//!
//! Invariants:
//! 1. A state that is the default takes no place in the table.

use std::marker::PhantomData;

use yeoul_frame::{Record, Timestamp};
use yeoul_operator::OpenContext;
use yeoul_state::{Key, StateTable, Table};

use super::place::{Place, TimersAt, WindowTimers};
use crate::stateless::opened;
use crate::window::trigger::{Trigger, TriggerContext, TriggerResult};
use crate::{TimeDomain, WindowKey};

/// What a trigger is asked with.
pub(crate) struct Turn<'a, K: Key> {
    pub(crate) at: &'a Place<K>,
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) timers: &'a mut WindowTimers<K>,
}

/// A trigger for windows of one kind of key.
pub(crate) trait KeyedTrigger<K: Key, T: Record>: Send {
    fn open(&mut self, cx: &OpenContext<'_>);

    fn on_element(&mut self, element: &T::Archived, time: Timestamp, turn: &mut Turn<'_, K>) -> TriggerResult;

    fn on_timer(&mut self, domain: TimeDomain, time: Timestamp, turn: &mut Turn<'_, K>) -> TriggerResult;

    /// The windows `merged` of the same key have become the one that is asked about.
    fn on_merge(&mut self, merged: &[Place<K>], turn: &mut Turn<'_, K>);

    /// The window is gone.
    fn clear(&mut self, turn: &mut Turn<'_, K>);

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable));
}

/// The trigger of a user's type.
pub(crate) struct StatefulTrigger<K: Key, T: Record, R: Trigger<T>> {
    trigger: R,
    /// None if the state has nothing in it.
    states: Option<Table<WindowKey<K>, R::State>>,
    elements: PhantomData<fn(T)>,
}

impl<K: Key, T: Record, R: Trigger<T>> StatefulTrigger<K, T, R> {
    pub(crate) fn new(trigger: R) -> Self {
        Self { trigger, states: None, elements: PhantomData }
    }

    const HAS_STATE: bool = size_of::<R::State>() > 0;

    #[inline]
    fn ask<A>(
        &mut self,
        turn: &mut Turn<'_, K>,
        ask: impl FnOnce(&mut R, &mut R::State, &mut TriggerContext<'_>) -> A,
    ) -> A {
        let Turn { at, watermark, now, timers } = turn;
        let mut timers = TimersAt { timers, at };
        let mut cx = TriggerContext { window: at.window(), watermark: *watermark, now: *now, timers: &mut timers };
        if !Self::HAS_STATE {
            return ask(&mut self.trigger, &mut R::State::default(), &mut cx);
        }
        let states = opened(&mut self.states);
        let state = states.upsert(&at.of, at.hash, R::State::default);
        let answer = ask(&mut self.trigger, state, &mut cx);
        if *state == R::State::default() {
            states.remove(&at.of, at.hash);
        }
        answer
    }

    /// Lets the trigger clear a place, and takes its state away.
    fn clear_at(&mut self, at: &Place<K>, turn: &mut Turn<'_, K>) -> R::State {
        let state = self.states.as_mut().and_then(|states| states.remove(&at.of, at.hash)).unwrap_or_default();
        let mut timers = TimersAt { timers: turn.timers, at };
        let (watermark, now) = (turn.watermark, turn.now);
        let mut cx = TriggerContext { window: at.window(), watermark, now, timers: &mut timers };
        self.trigger.clear(&state, &mut cx);
        state
    }
}

impl<K: Key, T: Record, R: Trigger<T>> KeyedTrigger<K, T> for StatefulTrigger<K, T, R> {
    fn open(&mut self, cx: &OpenContext<'_>) {
        self.states = Self::HAS_STATE.then(|| Table::new(cx.operator.table("triggers"), "triggers"));
    }

    fn on_element(&mut self, element: &T::Archived, time: Timestamp, turn: &mut Turn<'_, K>) -> TriggerResult {
        self.ask(turn, |trigger, state, cx| trigger.on_element(element, time, state, cx))
    }

    fn on_timer(&mut self, domain: TimeDomain, time: Timestamp, turn: &mut Turn<'_, K>) -> TriggerResult {
        self.ask(turn, |trigger, state, cx| match domain {
            TimeDomain::Event => trigger.on_event_time(time, state, cx),
            TimeDomain::Processing => trigger.on_processing_time(time, state, cx),
        })
    }

    fn on_merge(&mut self, merged: &[Place<K>], turn: &mut Turn<'_, K>) {
        let states = merged.iter().map(|at| self.clear_at(at, turn)).collect();
        self.ask(turn, |trigger, state, cx| trigger.on_merge(state, states, cx));
    }

    fn clear(&mut self, turn: &mut Turn<'_, K>) {
        let at = turn.at;
        self.clear_at(at, turn);
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(states) = &mut self.states {
            visit(states);
        }
    }
}
