//! A key and window that the operator is at, and the timers of all of them.

use yeoul_frame::{KeyHash, Timestamp};
use yeoul_operator::OpenContext;
use yeoul_state::{Key, StateTable, Stored as _, Timer, Timers};

use crate::window::trigger::TimersOfWindow;
use crate::{TimeDomain, TimeWindow, WindowKey};

/// A key and a window, with their hashes.
pub(crate) struct Place<K> {
    pub(crate) of: WindowKey<K>,
    /// Of both.
    pub(crate) hash: KeyHash,
}

impl<K: Key> Place<K> {
    /// Anywhere, to be set.
    pub(crate) fn nowhere() -> Self {
        Self { of: WindowKey::vacant(), hash: KeyHash(0) }
    }

    pub(crate) fn new(key: &K, hash: KeyHash, window: TimeWindow) -> Self {
        Self { of: WindowKey { key: key.clone(), sub: window }, hash: WindowKey::<K>::hash_of(hash, &window) }
    }

    /// Goes to another key and window. Keeps the memory of the key.
    #[inline]
    pub(crate) fn set(&mut self, key: &K, hash: KeyHash, window: TimeWindow) {
        self.of.key.clone_from(key);
        self.of.sub = window;
        self.hash = WindowKey::<K>::hash_of(hash, &window);
    }

    pub(crate) fn window(&self) -> TimeWindow {
        self.of.sub
    }
}

/// The timers of all keys and windows, for both kinds of time.
pub(crate) struct WindowTimers<K: Key> {
    event: Timers<WindowKey<K>>,
    processing: Timers<WindowKey<K>>,
}

impl<K: Key> WindowTimers<K> {
    pub(crate) fn open(cx: &OpenContext<'_>) -> Self {
        let timers = |name: &str| Timers::new(cx.operator.table(name), name);
        Self { event: timers("window event timers"), processing: timers("window processing timers") }
    }

    pub(crate) fn of(&mut self, domain: TimeDomain) -> &mut Timers<WindowKey<K>> {
        match domain {
            TimeDomain::Event => &mut self.event,
            TimeDomain::Processing => &mut self.processing,
        }
    }

    pub(crate) fn next_processing_time(&self) -> Option<Timestamp> {
        self.processing.next_time()
    }

    pub(crate) fn pop_due(&mut self, domain: TimeDomain, upto: Timestamp) -> Option<Timer<WindowKey<K>>> {
        self.of(domain).pop_due(upto)
    }

    pub(crate) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.event);
        visit(&mut self.processing);
    }
}

/// The timers of one place.
pub(crate) struct TimersAt<'a, K: Key> {
    pub(crate) timers: &'a mut WindowTimers<K>,
    pub(crate) at: &'a Place<K>,
}

impl<K: Key> TimersOfWindow for TimersAt<'_, K> {
    fn register(&mut self, domain: TimeDomain, time: Timestamp) {
        self.timers.of(domain).register(&self.at.of, self.at.hash, 0, time);
    }

    fn delete(&mut self, domain: TimeDomain, time: Timestamp) {
        self.timers.of(domain).delete(&self.at.of, self.at.hash, 0, time);
    }
}
