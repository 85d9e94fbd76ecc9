//! The records of a stream whose job runs meanwhile, one by one.

use std::collections::VecDeque;
use std::time::Duration;

use yeoul_runtime::JobHandle;
use yeoul_stream::{Collected, DataStream, StateRecord, collect};

use crate::{Environment, Error};

/// How long a reader waits before it looks whether the job has ended.
const PATIENCE: Duration = Duration::from_millis(50);

/// How many bytes may stand committed that the reader has not taken, before the job waits for it. An epoch's worth comes on top.
const AHEAD: u64 = 4 << 20;

impl Environment {
    /// Runs the job and gives the records of one of its streams as they are committed (Flink's `executeAndCollect`): each once, also over
    /// failures. The job ends when the iterator is dropped.
    ///
    /// Records are committed with a checkpoint: of a stream without end the first ones come after the first checkpoint interval. A job whose
    /// records are not read waits, once some megabytes stand there: who waits for its end reads on.
    ///
    /// ```
    /// use yeoul::prelude::*;
    ///
    /// let env = Environment::new("lengths");
    /// let words = env.from_collection(["swift", "shallow"].map(str::to_owned), WatermarkStrategy::no_watermarks());
    /// let lengths = env.execute_and_collect(&words.map(|word| word.len() as u64))?;
    /// let mut lengths: Vec<u64> = lengths.collect::<Result<_, _>>()?;
    /// lengths.sort_unstable();
    /// assert_eq!(lengths, [5, 7]);
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    ///
    /// # Errors
    /// The graph was put together wrongly. Why the job failed is the iterator's last item.
    pub fn execute_and_collect<T: StateRecord + Clone>(&self, stream: &DataStream<T>) -> Result<Records<T>, Error> {
        let (sink, collected) = collect();
        stream.sink_to(sink).name("collect");
        let job = self.execute_async()?;
        // Whoever asks it for something may be the one who reads.
        let watch = job.watch().clone();
        collected.hold_back(AHEAD, move || watch.is_asked());
        Ok(Records { job: Some(job), collected, waiting: VecDeque::new() })
    }
}

/// What [`Environment::execute_and_collect`] gives.
///
/// ```
/// use yeoul::prelude::*;
///
/// let env = Environment::new("for ever");
/// let numbers = env.from_source(GeneratorSource::unbounded(|n| n), WatermarkStrategy::no_watermarks(), "numbers");
/// let mut first: Vec<u64> = env.execute_and_collect(&numbers)?.take(100).collect::<Result<_, _>>()?;
/// // The iterator is gone, and with it the job.
/// first.dedup();
/// assert_eq!(first.len(), 100);
/// # Ok::<_, yeoul::Error>(())
/// ```
pub struct Records<T> {
    /// None: the job has ended, and what it gave has been taken.
    job: Option<JobHandle>,
    collected: Collected<T>,
    waiting: VecDeque<T>,
}

impl<T> Records<T> {
    /// The job, to watch or to stop. None once it has ended.
    ///
    /// ```
    /// use yeoul::prelude::*;
    ///
    /// let env = Environment::new("numbers");
    /// let numbers = env.from_collection(0..100u64, WatermarkStrategy::no_watermarks());
    /// let mut numbers = env.execute_and_collect(&numbers)?;
    /// let watch = numbers.job().expect("it runs").watch().clone();
    /// assert_eq!(numbers.by_ref().count(), 100);
    /// assert!(numbers.job().is_none() && watch.source_records() == 100);
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    #[must_use]
    pub fn job(&self) -> Option<&JobHandle> {
        self.job.as_ref()
    }
}

impl<T> Iterator for Records<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return Some(Ok(record));
            }
            // Asked before what there is is taken: what an ended job gave is there.
            let has_ended = self.job.as_ref()?.has_ended();
            self.waiting = self.collected.wait(if has_ended { Duration::ZERO } else { PATIENCE }).into();
            if self.waiting.is_empty()
                && has_ended
                && let Some(Err(error)) = self.job.take().map(JobHandle::wait)
            {
                return Some(Err(error.into()));
            }
        }
    }
}

impl<T> Drop for Records<T> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            self.collected.release();
            job.cancel();
            // How a job ended that nobody asks for any more says nothing.
            let _ = job.wait();
        }
    }
}
