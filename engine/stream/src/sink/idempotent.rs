//! The weaker form: a target that takes changes by key, and may be told of the last epoch's again.
//!
//! Only committed epochs are told, in order, on the committer's thread. There is no marker: after a restart that epoch is told again which
//! may not have arrived. It is the last committed one (the next is not committed before it has), or the last of the job whose savepoint was
//! changed.

use rkyv::Archive;
use yeoul_frame::{Epoch, RowKind};
use yeoul_operator::{MakeCommitter, MakeOperator, OperatorError, Services, SinkSpec};
use yeoul_state::Stored;

use super::{EpochCommitter, EpochWriter, Sealed, SinkContext, TransactionalSink, UserSink, WriteContext};
use crate::StateRecord;
use crate::owned_state::{put, take};

/// A target that takes changes by key. [`AtLeastOnce`] makes a stream's sink of it.
///
/// The stream is keyed by what the target is keyed by, or has one sink instance: the changes of one key come in order only if one
/// instance has them all.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
///
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::conformance::SinkConformance;
/// use yeoul_stream::{AtLeastOnce, IdempotentSink};
///
/// #[derive(Clone, Default)]
/// struct Table(Arc<Mutex<BTreeMap<u64, i64>>>);
///
/// impl IdempotentSink for Table {
///     type In = (u64, i64);
///
///     fn upsert(&mut self, (key, value): (u64, i64)) -> Result<(), OperatorError> {
///         self.0.lock().unwrap().insert(key, value);
///         Ok(())
///     }
///
///     fn delete(&mut self, (key, _): (u64, i64)) -> Result<(), OperatorError> {
///         self.0.lock().unwrap().remove(&key);
///         Ok(())
///     }
/// }
///
/// let rows = |table: &Table| table.0.lock().unwrap().iter().map(|(key, value)| (*key, *value)).collect();
/// let sink = |table: &Table| {
///     let table = table.clone();
///     AtLeastOnce::new(move |_| Ok(table.clone()))
/// };
/// SinkConformance::of(Table::default, sink, rows)
///     .writing((0..50).map(|n| (n % 7, n as i64)))
///     .keyed_by(|row| row.0)
///     .final_table((43..50).map(|n| (n % 7, n as i64)))
///     .run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
pub trait IdempotentSink: Send + 'static {
    /// What it takes: a row with its key.
    type In: StateRecord;

    /// The row of its key is this one from now on.
    ///
    /// # Errors
    /// The target refuses: the job fails, and tells it again after a restart.
    fn upsert(&mut self, row: Self::In) -> Result<(), OperatorError>;

    /// There is no row of its key from now on. Said of a key that has none, it changes nothing.
    ///
    /// # Errors
    /// As for [`upsert`](Self::upsert).
    fn delete(&mut self, row: Self::In) -> Result<(), OperatorError>;

    /// An epoch ends: all that was said must be durable when this returns. By default it is anyway.
    ///
    /// # Errors
    /// As for [`upsert`](Self::upsert).
    fn flush(&mut self) -> Result<(), OperatorError> {
        Ok(())
    }
}

/// An [`IdempotentSink`] as a stream's sink: at least once, of committed epochs, in order.
///
/// ```
/// use yeoul_stream::{AtLeastOnce, IdempotentSink, KeyedStream};
///
/// fn end<K: IdempotentSink<In = (u64, i64)> + Clone + Sync>(sums: &KeyedStream<u64, (u64, i64)>, table: K) {
///     let sums = sums.reduce(|sum, next| sum.1 += next.1);
///     sums.sink_to(AtLeastOnce::new(move |_| Ok(table.clone())));
/// }
/// ```
pub struct AtLeastOnce<F>(UserSink<Told<F>>);

