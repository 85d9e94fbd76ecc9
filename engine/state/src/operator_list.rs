//! A small list that belongs to an operator and not to a key: what a source knows of its splits, what a sink has open.
//!
//! It is saved whole with each snapshot, as a named piece of operator state, and its items may be dealt out anew when the
//! number of shards changes.

use crate::log::Corrupt;
use crate::stored::{Stored, Value, decode_all};

/// A list of items (Flink's `ListState` of operators).
///
/// ```
/// use yeoul_state::OperatorListState;
///
/// let mut splits = OperatorListState::new();
/// splits.items_mut().extend([("a.csv".to_owned(), 0_u64), ("b.csv".to_owned(), 17)]);
/// let saved = [splits.encode()];
/// let second = OperatorListState::<(String, u64)>::dealt(saved.iter().map(Vec::as_slice), 1, 2)?;
/// assert_eq!(second.items(), [("b.csv".to_owned(), 17)]);
/// # Ok::<_, yeoul_state::log::Corrupt>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorListState<T> {
    items: Vec<T>,
}

impl<T> Default for OperatorListState<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T: Value> OperatorListState<T> {
    /// No items.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The items.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The items, to change.
    pub fn items_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }

    /// The bytes to save.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.items.encode(&mut out);
        out
    }

    /// The items that fall to shard `index` of `shards`, when those that were saved are dealt out in turn.
    ///
    /// # Errors
    /// If the bytes are not what [`Self::encode`] gave.
    pub fn dealt<'a>(saved: impl IntoIterator<Item = &'a [u8]>, index: usize, shards: usize) -> Result<Self, Corrupt> {
        let all = Self::united(saved)?.items.into_iter().enumerate();
        Ok(Self { items: all.filter(|(nth, _)| nth % shards == index).map(|(_, item)| item).collect() })
    }

    /// All items that were saved, by all shards.
    ///
    /// # Errors
    /// If the bytes are not what [`Self::encode`] gave.
    pub fn united<'a>(saved: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Corrupt> {
        let mut items = Vec::new();
        for bytes in saved {
            items.extend(decode_all::<Vec<T>>(bytes)?);
        }
        Ok(Self { items })
    }
}
