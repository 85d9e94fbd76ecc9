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
///
/// ```
/// use yeoul_stream::OperatorStates;
///
/// let mut states = OperatorStates::default();
/// let (seen, limits) = (states.list::<u64>("seen"), states.broadcast::<u64, i64>("limits"));
/// states.elements(&seen).push(7);
/// assert_eq!(*states.elements(&seen), [7]);
/// assert!(states.entries(&limits).is_empty());
/// ```
#[derive(Default)]
pub struct OperatorStates {
    states: Vec<(String, Box<dyn State>)>,
}

/// A list that [`OperatorStates::list`] declared.
///
/// ```
/// # use yeoul_operator::OperatorError;
/// use yeoul_stream::{Collector, DataStream, ListStateHandle, OperatorHarness, OperatorStates, ProcessContext, ProcessFunction};
///
/// /// Gives numbers on in pairs; the first of a pair is part of each snapshot until the second comes.
/// #[derive(Clone, Default)]
/// struct Pairs {
///     first: ListStateHandle<u64>,
/// }
///
/// impl ProcessFunction for Pairs {
///     type In = u64;
///     type Out = (u64, u64);
///
///     fn declare(&mut self, states: &mut OperatorStates) {
///         self.first = states.list("first");
///     }
///
///     fn process(&mut self, n: &rkyv::Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
///         let first = cx.list_state(&self.first);
///         match first.pop() {
///             Some(first) => out.collect((first, n.to_native())),
///             None => first.push(n.to_native()),
///         }
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.process(Pairs::default()))?;
/// harness.push([(1, 0)])?;
/// let snapshot = harness.snapshot()?;
/// let mut restored = harness.restored(harness.subtask(), &[&snapshot])?;
/// restored.push([(2, 1)])?;
/// assert_eq!(restored.take_output(), [((1, 2), 1)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct ListStateHandle<T> {
    at: usize,
    elements: PhantomData<fn() -> T>,
}

/// A list that [`OperatorStates::union_list`] declared.
///
/// ```
/// use yeoul_stream::{OperatorStates, UnionListStateHandle};
///
/// let mut states = OperatorStates::default();
/// let splits: UnionListStateHandle<(u64, u64)> = states.union_list("splits");
/// states.union(&splits).own().push((0, 70));
/// assert_eq!(*states.union(&splits).own(), [(0, 70)]);
/// ```
pub struct UnionListStateHandle<T> {
    at: usize,
    elements: PhantomData<fn() -> T>,
}

/// A union list as one subtask has it.
///
/// ```
/// # use yeoul_stream::OperatorStates;
/// let mut states = OperatorStates::default();
/// let seen = states.union_list::<u64>("seen");
/// let list = states.union(&seen);
/// list.own().push(7);
/// assert_eq!(*list.own(), [7]);
/// // After a restart, that of all subtasks.
/// assert!(list.restored().is_empty());
/// ```
pub struct UnionList<T> {
    own: List<T>,
    restored: Vec<T>,
}

impl<T> UnionList<T> {
    /// What this subtask notes in a snapshot: its share of what was restored, and what it has added since.
    ///
    /// ```
    /// # use yeoul_stream::OperatorStates;
    /// # let mut states = OperatorStates::default();
    /// # let offsets = states.union_list::<u64>("offsets");
    /// let offsets = states.union(&offsets);
    /// offsets.own().push(70);
    /// offsets.own()[0] += 1;
    /// assert_eq!(*offsets.own(), [71]);
    /// ```
    pub fn own(&mut self) -> &mut Vec<T> {
        &mut self.own.elements
    }

