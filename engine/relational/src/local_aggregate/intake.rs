//! What an aggregate behind a local one reads: rows as they came, and partial ones, by the same key.

use arrow_schema::SchemaRef;
use yeoul_frame::Frame;
use yeoul_operator::OperatorError;

use super::layout::{Layout, no_parts};
use crate::aggregate::{Folder, Plan};
use crate::input::Input;
use crate::key::{ColumnKey, KeyReader};

/// Reads the rows of an aggregate's input, and their keys.
pub(crate) struct Intake<K> {
    /// The keys of rows as they came.
    pub(crate) rows: KeyReader<K>,
    /// None: there are no partial rows of such calls.
    partial: Option<(Layout, KeyReader<K>)>,
}

impl<K: ColumnKey> Intake<K> {
    /// Of an aggregate of these calls by `keys`.
    pub(crate) fn new(plan: &Plan, input: &SchemaRef, keys: &[usize], has_panes: bool) -> Result<Self, OperatorError> {
        let partial = match Layout::of(plan, keys.len(), has_panes) {
            None => None,
            Some(layout) => {
                let schema = layout.schema(plan, input, keys);
                let keys = KeyReader::new(&schema, &(0..keys.len()).collect::<Vec<_>>())?;
                Some((layout, keys))
            }
        };
        Ok(Self { rows: KeyReader::new(input, keys)?, partial })
    }

    /// Reads a frame's rows into `folder`, and their keys.
    pub(crate) fn read(
        &mut self,
        plan: &Plan,
        folder: &mut Folder,
        frame: &Frame,
        input: &Input<'_>,
    ) -> Result<&KeyReader<K>, OperatorError> {
        let keys = if Layout::is_of(frame) {
            let (layout, keys) = self.partial.as_mut().ok_or_else(no_parts)?;
            folder.read_partials(plan, layout, input)?;
            keys
        } else {
            folder.read(plan, input)?;
            &mut self.rows
        };
        keys.read(input)?;
        Ok(keys)
    }

    /// The one pane of partial rows.
    pub(crate) fn pane(&self, input: &Input<'_>) -> Result<i64, OperatorError> {
        let (layout, _) = self.partial.as_ref().ok_or_else(no_parts)?;
        layout.pane(input)
    }
}
