//! State of window functions: of a key and window, and of a key over all its windows.

use yeoul_frame::OperatorId;
use yeoul_state::{Key, StateTable, States};

use crate::WindowKey;

/// Where a window function declares its states (see [`ProcessWindowFunction::declare`](crate::ProcessWindowFunction::declare)).
pub struct WindowStates<K: Key> {
    /// States of a key and window (Flink's `windowState()`). What they hold is for the function's `clear` to remove.
    pub window: States<WindowKey<K>>,
    /// States of a key, which all its windows share (Flink's `globalState()`).
    pub global: States<K>,
}

impl<K: Key> WindowStates<K> {
    /// None are declared yet.
    pub(crate) fn new(operator: OperatorId) -> Self {
        Self { window: States::new(operator).prefixed("window: "), global: States::new(operator).prefixed("global: ") }
    }

    pub(crate) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        self.window.tables().for_each(&mut *visit);
        self.global.tables().for_each(&mut *visit);
    }
}