    /// What all subtasks had noted in the snapshot that this run was restored from.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OperatorError, Subtask};
    /// # use yeoul_stream::*;
    /// # #[derive(Clone, Default)] struct Seen(UnionListStateHandle<u64>);
    /// # impl ProcessFunction for Seen {
    /// #     type In = u64; type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) { self.0 = states.union_list("seen"); }
    /// // In an `impl ProcessFunction`: what all subtasks had seen before the restart.
    /// fn process(&mut self, n: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     let seen = cx.union_list_state(&self.0);
    ///     seen.own().push(n.to_native());
    ///     seen.restored().iter().for_each(|n| out.collect(*n));
    ///     Ok(())
    /// }
    /// # }
    /// # let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.process(Seen::default()))?;
    /// harness.push([(7, 0), (9, 1)])?;
    /// let snapshot = harness.snapshot()?;
    /// // One of two subtasks now:
    /// let mut second = harness.restored(Subtask { index: 1, parallelism: 2 }, &[&snapshot])?;
    /// second.push([(1, 2)])?;
    /// assert_eq!(second.take_output(), [(7, 2), (9, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn restored(&self) -> &[T] {
        &self.restored
    }
}

/// A map that [`OperatorStates::broadcast`] declared.
///
/// ```
/// use yeoul_stream::{BroadcastStateHandle, OperatorStates};
///
/// let mut states = OperatorStates::default();
/// let limits: BroadcastStateHandle<u64, i64> = states.broadcast("limits");
/// assert!(states.entries(&limits).is_empty());
/// ```
pub struct BroadcastStateHandle<K, V> {
    at: usize,
    entries: PhantomData<fn() -> (K, V)>,
}

impl OperatorStates {
    /// A list of this subtask's own. When the number of subtasks has changed, the elements of all are dealt out in turn
    /// (Flink's `getListState`).
    ///
    /// ```
    /// # use yeoul_stream::OperatorStates;
    /// let mut states = OperatorStates::default();
    /// let seen = states.list("seen");
    /// states.elements(&seen).extend([7u64, 9]);
    /// assert_eq!(*states.elements(&seen), [7, 9]);
    /// ```
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
    /// ```
    /// # use yeoul_stream::OperatorStates;
    /// let mut states = OperatorStates::default();
    /// let splits = states.union_list("splits");
    /// states.union(&splits).own().push(7u64);
    /// assert!(states.union(&splits).restored().is_empty());
    /// ```
    ///
    /// # Panics
    /// If the name is that of another state of this operator.
    pub fn union_list<T: StateRecord>(&mut self, name: &str) -> UnionListStateHandle<T> {
        let list = UnionList::<T> { own: List { elements: Vec::new(), seen: 0 }, restored: Vec::new() };
        UnionListStateHandle { at: self.declare("union", name, list), elements: PhantomData }
    }

    /// A map that all subtasks have alike, because each changes it by the same records (Flink's broadcast state).
    ///
    /// ```
    /// # use yeoul_stream::OperatorStates;
    /// let mut states = OperatorStates::default();
    /// // Only the function's `process_broadcast` changes it.
    /// let limits = states.broadcast::<u64, i64>("limits");
    /// assert_eq!(states.entries(&limits).get(&7), None);
    /// ```
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
    ///
    /// ```
    /// # use yeoul_stream::OperatorStates;
    /// # let mut states = OperatorStates::default();
    /// let seen = states.list("seen");
    /// states.elements(&seen).push(7u64);
    /// assert_eq!(states.elements(&seen).pop(), Some(7));
    /// ```
    pub fn elements<T: StateRecord>(&mut self, handle: &ListStateHandle<T>) -> &mut Vec<T> {
        &mut self.of::<List<T>>(handle.at).elements
    }

    /// A union list.
    ///
    /// ```
    /// # use yeoul_stream::OperatorStates;
    /// # let mut states = OperatorStates::default();
    /// let seen = states.union_list("seen");
    /// states.union(&seen).own().push(7u64);
    /// assert_eq!(states.union(&seen).own().len(), 1);
    /// ```
    pub fn union<T: StateRecord>(&mut self, handle: &UnionListStateHandle<T>) -> &mut UnionList<T> {
        self.of(handle.at)
    }

    /// The entries of a map, to read.
    ///
    /// ```
    /// # use yeoul_stream::OperatorStates;
    /// # let mut states = OperatorStates::default();
    /// let limits = states.broadcast::<u64, i64>("limits");
    /// assert_eq!(states.entries(&limits).len(), 0);
    /// ```
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
