//! The contents of windows in a savepoint: panes of tumbling and sliding windows, sessions, and windows that are kept one by one.

use std::marker::PhantomData;

use yeoul_frame::Timestamp;
use yeoul_state::{Key, Panes, Table, Value};

use super::error::SavepointError;
use super::reader::OperatorReader;
use crate::owned_state::{Owned, OwnedList, StateRecord};
use crate::window::general::Merging;
use crate::window::session::Sessions;
use crate::{TimeWindow, WindowKey};

/// What a window operator keeps, by the method that it was made with: [`Aggregated`], [`Reduced`] or [`Records`].
///
/// ```
/// use yeoul_stream::savepoint::{Aggregated, Records, Reduced, SavedContent};
///
/// fn read_as<C: SavedContent<Content = T>, T>() {}
/// // Of `aggregate` with `Count`, of `reduce` and of `process` over records of type `(u64, i64)`:
/// read_as::<Aggregated<u64>, u64>();
/// read_as::<Reduced<(u64, i64)>, Option<(u64, i64)>>();
/// read_as::<Records<(u64, i64)>, Vec<(u64, i64)>>();
/// ```
pub trait SavedContent {
    /// As it is kept.
    #[doc(hidden)]
    type Held: Value;
    /// As it is read.
    type Content;

    /// From one to the other.
    #[doc(hidden)]
    fn content(held: Self::Held) -> Self::Content;

    /// Of windows that are kept one by one.
    #[doc(hidden)]
    fn windows<K: Key>(operator: &OperatorReader<'_>) -> Result<Vec<(WindowKey<K>, Self::Content)>, SavepointError>
    where
        Self::Held: Clone,
    {
        let mut all = Vec::new();
        for part in 0..operator.parts() {
            let mut table =
                Table::<WindowKey<K>, Self::Held>::new(operator.id.table("window contents"), "window contents");
            operator.restore(part, &mut [&mut table])?;
            all.extend(table.iter().map(|(at, held)| (at.clone(), Self::content(held.clone()))));
        }
        Ok(all)
    }
}

/// Of `aggregate`: accumulators.
pub struct Aggregated<Acc>(PhantomData<fn() -> Acc>);

/// Of `reduce`: the record so far, if there is one.
pub struct Reduced<T>(PhantomData<fn() -> T>);

/// Of `process`: the records in the order in which they came.
pub struct Records<T>(PhantomData<fn() -> T>);

impl<Acc: Value + Clone> SavedContent for Aggregated<Acc> {
    type Held = Acc;
    type Content = Acc;

    fn content(held: Acc) -> Acc {
        held
    }
}

impl<T: StateRecord + Clone> SavedContent for Reduced<T> {
    type Held = Owned<T>;
    type Content = Option<T>;

    fn content(held: Owned<T>) -> Option<T> {
        held.into_inner()
    }
}

impl<T: StateRecord + Clone> SavedContent for Records<T> {
    type Held = OwnedList<T>;
    type Content = Vec<T>;

    fn content(held: OwnedList<T>) -> Vec<T> {
        held.records
    }

    fn windows<K: Key>(operator: &OperatorReader<'_>) -> Result<Vec<(WindowKey<K>, Vec<T>)>, SavepointError> {
        let lists = operator.lists::<WindowKey<K>, (Owned<T>, Timestamp)>("window elements")?;
        let records = |list: Vec<(Owned<T>, Timestamp)>| list.into_iter().filter_map(|(owned, _)| owned.into_inner());
        Ok(lists.into_iter().map(|(at, list)| (at, records(list).collect())).collect())
    }
}

/// What a key has in a pane. A pane is as long as the greatest length that divides the windows' size and slide, so a sliding window is made of
/// several.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::savepoint::SavedPane;
///
/// /// What a key has in the hour that begins at a time, of panes that are counts of ten minutes.
/// fn count(panes: &[SavedPane<u64, u64>], key: u64, hour: Timestamp) -> u64 {
///     let of_hour = panes.iter().filter(|pane| pane.key == key && hour <= pane.start && pane.start < hour.plus(3_600_000));
///     of_hour.map(|pane| pane.content).sum()
/// }
/// let pane = |minute: i64, content| SavedPane { start: Timestamp(minute * 60_000), key: 7, content };
/// assert_eq!(count(&[pane(0, 2), pane(50, 3), pane(60, 4)], 7, Timestamp(0)), 5);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SavedPane<K, C> {
    /// The pane's first time.
    pub start: Timestamp,
    /// The key.
    pub key: K,
    /// What it holds.
    pub content: C,
}

