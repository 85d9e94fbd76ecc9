//! An exactly-once sink into memory: for tests and examples.
//!
//! The target is a list that lives as long as its handle does, across restarts of the job; its marker is the last epoch delivered, of each
//! sink that it takes from. Who takes records while the job runs may hold it back: then deliveries wait while too much stands here.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use yeoul_frame::{Epoch, Frame, OperatorId};
use yeoul_operator::{
    Committer, Context, InputId, MakeCommitter, MakeOperator, Operator, OperatorError, SealedOutput, Services,
    SinkSpec, Snapshot,
};
use yeoul_state::Stored;

use crate::owned_state::{StateRecord, archive, unarchive};
use crate::sink::{EPOCH_LIMIT, check_epoch};

/// Output is sealed in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

/// A sink that collects a stream in memory, and the handle that shows what was committed. Sinks into one target are told apart by their
/// operators, so that a job that is started again goes on; jobs that run at the same time need a target each.
///
/// ```
/// use yeoul_stream::{StreamEnvironment, WatermarkStrategy, collect};
///
/// let env = StreamEnvironment::new("numbers");
/// let (sink, numbers) = collect();
/// env.from_collection([1u64, 2, 3], WatermarkStrategy::no_watermarks()).sink_to(sink);
/// // Once the job has run:
/// assert!(numbers.take().is_empty());
/// ```
#[must_use]
pub fn collect<T: StateRecord + Clone>() -> (CollectSink<T>, Collected<T>) {
    let target = Target { delivered: BTreeMap::new(), records: Vec::new(), bytes: 0, brake: None };
    let target = Arc::new((Mutex::new(target), Condvar::new()));
    (CollectSink { target: target.clone() }, Collected { target })
}

/// See [`collect`].
///
/// ```
/// use yeoul_operator::Services;
/// use yeoul_runtime::{JobConfig, spawn};
/// use yeoul_stream::{StreamEnvironment, WatermarkStrategy, collect};
///
/// let env = StreamEnvironment::new("two sinks");
/// let (sink, all) = collect();
/// let numbers = |of: [u64; 2]| env.from_collection(of, WatermarkStrategy::no_watermarks());
/// numbers([1, 2]).sink_to(sink.clone());
/// numbers([3, 4]).sink_to(sink);
/// spawn(env.build()?, JobConfig::default(), Services::default()).wait()?;
/// let mut all = all.take();
/// all.sort_unstable();
/// assert_eq!(all, [1, 2, 3, 4]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct CollectSink<T> {
    target: Shared<T>,
}

/// What a [`CollectSink`] has committed.
///
/// ```
/// use std::time::Duration;
/// use yeoul_operator::Services;
/// use yeoul_runtime::{JobConfig, spawn};
/// use yeoul_stream::{StreamEnvironment, WatermarkStrategy, collect};
///
/// let env = StreamEnvironment::new("numbers");
/// let (sink, numbers) = collect();
/// env.from_collection([1u64, 2, 3], WatermarkStrategy::no_watermarks()).sink_to(sink);
/// let job = spawn(env.build()?, JobConfig::default(), Services::default());
/// // Waits until they are committed; `take` does not.
/// assert_eq!(numbers.wait(Duration::from_secs(60)), [1, 2, 3]);
/// job.wait()?;
/// assert!(numbers.take().is_empty());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Collected<T> {
    target: Shared<T>,
}

/// The target, and what tells that it has new records.
type Shared<T> = Arc<(Mutex<Target<T>>, Condvar)>;

struct Target<T> {
    delivered: BTreeMap<OperatorId, Epoch>,
    records: Vec<T>,
    /// What they were delivered as.
    bytes: u64,
    brake: Option<Brake>,
}

/// When deliveries wait.
struct Brake {
    most: u64,
    unless: Box<dyn Fn() -> bool + Send>,
}

/// How often a delivery that waits looks whether it still has to.
const LOOK: Duration = Duration::from_millis(20);

impl<T> Target<T> {
    fn is_full(&self) -> bool {
        self.brake.as_ref().is_some_and(|brake| self.bytes >= brake.most && !(brake.unless)())
    }
}

