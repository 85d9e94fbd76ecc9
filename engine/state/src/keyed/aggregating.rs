//! One accumulator a key.

use yeoul_frame::{KeyHash, TableId, Timestamp};

use super::ttl_table::TtlTable;
use super::{Current, KeyedTable, StateDescriptor, StateHandle, States, handle, state_table_by};
use crate::key::Key;
use crate::log::{BlockView, Corrupt, LogAddress};
use crate::state_table::StateTable;
use crate::stored::Value;

/// Folds inputs into an accumulator and makes a result of it (Flink's `AggregateFunction`).
///
/// ```
/// use yeoul_state::AggregateFunction;
///
/// struct Mean;
///
/// impl AggregateFunction for Mean {
///     type In = f64;
///     type Acc = (f64, u64);
///     type Out = f64;
///
///     fn create(&self) -> (f64, u64) {
///         (0.0, 0)
///     }
///
///     fn add(&self, acc: &mut (f64, u64), value: &f64) {
///         *acc = (acc.0 + value, acc.1 + 1);
///     }
///
///     fn merge(&self, acc: &mut (f64, u64), other: &(f64, u64)) {
///         *acc = (acc.0 + other.0, acc.1 + other.1);
///     }
///
///     fn result(&self, acc: &(f64, u64)) -> f64 {
///         acc.0 / acc.1 as f64
///     }
/// }
/// ```
pub trait AggregateFunction: Send + 'static {
    /// What is added. A record is added as it is archived: `type In = rkyv::Archived<T>`.
    type In: ?Sized;
    /// What is kept.
    type Acc: Value;
    /// What it amounts to.
    type Out;

    /// An accumulator to which nothing was added.
    fn create(&self) -> Self::Acc;

    /// Adds an input.
    fn add(&self, acc: &mut Self::Acc, value: &Self::In);

    /// Adds what another accumulator holds, when windows merge.
    fn merge(&self, acc: &mut Self::Acc, other: &Self::Acc);

    /// What the accumulator amounts to.
    fn result(&self, acc: &Self::Acc) -> Self::Out;
}

handle! {
    /// Opens an [`AggregatingState`].
    AggregatingHandle<A>
}

pub(super) struct AggregatingTable<K, A: AggregateFunction> {
    accumulators: TtlTable<K, A::Acc>,
    function: A,
}

impl<K: Key, A: AggregateFunction> AggregatingTable<K, A> {
    pub(super) fn new(id: TableId, state: &StateDescriptor, function: A) -> Self {
        Self { accumulators: TtlTable::new(id, state), function }
    }
}

/// The aggregate of the current key.
pub struct AggregatingState<'a, K, A: AggregateFunction> {
    table: &'a mut AggregatingTable<K, A>,
    at: Current<'a, K>,
}

impl<K: Key, A: AggregateFunction> StateHandle<K> for AggregatingHandle<A> {
    type State<'a> = AggregatingState<'a, K, A>;

    #[inline]
    fn open<'a>(&self, states: &'a mut States<K>) -> AggregatingState<'a, K, A> {
        let (table, at) = states.table(self.index);
        AggregatingState { table, at }
    }

    fn index(&self) -> usize {
        self.index
    }

    fn open_in<'a>(table: &'a mut dyn StateTable, key: &'a K, now: Timestamp) -> Option<AggregatingState<'a, K, A>> {
        let at = Current { key, hash: key.hash(), now };
        Some(AggregatingState { table: table.as_any()?.downcast_mut()?, at })
    }
}

impl<K: Key, A: AggregateFunction> AggregatingState<'_, K, A> {
    /// Adds an input.
    #[inline]
    pub fn add(&mut self, value: &A::In) {
        let function = &self.table.function;
        let acc = self.table.accumulators.upsert(self.at.key, self.at.hash, self.at.now, || function.create());
        function.add(acc, value);
    }

    /// The result, if anything was added.
    #[must_use]
    #[inline]
    pub fn get(&mut self) -> Option<A::Out> {
        let acc = self.table.accumulators.get(self.at.key, self.at.hash, self.at.now)?;
        Some(self.table.function.result(acc))
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        self.table.accumulators.remove(self.at.key, self.at.hash);
    }
}

impl<K: Key, A: AggregateFunction> KeyedTable<K> for AggregatingTable<K, A> {
    fn as_state_table(&mut self) -> &mut dyn StateTable {
        self
    }

    fn keys(&self, visit: &mut dyn FnMut(&K)) {
        self.accumulators.for_each_key(visit);
    }

    fn prefetch(&self, hash: KeyHash) {
        self.accumulators.prefetch(hash);
    }

    fn sweep(&mut self, buckets: usize, now: Timestamp) {
        self.accumulators.sweep(buckets, now, |_| ());
    }
}

impl<K: Key, A: AggregateFunction> StateTable for AggregatingTable<K, A> {
    state_table_by!(accumulators);

    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        self.accumulators.restore(block, owned, retired)
    }

    fn memory_bytes(&self) -> usize {
        self.accumulators.memory_bytes()
    }
}