impl<F, K> AtLeastOnce<F>
where
    F: Fn(&Services) -> Result<K, OperatorError> + Send + Sync + 'static,
    K: IdempotentSink,
{
    /// A sink into the target that `open` connects to, once a run and on a thread that may block.
    #[must_use]
    pub fn new(open: F) -> Self {
        Self(Told { open }.into_sink())
    }

    /// How many bytes of an epoch an instance may hold in memory, instead of [`EPOCH_LIMIT`](crate::EPOCH_LIMIT); 1.5 GiB at most. Past it
    /// the job fails: make checkpoints more often.
    ///
    /// ```
    /// use yeoul_operator::SinkSpec;
    /// use yeoul_stream::{AtLeastOnce, EPOCH_LIMIT, IdempotentSink};
    ///
    /// /// Into a table; each instance may hold a sixteenth of what it may by default.
    /// fn sink<K: IdempotentSink<In = (u64, i64)> + Clone + Sync>(table: K) -> impl SinkSpec<In = (u64, i64)> {
    ///     AtLeastOnce::new(move |_| Ok(table.clone())).epoch_limit(EPOCH_LIMIT / 16)
    /// }
    /// ```
    #[must_use]
    pub fn epoch_limit(self, bytes: u64) -> Self {
        Self(self.0.epoch_limit(bytes))
    }
}

impl<F, K> SinkSpec for AtLeastOnce<F>
where
    F: Fn(&Services) -> Result<K, OperatorError> + Send + Sync + 'static,
    K: IdempotentSink,
{
    type In = K::In;

    fn make(&self) -> MakeOperator {
        self.0.make()
    }

    fn committer(&self) -> MakeCommitter {
        self.0.committer()
    }
}

/// The sink that tells a target.
struct Told<F> {
    open: F,
}

impl<F, K> TransactionalSink for Told<F>
where
    F: Fn(&Services) -> Result<K, OperatorError> + Send + Sync + 'static,
    K: IdempotentSink,
{
    type Writer = ChangeWriter<K::In>;
    type Committer = Telling<K>;

    fn writer(&self, _: &SinkContext) -> Result<Self::Writer, OperatorError> {
        Ok(ChangeWriter { changes: Vec::new(), rows: std::marker::PhantomData })
    }

    fn committer(&self, services: &Services) -> Result<Telling<K>, OperatorError> {
        Ok(Telling { target: (self.open)(services)? })
    }
}

/// Gathers changes: for each a byte, 1 if it is a deletion, and the row.
struct ChangeWriter<T> {
    changes: Vec<u8>,
    rows: std::marker::PhantomData<fn() -> T>,
}

impl<T: StateRecord> EpochWriter for ChangeWriter<T> {
    type In = T;
    type Committable = Vec<u8>;

    fn write(&mut self, row: &<T as Archive>::Archived, cx: &WriteContext) -> Result<(), OperatorError> {
        // What a row was before it changed says nothing that its new form does not.
        if cx.kind != RowKind::UpdateBefore {
            (cx.kind == RowKind::Delete).encode(&mut self.changes);
            put(&T::from_archived(row), &mut self.changes);
        }
        Ok(())
    }

    fn seal(&mut self, _: Epoch) -> Result<Option<Vec<u8>>, OperatorError> {
        let changes = std::mem::take(&mut self.changes);
        Ok((!changes.is_empty()).then_some(changes))
    }

    fn held_bytes(&self, _: u64) -> u64 {
        self.changes.len() as u64
    }
}

struct Telling<K> {
    target: K,
}

impl<K: IdempotentSink> EpochCommitter for Telling<K> {
    type Committable = Vec<u8>;

    fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
        // The target cannot tell. The log can: it says from which epoch on it was not told to the end, also in a savepoint of a later epoch.
        Ok(Epoch(0))
    }

    fn deliver(&mut self, epoch: Epoch, sealed: Vec<Sealed<Vec<u8>>>) -> Result<(), OperatorError> {
        for Sealed { committable, .. } in sealed {
            let mut changes = &committable[..];
            while !changes.is_empty() {
                let change = bool::decode(&mut changes).and_then(|gone| Ok((gone, take(&mut changes)?)));
                match change.map_err(|error| {
                    OperatorError::new(format!("a change of {epoch} does not read")).caused_by(error).permanent()
                })? {
                    (true, row) => self.target.delete(row)?,
                    (false, row) => self.target.upsert(row)?,
                }
            }
        }
        self.target.flush()
    }
}
