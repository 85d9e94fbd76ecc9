//! What windows compute: the functions that users write, beside [`AggregateFunction`].

use std::marker::PhantomData;

use yeoul_frame::{Record, Timestamp};
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_state::{AggregateFunction, Key};

use crate::side_outputs::SideOutputs;
use crate::{Collector, OutputTag, TimeWindow};

/// An [`AggregateFunction`] that counts what is added.
///
/// ```
/// use yeoul_stream::{AggregateFunction, Count};
/// let count = Count::<str>::new();
/// let mut acc = count.create();
/// count.add(&mut acc, "one");
/// assert_eq!(count.result(&acc), 1);
/// ```
#[derive(Debug)]
pub struct Count<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized> Count<T> {
    /// A count.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized> Default for Count<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized> Clone for Count<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized + 'static> AggregateFunction for Count<T> {
    type In = T;
    type Acc = u64;
    type Out = u64;

    fn create(&self) -> u64 {
        0
    }

    #[inline]
    fn add(&self, count: &mut u64, _: &T) {
        *count += 1;
    }

    #[inline]
    fn merge(&self, count: &mut u64, other: &u64) {
        *count += other;
    }

    fn result(&self, count: &u64) -> u64 {
        *count
    }
}

/// Works on all records of a key's window together (Flink's `ProcessWindowFunction`). They are all kept until then: where an
/// [`AggregateFunction`] will do, it needs far less state.
pub trait ProcessWindowFunction: Send + 'static {
    /// The key.
    type Key: Key;
    /// What it takes.
    type In: Record;
    /// What it gives.
    type Out: Record;

    /// Called once for each subtask, before anything else.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// The window of `key` fires. Results take the window's last time as their event time.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process(
        &mut self,
        key: &Self::Key,
        cx: &mut WindowContext<'_>,
        elements: &[Self::In],
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Called once at the end.
    fn close(&mut self) {}
}

/// What a window function knows of the window that fires.
pub struct WindowContext<'a> {
    pub(crate) window: TimeWindow,
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) sides: &'a mut SideOutputs,
}

impl WindowContext<'_> {
    /// The window.
    #[must_use]
    pub fn window(&self) -> TimeWindow {
        self.window
    }

    /// The present watermark.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The present processing time.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.now
    }

    /// Adds a record to a side output, with the window's last time as its event time.
    #[expect(clippy::needless_pass_by_value, reason = "as `Collector::collect`: a result is given away")]
    pub fn output<T: Record>(&mut self, tag: &OutputTag<T>, record: T) {
        self.sides.collect(tag, &record, self.window.max_timestamp());
    }
}
