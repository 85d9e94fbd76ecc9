//! The contents of windows in a savepoint: panes of tumbling and sliding windows, and sessions.

use std::marker::PhantomData;

use yeoul_frame::Timestamp;
use yeoul_state::{Key, Panes, Table, Value};

use super::error::SavepointError;
use super::reader::OperatorReader;
use crate::TimeWindow;
use crate::owned_state::{Owned, OwnedList, StateRecord};
use crate::window::session::Sessions;

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
}