/// A session of a key.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::TimeWindow;
/// use yeoul_stream::savepoint::SavedSession;
///
/// let window = TimeWindow { start: Timestamp(1_000), end: Timestamp(61_000) };
/// let session = SavedSession { key: 7u64, window, fired: false, content: vec!["cart", "checkout"] };
/// assert!(!session.fired && session.window.max_timestamp() == Timestamp(60_999));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SavedSession<K, C> {
    /// The key.
    pub key: K,
    /// From its first record to the end of the gap after its last one.
    pub window: TimeWindow,
    /// Whether it has fired as it is, and is kept for late records.
    pub fired: bool,
    /// What it holds.
    pub content: C,
}

/// A window of a key, of those that are kept one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedWindow<K, C> {
    /// The key.
    pub key: K,
    /// The window.
    pub window: TimeWindow,
    /// What it holds.
    pub content: C,
}

impl OperatorReader<'_> {
    /// The panes of tumbling and sliding windows, in the order of time within each part of the keys.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_frame::Timestamp;
    /// # use yeoul_operator::Services;
    /// # use yeoul_runtime::{JobConfig, spawn};
    /// # use yeoul_stream::{Count, GeneratorSource, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    /// use yeoul_stream::SavepointReader;
    /// use yeoul_stream::savepoint::Aggregated;
    ///
    /// # let folder = std::env::temp_dir().join(format!("yeoul-saved-panes-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    /// # let env = StreamEnvironment::new("saved");
    /// # let always = WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|_: &rkyv::Archived<u64>| Timestamp(1_000));
    /// # let numbers = env.from_source(GeneratorSource::unbounded(|n| n).splits(1).rate(10_000), always, "numbers");
    /// // In the job, of numbers that are all of the first minute:
    /// let minutes = numbers.key_by(|n| n.to_native() % 2).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// minutes.aggregate(Count::new()).uid("counts").sink_to(collect().0);
    /// # let config = JobConfig { shards: 1, pin: false, data: Some(folder.join("data")), ..JobConfig::default() };
    /// # let job = spawn(env.build()?, config, Services::default());
    /// # while job.watch().source_records() < 100 {
    /// #     std::thread::yield_now();
    /// # }
    /// # job.stop(folder.join("savepoint").to_str(), false)?;
    /// # job.wait()?;
    /// // The accumulator of `Count` is a number.
    /// let savepoint = SavepointReader::open(folder.join("savepoint"))?;
    /// let panes = savepoint.operator("counts")?.panes::<u64, Aggregated<u64>>()?;
    /// assert!(panes.len() == 2 && panes.iter().all(|pane| pane.start == Timestamp(0)));
    /// assert!(panes.iter().map(|pane| pane.content).sum::<u64>() >= 100);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the operator has no such windows, their keys or contents are others, or a file is damaged.
    pub fn panes<K: Key, C: SavedContent<Held: Clone>>(&self) -> Result<Vec<SavedPane<K, C::Content>>, SavepointError> {
        let mut all = Vec::new();
        for part in 0..self.parts() {
            let mut panes = Panes::<K, C::Held>::new(self.id.table("windows"), "windows");
            self.restore(part, &mut [&mut panes])?;
            for start in panes.namespaces() {
                let entries = panes.get(start).into_iter().flat_map(Table::iter);
                all.extend(entries.map(|(key, held)| SavedPane {
                    start: Timestamp(start),
                    key: key.clone(),
                    content: C::content(held.clone()),
                }));
            }
        }
        Ok(all)
    }

    /// The sessions of session windows; those of a key in the order of time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_frame::Timestamp;
    /// # use yeoul_operator::Services;
    /// # use yeoul_runtime::{JobConfig, spawn};
    /// # use yeoul_stream::{EventTimeSessionWindows, GeneratorSource, StreamEnvironment, WatermarkStrategy, collect};
    /// use yeoul_stream::SavepointReader;
    /// use yeoul_stream::savepoint::Reduced;
    ///
    /// # let folder = std::env::temp_dir().join(format!("yeoul-saved-sessions-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    /// # let env = StreamEnvironment::new("saved");
    /// # let always = WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|_: &rkyv::Archived<u64>| Timestamp(1_000));
    /// # let numbers = env.from_source(GeneratorSource::unbounded(|n| n).splits(1).rate(10_000), always, "numbers");
    /// // In the job, of numbers that all come at one second:
    /// let sessions = numbers.key_by(|n| n.to_native() % 2).window(EventTimeSessionWindows::with_gap(Duration::from_secs(60)));
    /// sessions.reduce(|most, n| *most = (*n).max(*most)).uid("most").sink_to(collect().0);
    /// # let config = JobConfig { shards: 1, pin: false, data: Some(folder.join("data")), ..JobConfig::default() };
    /// # let job = spawn(env.build()?, config, Services::default());
    /// # while job.watch().source_records() < 100 {
    /// #     std::thread::yield_now();
    /// # }
    /// # job.stop(folder.join("savepoint").to_str(), false)?;
    /// # job.wait()?;
    /// // The record so far.
    /// let savepoint = SavepointReader::open(folder.join("savepoint"))?;
    /// let sessions = savepoint.operator("most")?.sessions::<u64, Reduced<u64>>()?;
    /// assert!(sessions.len() == 2 && sessions.iter().all(|session| session.window.end == Timestamp(61_000) && session.content > Some(0)));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the operator has no such windows, their keys or contents are others, or a file is damaged.
    pub fn sessions<K: Key, C: SavedContent<Held: Clone>>(
        &self,
    ) -> Result<Vec<SavedSession<K, C::Content>>, SavepointError> {
        let mut all = Vec::new();
        for part in 0..self.parts() {
            let mut table = Table::<K, Sessions<C::Held>>::new(self.id.table("sessions"), "sessions");
            self.restore(part, &mut [&mut table])?;
            for (key, (_, sessions)) in table.iter() {
                all.extend(sessions.iter().map(|(start, end, fired, held)| SavedSession {
                    key: key.clone(),
                    window: TimeWindow { start: Timestamp(*start), end: Timestamp(*end) },
                    fired: *fired,
                    content: C::content(held.clone()),
                }));
            }
        }
        Ok(all)
    }

    /// Windows with a trigger, an evictor, a function with state (of windows or of keys), a stagger, a gap of each record's, an assigner of the
    /// program's own, or no end (those of counts, say): each key and window by itself, also one that has fired and is kept for late records.
    /// With an evictor they are [`Records`], whatever is made of them. What a function keeps of a window is read by [`values`](Self::values)
    /// and its kin, of keys `WindowKey<K>`, as `"window: "` and the state's name.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # use yeoul_stream::savepoint::{Aggregated, SavedWindow};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// // Windows with a CountTrigger that count: the accumulator of `Count` is a number.
    /// let counts: Vec<SavedWindow<u64, u64>> = operator.windows::<u64, Aggregated<u64>>()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the operator has no such windows, their keys or contents are others, or a file is damaged.
    pub fn windows<K: Key, C: SavedContent<Held: Clone>>(
        &self,
    ) -> Result<Vec<SavedWindow<K, C::Content>>, SavepointError> {
        let mut merging = Vec::new();
        if self.has_table("merging windows") {
            for part in 0..self.parts() {
                let mut table = Table::<K, Merging>::new(self.id.table("merging windows"), "merging windows");
                self.restore(part, &mut [&mut table])?;
                merging.push(table);
            }
        }
        // What a merged window holds is kept under the first of those that it was made of.
        let merged = |key: &K, kept: TimeWindow| {
            let of_key = merging.iter().find_map(|table| table.get(key, key.hash()))?;
            of_key.iter().find(|(_, state)| *state == kept).map(|(window, _)| *window)
        };
        let windows = C::windows::<K>(self)?.into_iter().map(|(WindowKey { key, sub }, content)| SavedWindow {
            window: merged(&key, sub).unwrap_or(sub),
            key,
            content,
        });
        Ok(windows.collect())
    }
}
