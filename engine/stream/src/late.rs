//! Late records: where they go, and that they are counted.

use yeoul_frame::{Frame, Selection};
use yeoul_operator::{Context, OutputId};

use crate::window::panes_of_frame::{Group, RowNumbers};

/// The late records of the frame that an operator is working on.
pub(crate) struct Late {
    output: Option<OutputId>,
    rows: Vec<u32>,
}

impl Late {
    /// They go to a side output, or are dropped by the user's choice.
    pub(crate) fn new(output: Option<OutputId>) -> Self {
        Self { output, rows: Vec::new() }
    }

    /// These are late.
    pub(crate) fn add(&mut self, group: &Group<'_>, rows: RowNumbers<'_>) {
        self.rows.extend(group.positions().map(|position| rows.at(position)));
    }

    /// This row is late.
    pub(crate) fn add_row(&mut self, row: u32) {
        self.rows.push(row);
    }

    /// Counts them, and sends them on as they are: a selection of the frame that they came in.
    pub(crate) fn emit(&mut self, frame: &Frame, cx: &mut Context<'_>) {
        if self.rows.is_empty() {
            return;
        }
        cx.counters().late.add(self.rows.len() as u64);
        if let Some(output) = self.output {
            self.rows.sort_unstable();
            cx.emit(output, frame.select(Selection::rows(&self.rows)));
        }
        self.rows.clear();
    }
}
