//! Splits a frame by destination: one selection each over the same bytes, as a keyed exchange asks for.
//!
//! A counting sort of row numbers and hashes, so that all parts share one list of each and order is kept within a part.
//!
//! Not here: which key goes where, and how frames get there.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{COLUMN_ROWS, FRAME_ROWS, Frame, KeyHash, Selection};

/// How many lists are kept for reuse: more than are on their way at a time, with rings of the usual size.
const MOST_LISTS: usize = 128;

/// Row numbers and hashes of one frame, by destination. Shared with the parts; ours again when they are gone.
type Lists = (Arc<[u32]>, Arc<[KeyHash]>);

/// Splits frames; keeps its working memory from one to the next.
///
/// ```
/// use yeoul_frame::{KeyHash, Pool, RowBuilder, RowKind, Scatter, Timestamp, hash_u64};
///
/// let mut rows = RowBuilder::<u64>::new(&Pool::new(), 1024);
/// for n in 0..100 {
///     rows.push(&n, Timestamp(0), RowKind::Insert).unwrap();
/// }
/// let frame = rows.finish();
/// let hashes: Vec<KeyHash> = frame.rows::<u64>().iter().map(|(_, n)| hash_u64(n.to_native())).collect();
///
/// let mut parts = vec![];
/// Scatter::new(4).split(&frame, &hashes, |hash| hash.0 as usize % 4, |to, part| parts.push((to, part)));
/// assert_eq!(parts.iter().map(|(_, part)| part.len()).sum::<usize>(), 100);
/// assert!(parts.iter().all(|(to, part)| part.hashes().unwrap().iter().all(|hash| hash.0 as usize % 4 == *to)));
/// ```
pub struct Scatter {
    /// By destination: first how many rows it gets, then where in the lists its next one goes.
    ends: Vec<u32>,
    /// By position in the frame.
    destinations: Vec<u32>,
    /// Handed out before, oldest first. Kept here so that a part's last drop, on another thread, frees nothing: memory that is freed
    /// away from where it was taken costs an allocator's lock on both sides.
    lists: VecDeque<Lists>,
}

impl Scatter {
    /// For this many destinations.
    #[must_use]
    pub fn new(destinations: usize) -> Self {
        Self { ends: vec![0; destinations], destinations: vec![], lists: VecDeque::new() }
    }

    /// Gives `emit` a frame for each destination that gets any of the frame's rows, in the order of destinations.
    /// `hashes` are the rows' hashes by position; the parts carry theirs.
    ///
    /// # Panics
    /// If there is not one hash per selected row, or `destination` names one that there is not.
    pub fn split(
        &mut self,
        frame: &Frame,
        hashes: &[KeyHash],
        mut destination: impl FnMut(KeyHash) -> usize,
        mut emit: impl FnMut(usize, Frame),
    ) {
        assert_eq!(hashes.len(), frame.len(), "one hash per selected row");
        self.ends.fill(0);
        self.destinations.clear();
        self.destinations.extend(hashes.iter().map(|&hash| {
            let to = destination(hash);
            self.ends[to] += 1;
            to as u32
        }));
        if let Some(only) = self.ends.iter().position(|&rows| rows as usize == frame.len()) {
            if !frame.is_empty() {
                emit(only, frame.clone().with_hashes(hashes));
            }
            return;
        }

        let mut start = 0;
        for end in &mut self.ends {
            (*end, start) = (start, start + *end);
        }
        let (mut rows, mut sorted) = self.lists(hashes.len());
        {
            let rows = Arc::get_mut(&mut rows).expect("not yet shared");
            let sorted = Arc::get_mut(&mut sorted).expect("not yet shared");
            let places = self.destinations.iter().zip(hashes);
            frame.indices().zip(places).for_each(|(row, (&to, &hash))| {
                let place = &mut self.ends[to as usize];
                rows[*place as usize] = row;
                sorted[*place as usize] = hash;
                *place += 1;
            });
        }
        if rows.len() <= COLUMN_ROWS {
            self.lists.push_back((Arc::clone(&rows), Arc::clone(&sorted)));
        }
        let bound = frame.selection().bound();
        let mut start = 0;
        for (to, &end) in self.ends.iter().enumerate() {
            if start != end {
                let selection = Selection::part(&rows, start, end, bound);
                emit(to, frame.part(selection, Arc::clone(&sorted), start));
            }
            start = end;
        }
    }

    /// Lists with room for this many rows that nobody else holds.
    fn lists(&mut self, rows: usize) -> Lists {
        if rows <= COLUMN_ROWS
            && let Some(mut lists) = self.lists.pop_front()
        {
            let is_free = Arc::get_mut(&mut lists.0).is_some() && Arc::get_mut(&mut lists.1).is_some();
            if is_free && lists.0.len() >= rows {
                return lists;
            }
            // Free ones that are too short make room for longer ones.
            if !is_free && self.lists.len() < MOST_LISTS {
                self.lists.push_back(lists);
            }
        }
        let room = if rows <= FRAME_ROWS { FRAME_ROWS } else { rows.max(COLUMN_ROWS) };
        (std::iter::repeat_n(0, room).collect(), std::iter::repeat_n(KeyHash(0), room).collect())
    }
}
