//! One value a key, into which others are folded.

use yeoul_frame::{KeyHash, TableId, Timestamp};

use super::ttl_table::TtlTable;
use super::{Current, KeyedTable, StateDescriptor, StateHandle, States, handle, state_table_by};
use crate::key::Key;
use crate::log::{BlockView, Corrupt, LogAddress};
use crate::state_table::StateTable;
use crate::stored::{Stored, Value};

handle! {
    /// Opens a [`ReducingState`].
    ReducingHandle<V>
}

pub(super) struct ReducingTable<K, V> {
    values: TtlTable<K, Folded<V>>,
    reduce: Box<dyn Fn(&V, V) -> V + Send>,
}

/// A value, or none yet: encoded as the bare value, since what is in the log always has one.
struct Folded<V>(Option<V>);

impl<V: Stored> Stored for Folded<V> {
    const WIDTH: Option<usize> = V::WIDTH;

    fn vacant() -> Self {
        Self(None)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.as_ref().expect("what is stored was added").encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        V::decode(bytes).map(|value| Self(Some(value)))
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl<K: Key, V: Value> ReducingTable<K, V> {
    pub(super) fn new(id: TableId, state: &StateDescriptor, reduce: impl Fn(&V, V) -> V + Send + 'static) -> Self {
        Self { values: TtlTable::new(id, state), reduce: Box::new(reduce) }
    }
}

/// The folded value of the current key.
///
/// ```
/// use yeoul_frame::{OperatorId, Timestamp};
/// use yeoul_state::{Key, States};
///
/// let mut states = States::<u64>::new(OperatorId::of("doc"));
/// let most = states.reducing::<u64>("most", |most, n| n.max(*most));
/// states.set_key(&7, 7u64.hash(), Timestamp(0));
/// states.of(&most).add(3);
/// states.of(&most).add(2);
/// assert_eq!(states.of(&most).get(), Some(&3));
/// ```
pub struct ReducingState<'a, K, V> {
    table: &'a mut ReducingTable<K, V>,
    at: Current<'a, K>,
}

impl<K: Key, V: Value> StateHandle<K> for ReducingHandle<V> {
    type State<'a> = ReducingState<'a, K, V>;

    #[inline]
    fn open<'a>(&self, states: &'a mut States<K>) -> ReducingState<'a, K, V> {
        let (table, at) = states.table(self.index);
        ReducingState { table, at }
    }

    fn index(&self) -> usize {
        self.index
    }

    fn open_in<'a>(table: &'a mut dyn StateTable, key: &'a K, now: Timestamp) -> Option<ReducingState<'a, K, V>> {
        let at = Current { key, hash: key.hash(), now };
        Some(ReducingState { table: table.as_any()?.downcast_mut()?, at })
    }
}

impl<'a, K: Key, V: Value> ReducingState<'a, K, V> {
    /// Folds a value in.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let most = states.reducing::<u64>("most", |most, n| n.max(*most));
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&most).add(3);
    /// states.of(&most).add(4);
    /// assert_eq!(states.of(&most).get(), Some(&4));
    /// ```
    #[inline]
    pub fn add(&mut self, value: V) {
        let held = self.table.values.upsert(self.at.key, self.at.hash, self.at.now, || Folded(None));
        held.0 = Some(match &held.0 {
            Some(before) => (self.table.reduce)(before, value),
            None => value,
        });
    }

    /// The folded value, if any was added.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let most = states.reducing::<u64>("most", |most, n| n.max(*most));
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// assert_eq!(states.of(&most).get(), None);
    /// states.of(&most).add(3);
    /// assert_eq!(states.of(&most).get(), Some(&3));
    /// ```
    #[must_use]
    #[inline]
    pub fn get(self) -> Option<&'a V> {
        self.table.values.get(self.at.key, self.at.hash, self.at.now)?.0.as_ref()
    }

    /// Forgets what was added.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let most = states.reducing::<u64>("most", |most, n| n.max(*most));
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&most).add(3);
    /// states.of(&most).clear();
    /// assert_eq!(states.of(&most).get(), None);
    /// ```
    pub fn clear(&mut self) {
        self.table.values.remove(self.at.key, self.at.hash);
    }
}

impl<K: Key, V: Value> KeyedTable<K> for ReducingTable<K, V> {
    fn as_state_table(&mut self) -> &mut dyn StateTable {
        self
    }

    fn keys(&self, visit: &mut dyn FnMut(&K)) {
        self.values.for_each_key(visit);
    }

    fn prefetch(&self, hash: KeyHash) {
        self.values.prefetch(hash);
    }

    fn sweep(&mut self, buckets: usize, now: Timestamp) {
        self.values.sweep(buckets, now, |_| ());
    }
}

impl<K: Key, V: Value> StateTable for ReducingTable<K, V> {
    state_table_by!(values);

    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        self.values.restore(block, owned, retired)
    }

    fn memory_bytes(&self) -> usize {
        self.values.memory_bytes()
    }
}
