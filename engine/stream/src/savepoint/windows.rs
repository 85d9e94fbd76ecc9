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
}
