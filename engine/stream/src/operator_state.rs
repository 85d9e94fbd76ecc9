//! State of an operator that belongs to no key: lists, dealt out over its subtasks, and maps that all of its subtasks have alike.
//!
//! Each snapshot holds it whole, so it is for what is small: buffers, offsets, rules. What grows with the data belongs to a key.
//!
//! Invariants:
//! 1. Over a restore, an element of a list is in one subtask, whatever the number of subtasks is now. Of a union list every subtask sees all
//!    elements, and holds for the next snapshot those that a list would have given it: so they do not multiply from restart to restart.
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

/// A list that [`OperatorStates::list`] declared.
pub struct ListStateHandle<T> {
    at: usize,
    elements: PhantomData<fn() -> T>,
}

/// A list that [`OperatorStates::union_list`] declared.
pub struct UnionListStateHandle<T> {
    at: usize,
    elements: PhantomData<fn() -> T>,
}

/// A union list as one subtask has it.
pub struct UnionList<T> {
    own: List<T>,
    restored: Vec<T>,
}

impl<T> UnionList<T> {
    /// What this subtask notes in a snapshot: its share of what was restored, and what it has added since.
    pub fn own(&mut self) -> &mut Vec<T> {
        &mut self.own.elements
    }

    /// What all subtasks had noted in the snapshot that this run was restored from.
    #[must_use]
    pub fn restored(&self) -> &[T] {
        &self.restored
    }
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
        let at = self.declare("list", name, List::<T> { elements: Vec::new(), seen: 0 });
        ListStateHandle { at, elements: PhantomData }
    }

    /// A list of this subtask's own, beside which it sees after a restore what all subtasks had (Flink's `getUnionListState`).
    ///
    /// Flink gives all elements to every subtask as its own, and a function that does not take them out again has them as many times as
    /// there are subtasks after the next restart. Here they are two lists.
    ///
    /// # Panics
    /// If the name is that of another state of this operator.
    pub fn union_list<T: StateRecord>(&mut self, name: &str) -> UnionListStateHandle<T> {
        let list = UnionList::<T> { own: List { elements: Vec::new(), seen: 0 }, restored: Vec::new() };
        UnionListStateHandle { at: self.declare("union", name, list), elements: PhantomData }
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

    /// A union list.
    pub fn union<T: StateRecord>(&mut self, handle: &UnionListStateHandle<T>) -> &mut UnionList<T> {
        self.of(handle.at)
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
            let is_own = if from.parallelism == own.parallelism {
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

impl<T: StateRecord> State for UnionList<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.own.encode(out);
    }

    fn restore(&mut self, from: Subtask, own: Subtask, bytes: &[u8]) -> Result<(), Corrupt> {
        self.own.restore(from, own, bytes)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            self.restored.push(take(&mut rest)?);
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

impl<T> Clone for UnionListStateHandle<T> {
    fn clone(&self) -> Self {
        Self { at: self.at, elements: PhantomData }
    }
}

impl<T> Default for UnionListStateHandle<T> {
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
