//! What an operator is given with each call: the right to emit, and the present times.

use std::sync::Arc;

use yeoul_frame::{Frame, KeyGroups, OperatorId, Pool, Timestamp};

use crate::{Counters, Metrics, OutputId, Services};

/// How many frames one call may emit before it is asked to pause.
///
/// ```
/// use yeoul_frame::{Pool, RowBuilder, RowKind, Timestamp};
/// use yeoul_operator::context::FRAMES_PER_CALL;
/// use yeoul_operator::{Context, Counters, OutputId};
///
/// let (pool, counters, mut emitted) = (Pool::new(), Counters::default(), Vec::new());
/// let mut cx = Context::new(&mut emitted, Timestamp(0), Timestamp(0), &pool, &counters);
/// while cx.has_room() {
///     let mut rows = RowBuilder::<u64>::new(cx.pool(), 1);
///     rows.push(&7, Timestamp(0), RowKind::Insert).unwrap();
///     cx.emit(OutputId::MAIN, rows.finish());
/// }
/// assert_eq!(emitted.len(), FRAMES_PER_CALL);
/// ```
pub const FRAMES_PER_CALL: usize = 16;

/// Which of an operator's parallel instances this is.
///
/// ```
/// use yeoul_frame::{KeyGroups, hash_u64};
/// use yeoul_operator::Subtask;
///
/// // The keys of the second of two instances.
/// let second = Subtask { index: 1, parallelism: 2 };
/// let own = KeyGroups::DEFAULT.range(second.index, second.parallelism);
/// let keys = (0..1_000).filter(|key| own.contains(&KeyGroups::DEFAULT.of(hash_u64(*key)).0)).count();
/// assert!((400..600).contains(&keys));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtask {
    /// From 0.
    pub index: u16,
    /// How many there are.
    pub parallelism: u16,
}

/// What an operator learns when it is opened.
///
/// ```
/// use yeoul_operator::{OpenContext, OperatorError};
///
/// /// What a function's `open` may look at.
/// fn open(cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
///     if cx.subtask.parallelism > 1 {
///         return Err(OperatorError::new(format!("'{}' has {} subtasks", cx.name, cx.subtask.parallelism)).hint("give it one").permanent());
///     }
///     Ok(())
/// }
/// # use std::sync::Arc;
/// # use yeoul_frame::{KeyGroups, OperatorId, Pool};
/// # use yeoul_operator::{Counters, Services, Subtask, Waker};
/// # let (services, pool) = (Services::default(), Pool::new());
/// # let mut cx = OpenContext {
/// #     operator: OperatorId::of("check"), name: "Check", subtask: Subtask { index: 0, parallelism: 1 }, key_groups: KeyGroups::DEFAULT,
/// #     services: &services, pool: &pool, counters: Arc::new(Counters::default()), waker: Waker::default(),
/// # };
/// assert!(open(&mut cx).is_ok());
/// cx.subtask.parallelism = 2;
/// assert!(open(&mut cx).unwrap_err().to_string().starts_with("'Check' has 2 subtasks"));
/// ```
pub struct OpenContext<'a> {
    /// The operator's stable id, from which its tables' ids derive.
    pub operator: OperatorId,
    /// Its name, for messages.
    pub name: &'a str,
    /// Which instance this is.
    pub subtask: Subtask,
    /// The job's key groups.
    pub key_groups: KeyGroups,
    /// Clock and files.
    pub services: &'a Services,
    /// Where frames get their memory.
    pub pool: &'a Pool,
    /// Named counters of this instance.
    pub counters: Arc<Counters>,
    /// Wakes the shard, for I/O threads of the operator's own.
    pub waker: Waker,
}

