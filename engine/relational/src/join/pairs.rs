//! Rows of a frame beside rows of state, as columns.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, OperatorError, OutputId};

use super::JoinKind;
use crate::input::gather;
use crate::output::frame;
use crate::row::RowCodec;

/// Output rows of a join: for each, a row of the frame (or none) and a row of state (empty: none).
#[derive(Default)]
pub(super) struct Pairs<'t> {
    pub(super) probe: Vec<Option<u32>>,
    pub(super) stored: Vec<&'t [u8]>,
    pub(super) kinds: Vec<RowKind>,
    pub(super) times: Vec<Timestamp>,
}

impl<'t> Pairs<'t> {
    #[inline]
    pub(super) fn push(&mut self, probe: Option<u32>, stored: &'t [u8], kind: RowKind, time: Timestamp) {
        self.probe.push(probe);
        self.stored.push(stored);
        self.kinds.push(kind);
        self.times.push(time);
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// The pairs as a frame of the left columns and then the right ones. `side`: which input the frame came by.
    pub(super) fn take_frame(
        &mut self,
        schema: &SchemaRef,
        side: usize,
        probe: &[ArrayRef],
        codec: &RowCodec,
        kind: JoinKind,
    ) -> Result<Frame, OperatorError> {
        let probe_out = side == 0 || kind.has_right();
        let stored_out = side == 1 || kind.has_right();
        let mut arrays = Vec::with_capacity(schema.fields().len());
        if probe_out {
            let rows = UInt32Array::from_iter(self.probe.iter().copied());
            let rows = if rows.null_count() == 0 { UInt32Array::new(rows.values().clone(), None) } else { rows };
            for column in probe {
                arrays.push(gather(column, &rows)?);
            }
        }
        if stored_out {
            let stored = codec.decode(&self.stored)?;
            if side == 0 {
                arrays.extend(stored);
            } else {
                arrays.splice(0..0, stored);
            }
        }
        self.probe.clear();
        self.stored.clear();
        let inserts = self.kinds.iter().all(|kind| *kind == RowKind::Insert);
        let kinds = std::mem::take(&mut self.kinds);
        frame(schema, arrays, std::mem::take(&mut self.times), if inserts { Vec::new() } else { kinds })
    }

    /// Sends the pairs on.
    pub(super) fn emit(
        &mut self,
        schema: &SchemaRef,
        side: usize,
        probe: &[ArrayRef],
        codec: &RowCodec,
        kind: JoinKind,
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        if self.len() > 0 {
            cx.emit(OutputId::MAIN, self.take_frame(schema, side, probe, codec, kind)?);
        }
        Ok(())
    }
}
