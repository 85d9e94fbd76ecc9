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
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # use yeoul_stream::savepoint::{Aggregated, SavedPane};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// // Windows that count: the accumulator of `Count` is a number.
    /// let counts: Vec<SavedPane<u64, u64>> = operator.panes::<u64, Aggregated<u64>>()?;
    /// # Ok(())
    /// # }
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
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # use yeoul_stream::savepoint::{Records, SavedSession};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// // Windows with a `process` function: all records of each session.
    /// let sessions: Vec<SavedSession<u64, Vec<(u64, String)>>> = operator.sessions::<u64, Records<(u64, String)>>()?;
    /// # Ok(())
    /// # }
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

    /// Windows with a trigger, an evictor, state of their own, a stagger, a gap of each record's, or no end (those of counts, say): each key and
    /// window by itself. With an evictor they are [`Records`], whatever is made of them. What a window function keeps of a window is read by
    /// [`values`](Self::values) and its kin, of keys `WindowKey<K>`, as `"window: "` and the state's name.
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
