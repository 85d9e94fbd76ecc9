//! Rows that stand in the query, as a source of one split.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use yeoul_frame::{ColumnBatch, Columns, Frame, Timestamp};
use yeoul_operator::{
    NodeKind, OpenContext, OperatorError, OutputId, Snapshot, Source, SourceContext, SourcePoll, SplitId, Subtask,
    WatermarkSpec,
};
use yeoul_relational::EvaluationTime;

use super::{Builder, Place};
use crate::error::{Result, SqlError};
use crate::lower::{Node, NodeId, Values};

/// The name of the state, and what it says once all rows were given.
const STATE: &str = "given";

impl Builder<'_> {
    pub(super) fn values(&mut self, id: NodeId, node: &Node, values: &Values) -> Result<Option<Place>> {
        let frame = frame(values, &node.schema, self.doors.now)?;
        let what = self.identities[id].text();
        let kind = NodeKind::Source {
            make: Arc::new(move || Box::new(ValuesSource { frame: frame.clone(), given: false, first: false })),
            watermarks: WatermarkSpec::default(),
        };
        let added = self.add("Values", &what, Some(1), kind);
        Ok(Some(Place { node: added, output: OutputId::MAIN }))
    }
}

/// The rows as of a time of day: that of the statement's start.
fn frame(values: &Values, schema: &SchemaRef, now: Timestamp) -> Result<Frame> {
    let wrong = |error: &dyn std::fmt::Display| SqlError::new(format!("VALUES: {error}"));
    let empty = Columns::new(Arc::new(Schema::empty()), Vec::new()).map_err(|error| wrong(&error))?;
    let times = [Timestamp::MIN];
    let time = EvaluationTime { times: &times, now, watermark: Timestamp::MIN };
    let mut columns = vec![Vec::with_capacity(values.rows.len()); schema.fields().len()];
    for row in &values.rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value.evaluate(&empty, 1, &time).map_err(|error| wrong(&error))?);
        }
    }
    let arrays = columns.iter().zip(schema.fields()).map(|(column, field)| {
        let parts: Vec<&dyn arrow_array::Array> = column.iter().map(AsRef::as_ref).collect();
        if parts.is_empty() {
            return Ok(arrow_array::new_empty_array(field.data_type()));
        }
        arrow_select::concat::concat(&parts).map_err(|error| wrong(&error))
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let times = vec![Timestamp::MIN; values.rows.len()];
    ColumnBatch::of(Arc::clone(schema), arrays, times, Vec::new()).map_err(|error| wrong(&error))
}

struct ValuesSource {
    frame: Frame,
    given: bool,
    first: bool,
}

impl Source for ValuesSource {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> std::result::Result<(), OperatorError> {
        self.first = cx.subtask.index == 0;
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> std::result::Result<SourcePoll, OperatorError> {
        if self.given || !self.first {
            return Ok(SourcePoll::End);
        }
        self.given = true;
        cx.emit(SplitId(0), self.frame.clone());
        cx.finished(SplitId(0));
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> std::result::Result<(), OperatorError> {
        snapshot.state(STATE, vec![u8::from(self.given)]);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> std::result::Result<(), OperatorError> {
        match (name, bytes) {
            (STATE, [given @ (0 | 1)]) => {
                self.given |= *given == 1;
                Ok(())
            }
            _ => Err(OperatorError::new(format!(
                "the snapshot of instance {} holds state '{name}' of {} bytes, which VALUES does not know",
                from.index,
                bytes.len()
            ))),
        }
    }
}
