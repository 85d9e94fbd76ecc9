//! The states that user code sees: one value, list, map, reduction or aggregate for the current key.
//!
//! A [`States`] holds an operator's states for the keys of its shard. A function declares each state once, keeps the handle
//! (a number and a type), and reaches the state of the current key through it: `states.of(&handle)`. There is no lock, no
//! lookup by name and no serialisation on that path.
//!
//! Invariants:
//! 1. A handle opens states of the operator that gave it; another's panics by name.
//! 2. Every access is to the key of the last [`States::set_key`].

mod aggregating;
mod descriptor;
mod list;
mod map;
mod reducing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod migrations;
mod ttl_table;
mod value;

use std::any::Any;

use yeoul_frame::{KeyHash, OperatorId, Timestamp};

use crate::key::Key;
use crate::state_table::StateTable;
use crate::stored::Value;

pub use aggregating::{AggregateFunction, AggregatingHandle, AggregatingState};
pub use descriptor::StateDescriptor;
pub use list::{ListHandle, ListState};
pub use map::{MapHandle, MapState};
pub use reducing::{ReducingHandle, ReducingState};
pub use value::{ValueHandle, ValueState};

use aggregating::AggregatingTable;
use list::ListTable;
use map::MapTable;
use reducing::ReducingTable;
use ttl_table::TtlTable;

/// One state of an operator, for all its keys.
trait KeyedTable<K>: StateTable {
    fn as_state_table(&mut self) -> &mut dyn StateTable;
    /// Calls `visit` for each key that has anything, be it expired.
    fn keys(&self, visit: &mut dyn FnMut(&K));
    fn prefetch(&self, hash: KeyHash);
    /// As `prefetch`, and what names the key's entries, if it has such.
    fn prefetch_whole(&self, hash: KeyHash) {
        self.prefetch(hash);
    }
    fn sweep(&mut self, buckets: usize, now: Timestamp);
}

/// A declared state of an operator: what [`States::of`] opens for the current key.
pub trait StateHandle<K: Key> {
    /// The state of one key.
    type State<'a>;

    /// Opens it for the current key.
    fn open<'a>(&self, states: &'a mut States<K>) -> Self::State<'a>;

    /// Which of its operator's states it is, in the order in which they were declared.
    fn index(&self) -> usize;

    /// Opens the state of a key in a table that was found by name, at processing time `now`: for tests, which look into operators from outside.
    /// None if the table is of another kind, or its types are others.
    ///
    /// ```
    /// use yeoul_frame::{OperatorId, Timestamp};
    /// use yeoul_state::{States, StateHandle, ValueHandle};
    ///
    /// let mut states = States::<u64>::new(OperatorId::of("count"));
    /// let counts: ValueHandle<u64> = states.value("counts");
    /// let table = states.tables().next().unwrap();
    /// ValueHandle::<u64>::open_in(table, &7_u64, Timestamp(0)).unwrap().update(1);
    /// assert!(<ValueHandle<String> as StateHandle<u64>>::open_in(table, &7, Timestamp(0)).is_none());
    /// # let _ = counts;
    /// ```
    fn open_in<'a>(table: &'a mut dyn StateTable, key: &'a K, now: Timestamp) -> Option<Self::State<'a>>;
}

/// An operator's keyed states.
///
/// ```
/// use yeoul_frame::{OperatorId, Timestamp};
/// use yeoul_state::{Key, KeyStr, States};
///
/// let mut states = States::<KeyStr>::new(OperatorId::of("delays"));
/// let flights = states.value::<u64>("flights");
/// let delays = states.list::<i32>("delays");
///
/// for (airport, delay) in [("LGA", 12), ("JFK", -3), ("LGA", 40)] {
///     let key = KeyStr::new(airport);
///     states.set_key(&key, key.hash(), Timestamp(0));
///     *states.of(&flights).get_or(0) += 1;
///     states.of(&delays).add(delay);
/// }
///
/// let key = KeyStr::new("LGA");
/// states.set_key(&key, key.hash(), Timestamp(0));
/// assert_eq!(states.of(&flights).get(), Some(&2));
/// assert_eq!(states.of(&delays).get(), [12, 40]);
/// ```
pub struct States<K> {
    operator: OperatorId,
    tables: Vec<Box<dyn KeyedTable<K>>>,
    key: K,
    hash: KeyHash,
    now: Timestamp,
    sweeping: bool,
    prefix: &'static str,
}

impl<K: Key> States<K> {
    /// No states; they belong to this operator.
    #[must_use]
    pub fn new(operator: OperatorId) -> Self {
        let (tables, key) = (Vec::new(), K::vacant());
        Self { operator, tables, key, hash: KeyHash(0), now: Timestamp(0), sweeping: false, prefix: "" }
    }

    /// The same, with tables whose names begin with `prefix`: for an operator that has its states in several such collections.
    #[must_use]
    pub fn prefixed(self, prefix: &'static str) -> Self {
        debug_assert!(self.tables.is_empty(), "a prefix is chosen before the first state");
        Self { prefix, ..self }
    }

