//! The shortest exactly-once sink: a target that takes an epoch's records at a time, with its marker.

use yeoul_frame::Epoch;
use yeoul_operator::{MakeCommitter, MakeOperator, OperatorError, Services, SinkSpec};

use super::{EpochCommitter, RecordWriter, Sealed, SinkContext, TransactionalSink, UserSink};
use crate::StateRecord;

/// A target that takes an epoch's records and its marker in one step. [`ExactlyOnce`] makes a stream's sink of it.
///
/// It lives on the job's committer thread and may wait. What it is given is committed; nothing else ever reaches it. An epoch's records
/// are in memory until it is delivered, up to a [limit](ExactlyOnce::epoch_limit): who writes more wants a [`TransactionalSink`].
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use yeoul_frame::Epoch;
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::conformance::SinkConformance;
/// use yeoul_stream::{EpochTarget, ExactlyOnce};
///
/// /// The last epoch and all numbers, changed in one critical section.
/// #[derive(Clone, Default)]
/// struct Ledger(Arc<Mutex<(Epoch, Vec<u64>)>>);
///
/// impl EpochTarget for Ledger {
///     type In = u64;
///
///     fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
///         Ok(self.0.lock().unwrap().0)
///     }
///
///     fn deliver(&mut self, epoch: Epoch, numbers: Vec<u64>) -> Result<(), OperatorError> {
///         let mut ledger = self.0.lock().unwrap();
///         if epoch > ledger.0 {
///             ledger.0 = epoch;
///             ledger.1.extend(numbers);
///         }
///         Ok(())
///     }
/// }
///
/// let sink = |ledger: &Ledger| {
///     let ledger = ledger.clone();
///     ExactlyOnce::new(move |_| Ok(ledger.clone()))
/// };
/// SinkConformance::of(Ledger::default, sink, |ledger| ledger.0.lock().unwrap().1.clone()).writing(0..50).run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
pub trait EpochTarget: Send + 'static {
    /// What it takes.
    type In: StateRecord;

    /// Clears away what an earlier run left unfinished, and answers the marker: the last epoch that the target has in whole. Called once,
    /// first. Nothing after `committed`, the job's last commit, ever happened.
    ///
    /// # Errors
    /// The target cannot be reached or read.
    fn recover(&mut self, committed: Epoch) -> Result<Epoch, OperatorError>;

    /// Shows an epoch's records and sets the marker, in one step of the target. It may be told again of an epoch that the target has, which
    /// changes nothing; epochs come in order, and those without records may be left out. The records of one instance are in their order.
    ///
    /// # Errors
    /// The target refuses: the job fails, and delivers again after a restart.
    fn deliver(&mut self, epoch: Epoch, records: Vec<Self::In>) -> Result<(), OperatorError>;
}

/// An [`EpochTarget`] as a stream's sink.
///
/// ```
/// use yeoul_stream::{DataStream, EpochTarget, ExactlyOnce};
///
/// fn end<K: EpochTarget<In = u64> + Clone + Sync>(numbers: &DataStream<u64>, target: K) {
///     numbers.sink_to(ExactlyOnce::new(move |_| Ok(target.clone())));
/// }
/// ```
pub struct ExactlyOnce<F>(UserSink<Gathered<F>>);

impl<F, K> ExactlyOnce<F>
where
    F: Fn(&Services) -> Result<K, OperatorError> + Send + Sync + 'static,
    K: EpochTarget,
    Vec<K::In>: StateRecord,
{
    /// A sink into the target that `open` connects to, once a run and on a thread that may block.
    #[must_use]
    pub fn new(open: F) -> Self {
        Self(Gathered { open }.into_sink())
    }

    /// How many bytes of an epoch an instance may hold in memory, instead of [`EPOCH_LIMIT`](crate::EPOCH_LIMIT); 1.5 GiB at most. Past it
    /// the job fails: make checkpoints more often.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use yeoul_frame::Epoch;
    /// use yeoul_operator::{OperatorError, Services};
    /// use yeoul_runtime::{JobConfig, spawn};
    /// use yeoul_stream::{EpochTarget, ExactlyOnce, StreamEnvironment, WatermarkStrategy};
    ///
    /// # #[derive(Clone, Default)]
    /// # struct Texts(Arc<Mutex<(Epoch, Vec<String>)>>);
    /// # impl EpochTarget for Texts {
    /// #     type In = String;
    /// #     fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
    /// #         Ok(self.0.lock().unwrap().0)
    /// #     }
    /// #     fn deliver(&mut self, epoch: Epoch, texts: Vec<String>) -> Result<(), OperatorError> {
    /// #         *self.0.lock().unwrap() = (epoch, texts);
    /// #         Ok(())
    /// #     }
    /// # }
    /// // Ten thousand bytes of one epoch, of which a thousand may wait:
    /// let target = Texts::default();
    /// let sink = ExactlyOnce::new(move |_| Ok(target.clone())).epoch_limit(1_000);
    /// let env = StreamEnvironment::new("too much");
    /// env.from_collection(["x".repeat(10_000)], WatermarkStrategy::no_watermarks()).sink_to(sink);
    /// let error = spawn(env.build()?, JobConfig::default(), Services::default()).wait().unwrap_err();
    /// assert!(error.to_string().contains("more than its limit of 1000"));
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn epoch_limit(self, bytes: u64) -> Self {
        Self(self.0.epoch_limit(bytes))
    }
}

impl<F, K> SinkSpec for ExactlyOnce<F>
where
    F: Fn(&Services) -> Result<K, OperatorError> + Send + Sync + 'static,
    K: EpochTarget,
    Vec<K::In>: StateRecord,
{
    type In = K::In;

    fn make(&self) -> MakeOperator {
        self.0.make()
    }

    fn committer(&self) -> MakeCommitter {
        self.0.committer()
    }
}

/// The sink that gathers an epoch's records for a target.
struct Gathered<F> {
    open: F,
}

impl<F, K> TransactionalSink for Gathered<F>
where
    F: Fn(&Services) -> Result<K, OperatorError> + Send + Sync + 'static,
    K: EpochTarget,
    Vec<K::In>: StateRecord,
{
    type Writer = RecordWriter<K::In>;
    type Committer = Giving<K>;

    fn writer(&self, _: &SinkContext) -> Result<Self::Writer, OperatorError> {
        Ok(RecordWriter::default())
    }

    fn committer(&self, services: &Services) -> Result<Giving<K>, OperatorError> {
        Ok(Giving { target: (self.open)(services)? })
    }
}

struct Giving<K> {
    target: K,
}

impl<K: EpochTarget> EpochCommitter for Giving<K>
where
    Vec<K::In>: StateRecord,
{
    type Committable = Vec<K::In>;

    fn recover(&mut self, committed: Epoch) -> Result<Epoch, OperatorError> {
        self.target.recover(committed)
    }

    fn deliver(&mut self, epoch: Epoch, sealed: Vec<Sealed<Vec<K::In>>>) -> Result<(), OperatorError> {
        self.target.deliver(epoch, sealed.into_iter().flat_map(|of| of.committable).collect())
    }
}