fn lock<T>(target: &Shared<T>) -> MutexGuard<'_, Target<T>> {
    target.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Collected<T> {
    /// Takes all that was committed since the last call. Order holds within an epoch and sink subtask.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        self.taken(lock(&self.target))
    }

    fn taken(&self, mut target: MutexGuard<'_, Target<T>>) -> Vec<T> {
        target.bytes = 0;
        self.target.1.notify_all();
        std::mem::take(&mut target.records)
    }

    /// From now on deliveries wait while so many bytes stand here, but for times when `unless` holds (the job is to stop, say): and while a
    /// delivery waits for long, so do the job's sources. For those who take records while the job runs.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_operator::Services;
    /// # use yeoul_runtime::{JobConfig, spawn};
    /// # use yeoul_stream::{StreamEnvironment, WatermarkStrategy, collect};
    /// # let env = StreamEnvironment::new("numbers");
    /// let (sink, numbers) = collect();
    /// # env.from_collection(0..100u64, WatermarkStrategy::no_watermarks()).sink_to(sink);
    /// // A megabyte may wait here. Once the job is asked to stop, more.
    /// # let job = spawn(env.build()?, JobConfig::default(), Services::default());
    /// let watch = job.watch().clone();
    /// numbers.hold_back(1 << 20, move || watch.is_asked());
    /// let mut seen = 0;
    /// while seen < 100 {
    ///     seen += numbers.wait(Duration::from_millis(50)).len();
    /// }
    /// // Nobody takes any more.
    /// numbers.release();
    /// # job.wait()?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold_back(&self, bytes: u64, unless: impl Fn() -> bool + Send + 'static) {
        lock(&self.target).brake = Some(Brake { most: bytes.max(1), unless: Box::new(unless) });
    }

    /// Deliveries wait no more.
    pub fn release(&self) {
        lock(&self.target).brake = None;
        self.target.1.notify_all();
    }

    /// As [`take`](Self::take), and waits for records if there are none: until some come, or so long.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Vec<T> {
        let mut target = lock(&self.target);
        if target.records.is_empty() {
            let waited = self.target.1.wait_timeout_while(target, patience, |target| target.records.is_empty());
            target = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.taken(target)
    }
}

impl<T> Clone for CollectSink<T> {
    /// Another sink into the same target, also of the same job.
    fn clone(&self) -> Self {
        Self { target: self.target.clone() }
    }
}

impl<T> Clone for Collected<T> {
    fn clone(&self) -> Self {
        Self { target: self.target.clone() }
    }
}

impl<T: StateRecord + Clone> SinkSpec for CollectSink<T> {
    type In = T;

    fn make(&self) -> MakeOperator {
        Arc::new(|| Box::new(Sealing::<T> { pieces: Vec::new(), held: 0, records: PhantomData }))
    }

    fn committer(&self) -> MakeCommitter {
        let target = self.target.clone();
        Arc::new(move || Box::new(Delivering { sink: OperatorId(0), target: target.clone() }))
    }
}

/// Collects an epoch's records, encoded: a length and an archive each.
struct Sealing<T> {
    pieces: Vec<Vec<u8>>,
    /// Their bytes.
    held: u64,
    records: PhantomData<fn() -> T>,
}

impl<T: StateRecord> Operator for Sealing<T> {
    fn process(&mut self, _: InputId, frame: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        for (_, record) in frame.rows::<T>() {
            if self.pieces.last().is_none_or(|piece| piece.len() >= PIECE_BYTES) {
                self.pieces.push(Vec::new());
            }
            let bytes = archive(&T::from_archived(record));
            let piece = self.pieces.last_mut().expect("one was just pushed, if there was none");
            (bytes.len() as u32).encode(piece);
            piece.extend_from_slice(&bytes);
            self.held += (size_of::<u32>() + bytes.len()) as u64;
        }
        let hint = "make checkpoints more often: what is collected is held in memory until its epoch ends";
        check_epoch("collect", self.held, EPOCH_LIMIT).map_err(|error| error.hint(hint))
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.held = 0;
        self.pieces.drain(..).for_each(|piece| snapshot.seal(piece));
        Ok(())
    }
}

struct Delivering<T> {
    sink: OperatorId,
    target: Shared<T>,
}

impl<T: StateRecord> Committer for Delivering<T> {
    fn of_sink(&mut self, sink: OperatorId) {
        self.sink = sink;
    }

    fn recover(&mut self, _: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        let mut target = lock(&self.target);
        if committed == Epoch(0) {
            // A run that begins anew (a second one of a job without a data folder, say): its epochs are not those of the run before.
            target.delivered.remove(&self.sink);
        }
        Ok(target.delivered.get(&self.sink).copied().unwrap_or(Epoch(0)))
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        let mut records = Vec::new();
        for output in outputs {
            let mut rest = &output.bytes[..];
            while !rest.is_empty() {
                let bad =
                    |error| OperatorError::new(format!("sealed output of {epoch} does not read")).caused_by(error);
                let len = u32::decode(&mut rest).map_err(bad)? as usize;
                let (record, after) = rest.split_at_checked(len).ok_or_else(|| {
                    OperatorError::new(format!("sealed output of {epoch} is cut short: {} of {len} bytes", rest.len()))
                })?;
                records.push(unarchive(record).map_err(bad)?);
                rest = after;
            }
        }
        let bytes: u64 = outputs.iter().map(|output| output.bytes.len() as u64).sum();
        let mut target = lock(&self.target);
        // What is here already may be more than enough; then an epoch's worth comes on top, at most.
        while bytes > 0 && target.is_full() {
            target = self.target.1.wait_timeout(target, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        // One critical section is this target's transaction: the records with their marker.
        if target.delivered.get(&self.sink).is_none_or(|delivered| epoch > *delivered) {
            target.delivered.insert(self.sink, epoch);
            target.records.append(&mut records);
            target.bytes += bytes;
            self.target.1.notify_all();
        }
        Ok(())
    }
}
