//! One window that fires, for all keys of a subtask, in steps.
//!
//! A window of one pane is walked where it lies. The panes of any other are first merged into a table of the firing's own, which is no
//! state: it counts with the panes' memory and is thrown away with the firing; a restore that meets none fires the window anew.

use yeoul_frame::TableId;
use yeoul_operator::{Context, OperatorError};
use yeoul_state::{Cursor, Key, Panes, Table};

use crate::TimeWindow;
use crate::window::content::Content;
use crate::window::grid::Grid;
use crate::window::results::Results;

/// Buckets that are walked between two looks at the room for results. A bucket holds a few entries.
const BUCKETS: usize = 16;
/// Buckets that one call merges, at a few times 10 ns each entry: some tens of microseconds.
const MERGED_A_CALL: usize = 512;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fired {
    /// All keys have fired.
    Whole,
    /// There is more to do.
    Part,
}

/// A window in the middle of firing.
pub(crate) struct Firing<K: Key, H: yeoul_state::Value> {
    window: TimeWindow,
    stage: Stage<K, H>,
}

enum Stage<K: Key, H: yeoul_state::Value> {
    /// Panes are merged: the one that is walked and those after it.
    Merge { left: std::vec::IntoIter<i64>, pane: i64, at: Cursor, merged: Box<Table<K, H>> },
    /// Keys fire from a pane.
    Pane { pane: i64, at: Cursor },
    /// Keys fire from what was merged.
    Merged { merged: Box<Table<K, H>>, at: Cursor },
    /// Nothing is left.
    Done,
}

impl<K: Key, H: yeoul_state::Value> Firing<K, H> {
    /// Begins the window that ends at `end`.
    pub(crate) fn new(grid: &Grid, end: i64, panes: &Panes<K, H>) -> Self {
        let window = grid.window_ending(end);
        let within = panes.namespaces_from(window.start.0).take_while(|pane| *pane < window.end.0);
        let mut left = within.collect::<Vec<_>>().into_iter();
        let stage = match (left.next(), left.len()) {
            (None, _) => Stage::Done,
            (Some(pane), 0) => Stage::Pane { pane, at: Cursor::default() },
            (Some(pane), _) => {
                let mut merged = Table::new(TableId(0), "a window that fires");
                merged.reserve(panes.get(pane).map_or(0, Table::len));
                Stage::Merge { left, pane, at: Cursor::default(), merged: Box::new(merged) }
            }
        };
        Self { window, stage }
    }

    pub(crate) fn window(&self) -> TimeWindow {
        self.window
    }

    /// Bytes that are held beside the panes.
    pub(crate) fn memory_bytes(&self) -> usize {
        match &self.stage {
            Stage::Merge { merged, .. } | Stage::Merged { merged, .. } => merged.memory_bytes(),
            Stage::Pane { .. } | Stage::Done => 0,
        }
    }

    /// Goes on as far as there is room. `has_fired`: keys for which this window has fired in an earlier run.
    pub(crate) fn step<C: Content<K, Held = H>>(
        &mut self,
        panes: &Panes<K, H>,
        results: &mut Results<K, C>,
        has_fired: impl Fn(&K) -> bool,
        cx: &mut Context<'_>,
    ) -> Result<Fired, OperatorError> {
        let mut budget = MERGED_A_CALL;
        loop {
            let window = self.window;
            match &mut self.stage {
                Stage::Done => return Ok(Fired::Whole),
                Stage::Merge { left, pane, at, merged } => {
                    if budget == 0 {
                        return Ok(Fired::Part);
                    }
                    budget = budget.saturating_sub(BUCKETS);
                    let content = &results.content;
                    let next = panes.get(*pane).and_then(|table| {
                        table.scan(*at, BUCKETS, |key, held| {
                            content.merge(merged.upsert(key, key.hash(), || content.create()), held);
                        })
                    });
                    if let Some(next) = next {
                        *at = next;
                    } else if let Some(following) = left.next() {
                        (*pane, *at) = (following, Cursor::default());
                    } else {
                        let merged = std::mem::replace(merged, Box::new(Table::new(TableId(0), "")));
                        self.stage = Stage::Merged { merged, at: Cursor::default() };
                    }
                }
                Stage::Pane { pane, at } => {
                    let next = match panes.get(*pane) {
                        Some(table) => fire(table, *at, window, results, &has_fired, cx)?,
                        None => None,
                    };
                    match next {
                        Some(next) => *at = next,
                        None => self.stage = Stage::Done,
                    }
                    if !results.emit_full(cx)? {
                        return Ok(Fired::Part);
                    }
                }
                Stage::Merged { merged, at } => {
                    match fire(merged, *at, window, results, &has_fired, cx)? {
                        Some(next) => *at = next,
                        None => self.stage = Stage::Done,
                    }
                    if !results.emit_full(cx)? {
                        return Ok(Fired::Part);
                    }
                }
            }
        }
    }
}

/// Fires the keys of some buckets. Returns where to go on.
fn fire<K: Key, C: Content<K>>(
    table: &Table<K, C::Held>,
    at: Cursor,
    window: TimeWindow,
    results: &mut Results<K, C>,
    has_fired: &impl Fn(&K) -> bool,
    cx: &Context<'_>,
) -> Result<Option<Cursor>, OperatorError> {
    let mut result = Ok(());
    let next = table.scan(at, BUCKETS, |key, held| {
        if result.is_ok() && !has_fired(key) {
            result = results.fire(key, window, held, cx);
        }
    });
    result.map(|()| next)
}
