//! The folds of a keyed stream over each window: sum, min, max and their kin, by the window's `reduce`.

use std::ops::AddAssign;

use yeoul_frame::Record;
use yeoul_state::Key;

use crate::keyed_fold;
use crate::{AllWindowedStream, DataStream, StateRecord, WindowedStream};

impl<K: Key + Sync, T: Record> WindowedStream<K, T> {
    /// The first record of each key and window with the sum of this field over all of its records.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60))).sum(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 15), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn sum<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: AddAssign + Copy + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        let fold = keyed_fold::sum(field);
        self.reduce(move |held, record| fold(held, record.clone()))
    }

    /// The first record of each key and window with the least value of this field; what does not compare changes nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60))).min(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 2), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn min<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: PartialOrd + Clone + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        let fold = keyed_fold::min(field);
        self.reduce(move |held, record| fold(held, record.clone()))
    }

    /// The first record of each key and window with the greatest value of this field; what does not compare changes nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60))).max(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 9), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn max<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: PartialOrd + Clone + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        let fold = keyed_fold::max(field);
        self.reduce(move |held, record| fold(held, record.clone()))
    }

    /// The record of each key and window with the least value, whole; of equal ones the first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60))).min_by(|reading| reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 2), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn min_by<N, F>(&self, value: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: PartialOrd,
        F: Fn(&T) -> N + Clone + Send + Sync + 'static,
    {
        self.reduce(move |least, record| {
            if value(record) < value(least) {
                least.clone_from(record);
            }
        })
    }

    /// The record of each key and window with the greatest value, whole; of equal ones the first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60))).max_by(|reading| reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 9), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn max_by<N, F>(&self, value: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: PartialOrd,
        F: Fn(&T) -> N + Clone + Send + Sync + 'static,
    {
        self.reduce(move |most, record| {
            if value(record) > value(most) {
                most.clone_from(record);
            }
        })
    }
}

impl<T: Record> AllWindowedStream<T> {
    /// The first record of each window with the sum of this field over all of its records.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).sum(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 15), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn sum<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: AddAssign + Copy + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        self.0.sum(field)
    }

    /// The first record of each window with the least value of this field; what does not compare changes nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).min(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 2), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn min<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: PartialOrd + Clone + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        self.0.min(field)
    }

    /// The first record of each window with the greatest value of this field; what does not compare changes nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).max(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 9), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn max<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: PartialOrd + Clone + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        self.0.max(field)
    }

    /// The record of each window with the least value, whole; of equal ones the first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).min_by(|reading| reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 2), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn min_by<N, F>(&self, value: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: PartialOrd,
        F: Fn(&T) -> N + Clone + Send + Sync + 'static,
    {
        self.0.min_by(value)
    }

    /// The record of each window with the greatest value, whole; of equal ones the first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).max_by(|reading| reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 1_000), ((7, 2), 2_000), ((7, 9), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 9), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn max_by<N, F>(&self, value: F) -> DataStream<T>
    where
        T: StateRecord + Clone,
        N: PartialOrd,
        F: Fn(&T) -> N + Clone + Send + Sync + 'static,
    {
        self.0.max_by(value)
    }
}