impl OpenContext<'_> {
    /// Metrics of the user's own, of this instance (Flink's `getRuntimeContext().getMetricGroup()`).
    ///
    /// ```
    /// use yeoul_operator::OpenContext;
    ///
    /// # use std::sync::Arc;
    /// # use yeoul_frame::{KeyGroups, OperatorId, Pool};
    /// # use yeoul_operator::{Counters, Services, Subtask, Waker};
    /// # let (services, pool) = (Services::default(), Pool::new());
    /// # let mut cx = OpenContext {
    /// #     operator: OperatorId::of("check"), name: "Check", subtask: Subtask { index: 0, parallelism: 1 }, key_groups: KeyGroups::DEFAULT,
    /// #     services: &services, pool: &pool, counters: Arc::new(Counters::default()), waker: Waker::default(),
    /// # };
    /// // In a function's `open`; what it gives is kept.
    /// let rejected = cx.metrics().counter("rejected");
    /// rejected.inc();
    /// assert_eq!(cx.metrics().counter("rejected").get(), 1);
    /// # let _ = &mut cx;
    /// ```
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.counters.metrics
    }
}

/// Wakes a parked shard, from any thread. Push what there is to take, then wake: the shard looks again after it.
///
/// ```
/// use std::sync::mpsc::channel;
/// use yeoul_operator::Waker;
///
/// let (told, woken) = channel();
/// let waker = Waker::new(move || told.send("wake up").unwrap());
/// // A thread of the operator's own:
/// std::thread::spawn(move || waker.wake()).join().unwrap();
/// assert_eq!(woken.recv(), Ok("wake up"));
/// ```
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// Wakes by this call.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(wake))
    }

    /// Wakes the shard if it is parked. A shard that has ended meanwhile is not there to be woken, and that is all.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl Default for Waker {
    /// Wakes nobody: for tests of operators.
    fn default() -> Self {
        Self::new(|| {})
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

/// What an operator may do during a call: emit, look at the times, count.
///
/// ```
/// use yeoul_frame::{Pool, RowBuilder, RowKind, Timestamp};
/// use yeoul_operator::{Context, Counters, OutputId};
///
/// let (pool, counters, mut emitted) = (Pool::new(), Counters::default(), Vec::new());
/// // As a test calls an operator, at 1,000 ms by the clock and with the watermark at 900.
/// let mut cx = Context::new(&mut emitted, Timestamp(900), Timestamp(1_000), &pool, &counters);
/// let behind = cx.now().0 - cx.watermark().0;
/// let mut rows = RowBuilder::<i64>::new(cx.pool(), 1);
/// rows.push(&behind, cx.watermark(), RowKind::Insert).unwrap();
/// cx.emit(OutputId::MAIN, rows.finish());
/// assert!(cx.has_room() && cx.counters().records_out.get() == 1);
/// let (output, frame) = &emitted[0];
/// assert_eq!((*output, frame.rows::<i64>().iter().map(|(_, n)| n.to_native()).collect::<Vec<_>>()), (OutputId::MAIN, vec![100]));
/// ```
pub struct Context<'a> {
    pub(crate) emitted: &'a mut Vec<(OutputId, Frame)>,
    watermark: Timestamp,
    now: Timestamp,
    pool: &'a Pool,
    counters: &'a Counters,
}

impl<'a> Context<'a> {
    /// A context that collects what is emitted. For the runtime and for tests of operators.
    pub fn new(
        emitted: &'a mut Vec<(OutputId, Frame)>,
        watermark: Timestamp,
        now: Timestamp,
        pool: &'a Pool,
        counters: &'a Counters,
    ) -> Self {
        Self { emitted, watermark, now, pool, counters }
    }

    /// Sends a frame on. An empty one is not sent.
    pub fn emit(&mut self, output: OutputId, frame: Frame) {
        if !frame.is_empty() {
            self.counters.records_out.add(frame.len() as u64);
            self.emitted.push((output, frame));
        }
    }

    /// Whether this call should go on emitting, or return [`Progress::More`](crate::Progress::More).
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.emitted.len() < FRAMES_PER_CALL
    }

    /// The task's present event-time watermark.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The present processing time, read once a step.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Where frames get their memory.
    #[must_use]
    pub fn pool(&self) -> &'a Pool {
        self.pool
    }

    /// This instance's counters.
    #[must_use]
    pub fn counters(&self) -> &'a Counters {
        self.counters
    }
}
