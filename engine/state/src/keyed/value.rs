//! One value a key.

use yeoul_frame::{KeyHash, Timestamp};

use super::ttl_table::TtlTable;
use super::{Current, KeyedTable, StateHandle, States, handle};
use crate::key::Key;
use crate::state_table::StateTable;
use crate::stored::Value;

handle! {
    /// Opens a [`ValueState`].
    ValueHandle<V>
}

/// The value of the current key.
///
/// ```
/// use yeoul_frame::{OperatorId, Timestamp};
/// use yeoul_state::{Key, States};
///
/// let mut states = States::<u64>::new(OperatorId::of("doc"));
/// let count = states.value::<u64>("count");
/// states.set_key(&7, 7u64.hash(), Timestamp(0));
/// states.of(&count).update(3);
/// assert_eq!(states.of(&count).get(), Some(&3));
/// states.set_key(&8, 8u64.hash(), Timestamp(0));
/// assert_eq!(states.of(&count).get(), None);
/// ```
pub struct ValueState<'a, K, V> {
    table: &'a mut TtlTable<K, V>,
    at: Current<'a, K>,
}

impl<K: Key, V: Value> StateHandle<K> for ValueHandle<V> {
    type State<'a> = ValueState<'a, K, V>;

    #[inline]
    fn open<'a>(&self, states: &'a mut States<K>) -> ValueState<'a, K, V> {
        let (table, at) = states.table(self.index);
        ValueState { table, at }
    }

    fn index(&self) -> usize {
        self.index
    }

    fn open_in<'a>(table: &'a mut dyn StateTable, key: &'a K, now: Timestamp) -> Option<ValueState<'a, K, V>> {
        let at = Current { key, hash: key.hash(), now };
        Some(ValueState { table: table.as_any()?.downcast_mut()?, at })
    }
}

impl<'a, K: Key, V: Value> ValueState<'a, K, V> {
    /// The value, if there is one.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let count = states.value::<u64>("count");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// assert_eq!(states.of(&count).get(), None);
    /// states.of(&count).update(3);
    /// assert_eq!(states.of(&count).get(), Some(&3));
    /// ```
    #[must_use]
    #[inline]
    pub fn get(self) -> Option<&'a V> {
        self.table.get(self.at.key, self.at.hash, self.at.now)
    }

    /// The value, to change, which starts as `default` if there is none. Counts as a write.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let count = states.value::<u64>("count");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// *states.of(&count).get_or(10) += 1;
    /// *states.of(&count).get_or(10) += 1;
    /// assert_eq!(states.of(&count).get(), Some(&12));
    /// ```
    #[must_use]
    #[inline]
    pub fn get_or(self, default: V) -> &'a mut V {
        self.get_or_else(|| default)
    }

    /// The value, to change, which starts as `default()` if there is none. Counts as a write.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let count = states.value::<u64>("count");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// *states.of(&count).get_or_else(|| 10) += 1;
    /// assert_eq!(states.of(&count).get(), Some(&11));
    /// ```
    #[must_use]
    #[inline]
    pub fn get_or_else(self, default: impl FnOnce() -> V) -> &'a mut V {
        self.table.upsert(self.at.key, self.at.hash, self.at.now, default)
    }

    /// Sets the value.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let count = states.value::<u64>("count");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&count).update(3);
    /// states.of(&count).update(4);
    /// assert_eq!(states.of(&count).get(), Some(&4));
    /// ```
    #[inline]
    pub fn update(&mut self, value: V) {
        self.table.set(self.at.key, self.at.hash, self.at.now, value);
    }

    /// Removes the value.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let count = states.value::<u64>("count");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&count).update(3);
    /// states.of(&count).clear();
    /// assert_eq!(states.of(&count).get(), None);
    /// ```
    #[inline]
    pub fn clear(&mut self) {
        self.table.remove(self.at.key, self.at.hash);
    }
}

impl<K: Key, V: Value> KeyedTable<K> for TtlTable<K, V> {
    fn as_state_table(&mut self) -> &mut dyn StateTable {
        self
    }

    fn keys(&self, visit: &mut dyn FnMut(&K)) {
        self.for_each_key(visit);
    }

    fn prefetch(&self, hash: KeyHash) {
        TtlTable::prefetch(self, hash);
    }

    fn sweep(&mut self, buckets: usize, now: Timestamp) {
        TtlTable::sweep(self, buckets, now, |_| ());
    }
}
