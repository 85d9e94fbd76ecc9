//! The methods of a stream that make such an operator.

use std::sync::Arc;

use yeoul_operator::MakeOperator;

use super::operator::AsyncOperator;
use super::order::Mode;
use super::{AsyncFunction, AsyncOptions, AsyncRetry};
use crate::tag::Sides;
use crate::{DataStream, StateRecord};

impl<T: StateRecord> DataStream<T> {
    /// Asks the outside about each record; results leave in the order of the records (Flink's `AsyncDataStream.orderedWait`).
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use yeoul_stream::{AsyncOptions, DataStream, OperatorHarness, async_fn};
    /// let ask = async_fn(|n: &u64| std::future::ready(Ok::<_, Infallible>(vec![n + 1])));
    /// let options = AsyncOptions::new(Duration::from_secs(1));
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.async_ordered(ask, options))?;
    /// harness.push([(1, 10), (2, 20)])?;
    /// harness.processing_time(0)?;
    /// assert_eq!(harness.take_output(), [(2, 10), (3, 20)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn async_ordered<A>(&self, function: A, options: AsyncOptions) -> DataStream<A::Out>
    where
        A: AsyncFunction<In = T> + Clone + Sync,
    {
        self.asynchronous(Mode::Ordered, function, options, AsyncRetry::none())
    }

    /// As [`async_ordered`](Self::async_ordered); requests are made again as `retry` says (`orderedWaitWithRetry`).
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use yeoul_stream::{AsyncOptions, AsyncRetry, DataStream, OperatorHarness, async_fn};
    /// let mut down = true;
    /// let ask = async_fn(move |n: &u64| std::future::ready(if std::mem::take(&mut down) { Err(std::fmt::Error) } else { Ok(vec![*n]) }));
    /// let (options, retry) = (AsyncOptions::new(Duration::from_secs(1)), AsyncRetry::fixed_delay(2, Duration::from_millis(10)));
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.async_ordered_with_retry(ask, options, retry))?;
    /// harness.push([(1, 10), (2, 20)])?;
    /// harness.processing_time(0)?;
    /// harness.processing_time(10)?;
    /// assert_eq!(harness.take_output(), [(1, 10), (2, 20)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn async_ordered_with_retry<A>(
        &self,
        function: A,
        options: AsyncOptions,
        retry: AsyncRetry<A::Out, A::Error>,
    ) -> DataStream<A::Out>
    where
        A: AsyncFunction<In = T> + Clone + Sync,
    {
        self.asynchronous(Mode::Ordered, function, options, retry)
    }

    /// Asks the outside about each record; results leave as they come, but none passes a watermark, in either direction (Flink's
    /// `AsyncDataStream.unorderedWait`). So which results are late does not depend on how long answers take.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use yeoul_stream::{AsyncOptions, DataStream, OperatorHarness, async_fn};
    /// // The answer for 1 never comes.
    /// let ask = async_fn(|n: &u64| {
    ///     let n = *n;
    ///     async move { if n == 1 { std::future::pending().await } else { Ok::<_, Infallible>(vec![n]) } }
    /// });
    /// let options = AsyncOptions::new(Duration::from_secs(1));
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.async_unordered(ask, options))?;
    /// harness.push([(1, 10), (2, 20)])?;
    /// harness.watermark(20)?;
    /// harness.push([(3, 30)])?;
    /// harness.processing_time(0)?;
    /// assert_eq!(harness.take_output(), [(2, 20)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn async_unordered<A>(&self, function: A, options: AsyncOptions) -> DataStream<A::Out>
    where
        A: AsyncFunction<In = T> + Clone + Sync,
    {
        self.asynchronous(Mode::Unordered, function, options, AsyncRetry::none())
    }

    /// As [`async_unordered`](Self::async_unordered); requests are made again as `retry` says (`unorderedWaitWithRetry`).
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use yeoul_stream::{AsyncOptions, AsyncRetry, DataStream, OperatorHarness, async_fn};
    /// let mut down = true;
    /// let ask = async_fn(move |n: &u64| std::future::ready(if std::mem::take(&mut down) { Err(std::fmt::Error) } else { Ok(vec![*n]) }));
    /// let (options, retry) = (AsyncOptions::new(Duration::from_secs(1)), AsyncRetry::fixed_delay(2, Duration::from_millis(10)));
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.async_unordered_with_retry(ask, options, retry))?;
    /// harness.push([(1, 10), (2, 20)])?;
    /// harness.processing_time(0)?;
    /// harness.processing_time(10)?;
    /// assert_eq!(harness.take_output(), [(2, 20), (1, 10)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn async_unordered_with_retry<A>(
        &self,
        function: A,
        options: AsyncOptions,
        retry: AsyncRetry<A::Out, A::Error>,
    ) -> DataStream<A::Out>
    where
        A: AsyncFunction<In = T> + Clone + Sync,
    {
        self.asynchronous(Mode::Unordered, function, options, retry)
    }

    fn asynchronous<A>(
        &self,
        mode: Mode,
        function: A,
        options: AsyncOptions,
        retry: AsyncRetry<A::Out, A::Error>,
    ) -> DataStream<A::Out>
    where
        A: AsyncFunction<In = T> + Clone + Sync,
    {
        if options.capacity == 0 {
            self.env.mistake("an asynchronous operator has a capacity of 0 requests; give it at least 1".to_owned());
        }
        let make: MakeOperator =
            Arc::new(move || Box::new(AsyncOperator::new(mode, function.clone(), options, retry.clone())));
        let results = self.one_input("Async Wait", make, &Sides::default());
        // It stands first in its task: what it has no room for stays in the rings before it.
        results.start_new_chain()
    }
}