    /// Whether no state is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Declares a state with one value a key.
    pub fn value<V: Value>(&mut self, state: impl Into<StateDescriptor>) -> ValueHandle<V> {
        let state = state.into().leading_to::<V>();
        ValueHandle::new(self.declare(&state, |id, state| Box::new(TtlTable::<K, V>::new(id, state))))
    }

    /// Declares a state with a list for each key; appending does not read.
    pub fn list<T: Value>(&mut self, state: impl Into<StateDescriptor>) -> ListHandle<T> {
        let state = state.into().leading_to::<T>();
        ListHandle::new(self.declare(&state, |id, state| Box::new(ListTable::<K, T>::new(id, state))))
    }

    /// Declares a state with a map for each key, each entry of which is read and written by itself.
    pub fn map<N: Key + Ord, V: Value>(&mut self, state: impl Into<StateDescriptor>) -> MapHandle<N, V> {
        let state = state.into().leading_to::<V>();
        MapHandle::new(self.declare(&state, |id, state| Box::new(MapTable::<K, N, V>::new(id, state))))
    }

    /// Declares a state with one value a key, into which others are folded.
    pub fn reducing<V: Value>(
        &mut self,
        state: impl Into<StateDescriptor>,
        reduce: impl Fn(&V, V) -> V + Send + 'static,
    ) -> ReducingHandle<V> {
        let state = state.into().leading_to::<V>();
        ReducingHandle::new(self.declare(&state, |id, state| Box::new(ReducingTable::<K, V>::new(id, state, reduce))))
    }

    /// Declares a state with one accumulator a key.
    pub fn aggregating<A: AggregateFunction>(
        &mut self,
        state: impl Into<StateDescriptor>,
        function: A,
    ) -> AggregatingHandle<A> {
        let state = state.into().leading_to::<A::Acc>();
        AggregatingHandle::new(
            self.declare(&state, |id, state| Box::new(AggregatingTable::<K, A>::new(id, state, function))),
        )
    }

    fn declare(
        &mut self,
        state: &StateDescriptor,
        table: impl FnOnce(yeoul_frame::TableId, &StateDescriptor) -> Box<dyn KeyedTable<K>>,
    ) -> usize {
        let state = &StateDescriptor { name: format!("{}{}", self.prefix, state.name), ..state.clone() };
        let id = self.operator.table(&state.name);
        let twice = self.tables.iter().any(|table| table.id() == id);
        assert!(!twice, "the state {:?} is declared twice in one operator; give each a name of its own", state.name);
        self.sweeping |= state.ttl.is_some();
        self.tables.push(table(id, state));
        self.tables.len() - 1
    }

    /// Makes `key` the current key, at processing time `now`.
    #[inline]
    pub fn set_key(&mut self, key: &K, hash: KeyHash, now: Timestamp) {
        self.key.clone_from(key);
        self.hash = hash;
        self.now = now;
    }

