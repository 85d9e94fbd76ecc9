//! Event time and processing time of a harness: what the test says, and what the operator makes of it.

use yeoul_frame::{Record, Timestamp};

use super::{HarnessError, OperatorHarness};

impl<I: Record, O: Record, J: Record> OperatorHarness<I, O, J> {
    /// Raises the watermark of all inputs. One that is not higher is ignored.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 1_000)])?;
    /// harness.watermark(59_998)?;
    /// assert!(harness.take_output().is_empty());
    /// harness.watermark(59_999)?;
    /// assert_eq!(harness.take_output(), [(1u64, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn watermark(&mut self, watermark: i64) -> Result<(), HarnessError> {
        self.watermarks = self.watermarks.map(|of| of.max(Timestamp(watermark)));
        self.raise()
    }

    /// Raises the watermark of the first of two inputs: the operator's is the lesser one of both.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|a: DataStream<u64>, b: DataStream<u64>| a.union(&b).map(|n| n.to_native()))?;
    /// harness.watermark_first(20)?;
    /// assert!(harness.take_watermarks().is_empty());
    /// harness.watermark_second(10)?;
    /// assert_eq!(harness.take_watermarks(), [10]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn watermark_first(&mut self, watermark: i64) -> Result<(), HarnessError> {
        self.watermarks[0] = self.watermarks[0].max(Timestamp(watermark));
        self.raise()
    }

    /// Raises the watermark of the second of two inputs.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|numbers: DataStream<u64>, words: DataStream<String>| {
    ///     numbers.connect(&words).map(|number| number.to_native(), |word| word.len() as u64)
    /// })?;
    /// harness.watermark(10)?;
    /// harness.watermark_second(20)?;
    /// assert_eq!(harness.current_watermark(), 10);
    /// harness.watermark_first(30)?;
    /// assert_eq!(harness.current_watermark(), 20);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn watermark_second(&mut self, watermark: i64) -> Result<(), HarnessError> {
        self.watermarks[1] = self.watermarks[1].max(Timestamp(watermark));
        self.raise()
    }

    fn raise(&mut self) -> Result<(), HarnessError> {
        let watermark = self.watermarks[0].min(self.watermarks[1]);
        if watermark <= self.watermark {
            return Ok(());
        }
        self.watermark = watermark;
        self.counters.set_watermark(watermark);
        self.call(|operator, cx| operator.on_watermark(watermark, cx))?;
        let out = self.operator.output_watermark(watermark);
        if out > self.left.0 {
            self.left.0 = out;
            self.left.1.push(out.0);
        }
        Ok(())
    }

    /// Takes the watermarks that have left the operator since the last call: behind what it gave before them.
    ///
    /// ```
    /// use yeoul_stream::OperatorHarness;
    ///
    /// let mut harness = OperatorHarness::of(|numbers| numbers.map(|n: &rkyv::Archived<u64>| n.to_native()))?;
    /// harness.push([(1u64, 10)])?;
    /// harness.watermark(5)?;
    /// harness.watermark(4)?;
    /// harness.watermark(10)?;
    /// assert_eq!(harness.take_watermarks(), [5, 10]);
    /// assert_eq!(harness.current_watermark(), 10);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn take_watermarks(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.left.1)
    }

    /// The operator's watermark.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.watermark(20)?;
    /// harness.watermark(10)?;
    /// assert_eq!(harness.current_watermark(), 20);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn current_watermark(&self) -> i64 {
        self.watermark.0
    }

    /// Sets the processing time, and lets the operator do what is due.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingProcessingTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     readings.window_all(TumblingProcessingTimeWindows::of(Duration::from_secs(60))).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 0)])?;
    /// harness.processing_time(60_000)?;
    /// assert_eq!(harness.take_output(), [(1u64, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn processing_time(&mut self, now: i64) -> Result<(), HarnessError> {
        self.now = Timestamp(now);
        while self.operator.next_processing_time().is_some_and(|due| due <= self.now) {
            self.call(|operator, cx| operator.on_processing_time(cx.now(), cx))?;
        }
        Ok(())
    }

    /// Lets processing time pass up to `now`, and stops at each time for which the operator has asked on the way: what is due then sees that
    /// time, as it would if nothing held the shard up. [`processing_time`](Self::processing_time) is as if it had been held up all the while.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingProcessingTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| {
    ///     let windows = numbers.key_by(|n| n.to_native()).window(TumblingProcessingTimeWindows::of(Duration::from_secs(1)));
    ///     windows.aggregate_with(Count::new(), |_, window, count, out| out.collect((window.start.0, count)))
    /// })?;
    /// harness.push([(7u64, 0)])?;
    /// assert!(harness.next_processing_time().is_some_and(|due| due <= 1_000));
    /// harness.pass_until(5_000)?;
    /// assert_eq!(harness.take_output().len(), 1);
    /// assert_eq!((harness.next_processing_time(), harness.current_processing_time()), (None, 5_000));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn pass_until(&mut self, now: i64) -> Result<(), HarnessError> {
        while let Some(due) = self.operator.next_processing_time().filter(|due| due.0 <= now) {
            self.processing_time(due.max(self.now).0)?;
        }
        self.processing_time(now)
    }

    /// The processing time.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// assert_eq!(harness.current_processing_time(), 0);
    /// harness.processing_time(60_000)?;
    /// assert_eq!(harness.current_processing_time(), 60_000);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn current_processing_time(&self) -> i64 {
        self.now.0
    }

    /// The processing time for which the operator has asked: before it nothing is due.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingProcessingTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     readings.window_all(TumblingProcessingTimeWindows::of(Duration::from_secs(60))).aggregate(Count::new())
    /// })?;
    /// assert_eq!(harness.next_processing_time(), None);
    /// harness.push([(7, 0)])?;
    /// assert!(harness.next_processing_time().is_some_and(|due| due <= 60_000));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn next_processing_time(&self) -> Option<i64> {
        self.operator.next_processing_time().map(|due| due.0)
    }

    /// Ends the input: event time runs to its end.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 1_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(1u64, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn finish(&mut self) -> Result<(), HarnessError> {
        self.watermark(i64::MAX)
    }
}
