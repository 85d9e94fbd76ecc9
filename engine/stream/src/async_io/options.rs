//! How many requests may be in flight, and for how long.

use std::time::Duration;

/// How an asynchronous operator of a stream treats its requests.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::AsyncOptions;
///
/// let options = AsyncOptions::new(Duration::from_secs(5)).capacity(10_000);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsyncOptions {
    pub(super) timeout: Duration,
    pub(super) capacity: usize,
}

impl AsyncOptions {
    /// Requests in flight in each subtask, if nothing else is said: as many as in Flink.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::AsyncOptions;
    /// let second = Duration::from_secs(1);
    /// assert_eq!(AsyncOptions::new(second), AsyncOptions::new(second).capacity(AsyncOptions::CAPACITY));
    /// ```
    pub const CAPACITY: usize = 100;

    /// A request that has no answer after `timeout` of processing time, all its attempts together, is given up
    /// ([`AsyncFunction::timeout`](crate::AsyncFunction::timeout)). [`Duration::MAX`]: never. After a restore the time begins anew.
    ///
    /// A job that has read all its input, or is drained, waits for all answers within its last checkpoint: let `timeout` be shorter than what
    /// a checkpoint may take. Every other checkpoint passes what is in flight.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::AsyncOptions;
    /// // Requests without a time limit, a hundred at once.
    /// assert_eq!(AsyncOptions::new(Duration::MAX), AsyncOptions::new(Duration::MAX).capacity(100));
    /// ```
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, capacity: Self::CAPACITY }
    }

    /// How many requests each subtask may have in flight: started, with an answer or without, whose results have not left. When there are so many
    /// the operator takes no more records, and who sends them waits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::AsyncOptions;
    /// let options = AsyncOptions::new(Duration::from_secs(5));
    /// assert_ne!(options.capacity(10_000), options);
    /// ```
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }
}
