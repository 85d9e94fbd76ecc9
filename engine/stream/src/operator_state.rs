//! State of an operator that belongs to no key: lists, dealt out over its subtasks, and maps that all of its subtasks have alike.
//!
//! Each snapshot holds it whole, so it is for what is small: buffers, offsets, rules. What grows with the data belongs to a key.
//!
//! Invariants:
//! 1. Over a restore, an element of a list is in one subtask, whatever the number of subtasks is now; one of a union list is in all of them.
//! 2. Over a restore, a map of broadcast state is one subtask's of before, in every subtask.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::marker::PhantomData;

use yeoul_operator::{OperatorError, Snapshot, Subtask};
use yeoul_state::log::Corrupt;

use crate::StateRecord;
use crate::owned_state::{put, take};

/// The states of one operator instance that belong to no key. Declared when it opens; reached by the handles that declaring gives.
#[derive(Default)]
pub struct OperatorStates {
    states: Vec<(String, Box<dyn State>)>,
}

/// A list that [`OperatorStates::list`] or [`OperatorStates::union_list`] declared.
pub struct ListStateHandle<T> {
    at: usize,
    elements: PhantomData<fn() -> T>,
}

/// A map that [`OperatorStates::broadcast`] declared.
pub struct BroadcastStateHandle<K, V> {
    at: usize,
    entries: PhantomData<fn() -> (K, V)>,
}

impl OperatorStates {
    /// A list of this subtask's own. When the number of subtasks has changed, the elements of all are dealt out in turn
    /// (Flink's `getListState`).
    ///
    /// # Panics
    /// If the name is that of another state of this operator.
    pub fn list<T: StateRecord>(&mut self, name: &str) -> ListStateHandle<T> {
        let at = self.declare("list", name, List::<T> { elements: Vec::new(), is_union: false, seen: 0 });
        ListStateHandle { at, elements: PhantomData }
    }

    /// A list of this subtask's own, which after a restore has the elements of all subtasks (Flink's `getUnionListState`).
    ///
    /// # Panics
    /// If the name is that of another state of this operator.
    pub fn union_list<T: StateRecord>(&mut self, name: &str) -> ListStateHandle<T> {
        let at = self.declare("union", name, List::<T> { elements: Vec::new(), is_union: true, seen: 0 });
        ListStateHandle { at, elements: PhantomData }
    }

    /// A map that all subtasks have alike, because each changes it by the same records (Flink's broadcast state).
    ///
    /// # Panics
    /// If the name is that of another state of this operator.
    pub fn broadcast<K: StateRecord + Ord, V: StateRecord>(&mut self, name: &str) -> BroadcastStateHandle<K, V> {
        let at = self.declare("broadcast", name, BTreeMap::<K, V>::new());
        BroadcastStateHandle { at, entries: PhantomData }
    }

    fn declare(&mut self, kind: &str, name: &str, state: impl State) -> usize {
        let name = format!("{kind} {name}");
        assert!(self.states.iter().all(|(known, _)| *known != name), "the state '{name}' is declared twice");
        self.states.push((name, Box::new(state)));
        self.states.len() - 1
    }

    /// The elements of a list.
    pub fn elements<T: StateRecord>(&mut self, handle: &ListStateHandle<T>) -> &mut Vec<T> {
        &mut self.of::<List<T>>(handle.at).elements
    }

    /// The entries of a map, to read.
    #[must_use]
    pub fn entries<K: StateRecord + Ord, V: StateRecord>(
        &self,
        handle: &BroadcastStateHandle<K, V>,
    ) -> &BTreeMap<K, V> {
        let state = self.states.get(handle.at).and_then(|(_, state)| state.as_any().downcast_ref());
        state.unwrap_or_else(|| panic!("a handle of {} that this operator did not declare", type_name::<(K, V)>()))
    }

    /// The entries of a map, to change: alike in every subtask.
    pub(crate) fn entries_mut<K: StateRecord + Ord, V: StateRecord>(
        &mut self,
        handle: &BroadcastStateHandle<K, V>,
    ) -> &mut BTreeMap<K, V> {
        self.of(handle.at)
    }

    fn of<S: State>(&mut self, at: usize) -> &mut S {
        let state = self.states.get_mut(at).and_then(|(_, state)| state.as_any_mut().downcast_mut());
        state.unwrap_or_else(|| panic!("a handle of {} that this operator did not declare", type_name::<S>()))
    }

    pub(crate) fn snapshot(&self, snapshot: &mut Snapshot<'_>) {
        for (name, state) in &self.states {
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            snapshot.state(name, bytes);
        }
    }

    pub(crate) fn restore(
        &mut self,
        name: &str,
        from: Subtask,
        own: Subtask,
        bytes: &[u8],
    ) -> Result<(), OperatorError> {
        let Some((_, state)) = self.states.iter_mut().find(|(known, _)| known == name) else {
            return Err(OperatorError::new(format!("the snapshot holds state '{name}', which this function does not declare"))
                .hint("declare it under its old name, give the operator that wrote it its old uid, or start from another savepoint")
                .permanent());
        };
        state.restore(from, own, bytes).map_err(|cause| {
            OperatorError::new(format!("state '{name}' of {} bytes does not read", bytes.len()))
                .caused_by(cause)
                .permanent()
        })
    }
}

/// A state of any kind.
trait State: Send + 'static {
    fn encode(&self, out: &mut Vec<u8>);
    fn restore(&mut self, from: Subtask, own: Subtask, bytes: &[u8]) -> Result<(), Corrupt>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

struct List<T> {
    elements: Vec<T>,
    is_union: bool,
    /// Elements of all subtasks that were seen during a restore.
    seen: usize,
}

impl<T: StateRecord> State for List<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.elements.iter().for_each(|element| put(element, out));
    }

    fn restore(&mut self, from: Subtask, own: Subtask, mut bytes: &[u8]) -> Result<(), Corrupt> {
        while !bytes.is_empty() {
            let element = take(&mut bytes)?;
            let is_own = if self.is_union {
                true
            } else if from.parallelism == own.parallelism {
                from.index == own.index
            } else {
                self.seen % usize::from(own.parallelism) == usize::from(own.index)
            };
            if is_own {
                self.elements.push(element);
            }
            self.seen += 1;
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl<K: StateRecord + Ord, V: StateRecord> State for BTreeMap<K, V> {
    fn encode(&self, out: &mut Vec<u8>) {
        for (key, value) in self {
            put(key, out);
            put(value, out);
        }
    }

    fn restore(&mut self, from: Subtask, own: Subtask, mut bytes: &[u8]) -> Result<(), Corrupt> {
        if from.index != own.index % from.parallelism {
            return Ok(());
        }
        while !bytes.is_empty() {
            let key = take(&mut bytes)?;
            self.insert(key, take(&mut bytes)?);
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl<T> Clone for ListStateHandle<T> {
    fn clone(&self) -> Self {
        Self { at: self.at, elements: PhantomData }
    }
}

impl<T> Default for ListStateHandle<T> {
    /// Of no state, until one is declared.
    fn default() -> Self {
        Self { at: usize::MAX, elements: PhantomData }
    }
}

impl<K, V> Clone for BroadcastStateHandle<K, V> {
    fn clone(&self) -> Self {
        Self { at: self.at, entries: PhantomData }
    }
}

impl<K, V> Default for BroadcastStateHandle<K, V> {
    /// Of no state, until one is declared.
    fn default() -> Self {
        Self { at: usize::MAX, entries: PhantomData }
    }
}
