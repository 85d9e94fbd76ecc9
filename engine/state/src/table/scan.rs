//! A walk over a table in steps, for callers that may stop between them.

use super::Table;
use crate::key::Key;
use crate::stored::Value;

/// Where a walk goes on. Good until the next insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(usize);

impl<K: Key, V: Value> Table<K, V> {
    /// Visits the entries of the next `buckets` buckets (a few entries each). Returns where to go on, or none at the end.
    ///
    /// ```
    /// use yeoul_frame::TableId;
    /// use yeoul_state::{Cursor, Key, Table};
    ///
    /// let mut counts = Table::<u64, u64>::new(TableId(1), "counts");
    /// (0..100).for_each(|key| *counts.upsert(&key, key.hash(), || 0) += key);
    /// let (mut seen, mut at) = (0, Some(Cursor::default()));
    /// while let Some(from) = at {
    ///     at = counts.scan(from, 4, |_, count| seen += count);
    /// }
    /// assert_eq!(seen, 4950);
    /// ```
    #[inline]
    pub fn scan(&self, from: Cursor, buckets: usize, mut visit: impl FnMut(&K, &V)) -> Option<Cursor> {
        let all = self.buckets.as_slice();
        let end = from.0.saturating_add(buckets.max(1)).min(all.len());
        for here in &all[from.0.min(end)..end] {
            for (meta, (key, value)) in here.meta.iter().zip(here.keys.iter().zip(&here.values)) {
                if meta.is_live() {
                    visit(key, if meta.is_evicted() { self.cold.read(key.hash()) } else { value });
                }
            }
        }
        (end < all.len()).then_some(Cursor(end))
    }
}