    /// The current key.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The current key's hash.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        self.hash
    }

    /// The state behind a handle, for the current key.
    #[inline]
    pub fn of<H: StateHandle<K>>(&mut self, handle: &H) -> H::State<'_> {
        handle.open(self)
    }

    /// Asks for the memory of a key that will be current soon; some tens of keys ahead is best.
    #[inline]
    pub fn prefetch(&self, hash: KeyHash) {
        self.tables.iter().for_each(|table| table.prefetch(hash));
    }

    /// As [`prefetch`](Self::prefetch), and of maps the list of the key's entries, which is needed where entries come, go or are walked over.
    #[inline]
    pub fn prefetch_whole(&self, hash: KeyHash) {
        self.tables.iter().for_each(|table| table.prefetch_whole(hash));
    }

    /// Removes what has expired at processing time `now`, looking at `buckets` places in each state with a time to live.
    /// To be called now and then, such as once a frame.
    pub fn sweep(&mut self, buckets: usize, now: Timestamp) {
        if self.sweeping {
            self.tables.iter_mut().for_each(|table| table.sweep(buckets, now));
        }
    }

    /// Calls `visit` for each key that any state holds something of, be it expired: once for each such state. Walks all of them.
    ///
    /// ```
    /// use yeoul_frame::{OperatorId, Timestamp};
    /// use yeoul_state::{Key, States};
    ///
    /// let mut states = States::<u64>::new(OperatorId::of("count"));
    /// let counts = states.value::<u64>("counts");
    /// states.set_key(&7, 7_u64.hash(), Timestamp(0));
    /// states.of(&counts).update(1);
    /// let mut keys = Vec::new();
    /// states.for_each_key(|key| keys.push(*key));
    /// assert_eq!(keys, [7]);
    /// ```
    pub fn for_each_key(&self, mut visit: impl FnMut(&K)) {
        self.tables.iter().for_each(|table| table.keys(&mut visit));
    }

    /// Calls `apply` for each key that a state holds something of, be it expired, with that state, at processing time `now`. Walks all of them;
    /// afterwards another key may be the current one.
    ///
    /// ```
    /// use yeoul_frame::{OperatorId, Timestamp};
    /// use yeoul_state::{Key, States};
    ///
    /// let mut states = States::<u64>::new(OperatorId::of("count"));
    /// let counts = states.value::<u64>("counts");
    /// for key in [7, 8] {
    ///     states.set_key(&key, key.hash(), Timestamp(0));
    ///     states.of(&counts).update(key);
    /// }
    /// states.apply_to_all(&counts, Timestamp(0), |_, mut count| count.update(0));
    /// let mut seen = Vec::new();
    /// states.apply_to_all(&counts, Timestamp(0), |key, mut count| seen.push((*key, count.get().copied())));
    /// seen.sort();
    /// assert_eq!(seen, [(7, Some(0)), (8, Some(0))]);
    /// ```
    pub fn apply_to_all<H: StateHandle<K>>(
        &mut self,
        handle: &H,
        now: Timestamp,
        mut apply: impl FnMut(&K, H::State<'_>),
    ) {
        let mut keys = Vec::new();
        let table = self.tables.get(handle.index());
        let table = table.expect("a handle opens states of the operator that gave it: declare the state in `open`");
        table.keys(&mut |key| keys.push(key.clone()));
        for key in keys {
            self.set_key(&key, key.hash(), now);
            apply(&key, handle.open(self));
        }
    }

    /// The tables, for snapshots and restores.
    pub fn tables(&mut self) -> impl Iterator<Item = &mut dyn StateTable> {
        self.tables.iter_mut().map(|table| table.as_state_table())
    }

    /// The table behind a handle, with the current key.
    #[inline]
    fn table<T: Any>(&mut self, index: usize) -> (&mut T, Current<'_, K>) {
        let current = Current { key: &self.key, hash: self.hash, now: self.now };
        let table = self.tables.get_mut(index).and_then(|table| table.as_any()?.downcast_mut());
        (table.expect("a handle opens states of the operator that gave it: declare the state in `open`"), current)
    }
}

/// The key that an access is to.
struct Current<'a, K> {
    key: &'a K,
    hash: KeyHash,
    now: Timestamp,
}

/// A handle: the index of a table, and the type of what is in it.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident<$($part:ident),*>) => {
        $(#[$doc])*
        pub struct $name<$($part),*> {
            index: usize,
            kind: std::marker::PhantomData<fn() -> ($($part,)*)>,
        }

        impl<$($part),*> $name<$($part),*> {
            pub(super) const fn new(index: usize) -> Self {
                Self { index, kind: std::marker::PhantomData }
            }
        }

        impl<$($part),*> Clone for $name<$($part),*> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($part),*> Copy for $name<$($part),*> {}

        /// Opens nothing until it is replaced by one that an operator's states gave.
        impl<$($part),*> Default for $name<$($part),*> {
            fn default() -> Self {
                Self::new(usize::MAX)
            }
        }

        impl<$($part),*> std::fmt::Debug for $name<$($part),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.index)
            }
        }
    };
}
use handle;

/// Implements [`StateTable`] by what a field says; the type itself implements `restore`.
macro_rules! state_table_by {
    ($field:ident) => {
        fn id(&self) -> yeoul_frame::TableId {
            self.$field.id()
        }

        fn describe(&self) -> crate::state_table::TableDescription {
            self.$field.describe()
        }

        fn freeze(&mut self) {
            self.$field.freeze();
        }

        fn migrate(&mut self, saved: u32, since: yeoul_frame::Epoch) -> Result<(), crate::migration::NotMigrated> {
            self.$field.migrate(saved, since)
        }

        fn restored(&mut self) {
            self.$field.restored();
        }

        fn as_any(&mut self) -> Option<&mut dyn std::any::Any> {
            Some(self)
        }

        fn drain(&mut self, max_records: usize, log: &mut crate::log::LogBuffer) -> crate::state_table::Drained {
            self.$field.drain(max_records, log)
        }

        fn relocate(&mut self, block: &crate::log::BlockView<'_>) -> Result<usize, crate::log::Corrupt> {
            self.$field.relocate(block)
        }

        fn evict(
            &mut self,
            block: &crate::log::BlockView<'_>,
            segment: &yeoul_sys::Region,
            target_bytes: usize,
        ) -> Result<usize, crate::log::Corrupt> {
            self.$field.evict(block, segment, target_bytes)
        }

        fn cool(&mut self) -> usize {
            self.$field.cool()
        }

        fn read_bytes(&self) -> usize {
            self.$field.read_bytes()
        }

        fn len(&self) -> usize {
            self.$field.len()
        }

        fn dirty(&self) -> usize {
            self.$field.dirty()
        }
    };
}
pub(crate) use state_table_by;
