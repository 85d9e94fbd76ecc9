//! Tables that stand in a script, as a connector: their rows come at once or one after another by the clock, in an order of the run's.
//!
//! Invariants:
//! 1. A table is one split, so that its rows and watermarks come in one order whatever the number of shards.
//! 2. What was emitted lies before the position that a snapshot holds; a source that is restored goes on there, at the same pace.

use std::collections::HashMap;
use std::sync::Arc;

use yeoul::file::FileSink;
use yeoul::formats::columns::{ColumnBuilder, ColumnPlan, CsvTableOptions, JsonOptions, TextFormat};
use yeoul::frame::{Frame, Timestamp};
use yeoul::operator::{
    Accepts, NodeKind, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SplitId, Subtask,
    TableConnectors, TableDefinition, TableError, TableScan, TableSink, TableSource,
};
use yeoul_sim::machine::TICK;

const POSITION: &str = "position";
const SPLIT: SplitId = SplitId(0);

/// How the rows of all tables come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// In one frame; then the table ends.
    AtOnce,
    /// So many a tick; the table has no end.
    ByTheClock(usize),
}

/// The rows of a table for one run.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// CSV or JSON, in the order in which they come.
    pub(crate) lines: Vec<String>,
    pub(crate) pace: Pace,
}

/// The tables of a run; what is written goes to `out/NAME`.
pub(crate) struct Tables(pub(crate) HashMap<String, Rows>);

impl TableConnectors for Tables {
    fn names(&self) -> Vec<&'static str> {
        vec!["filesystem", "print"]
    }

    fn source(&self, table: &TableDefinition, scan: &TableScan) -> Result<TableSource, TableError> {
        let rows = self.0.get(&table.name).ok_or_else(|| TableError::new(format!("'{}' has no rows", table.name)))?;
        let format = match rows.lines.first() {
            Some(line) if line.starts_with('{') => TextFormat::Json(JsonOptions::default()),
            _ => {
                let null_literal = Some("NULL".to_owned());
                TextFormat::Csv(CsvTableOptions { null_literal, ..CsvTableOptions::default() })
            }
        };
        let plan = format.plan(&table.columns, scan.projection.as_deref(), scan.used.as_deref());
        let plan = Arc::new(plan.map_err(|error| TableError::new(error.0))?);
        let schema = Arc::clone(plan.schema());
        let frame = decoded(&format, &plan, &rows.lines)?;
        let pace = rows.pace;
        let make = move || {
            let source = InlineSource { frame: frame.clone(), pace, reads: false, next: 0, began: None, given: 0 };
            Box::new(source) as Box<dyn Source>
        };
        let bounded = pace == Pace::AtOnce;
        Ok(TableSource { make: Arc::new(make), schema, errors: None, bounded, parallelism: Some(1) })
    }

    fn sink(&self, table: &TableDefinition) -> Result<TableSink, TableError> {
        let file = FileSink::changelog(format!("out/{}", table.name), Arc::clone(&table.columns));
        let file = file.map_err(|error| TableError::new(error.0))?.single().overwrite();
        let kind = NodeKind::Sink { make: file.make(), committer: file.committer() };
        Ok(TableSink { kind, accepts: Accepts::Changes, parallelism: Some(1) })
    }
}

fn decoded(format: &TextFormat, plan: &Arc<ColumnPlan>, lines: &[String]) -> Result<Frame, TableError> {
    let mut decoder = format.decoder(plan).map_err(|error| TableError::new(error.0))?;
    let mut columns = ColumnBuilder::new(Arc::clone(plan), lines.len().max(1), false);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    decoder.decode(text.as_bytes(), true, &mut columns).map_err(|error| TableError::new(format!("{error:?}")))?;
    if columns.len() != lines.len() {
        return Err(TableError::new(format!("{} of {} rows were understood", columns.len(), lines.len())));
    }
    Ok(columns.finish())
}

struct InlineSource {
    frame: Frame,
    pace: Pace,
    /// It has the split.
    reads: bool,
    next: usize,
    /// When it was first asked.
    began: Option<Timestamp>,
    /// Rows since then.
    given: usize,
}

impl Source for InlineSource {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.reads = SPLIT.owner(cx.subtask.parallelism) == cx.subtask.index;
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        if !self.reads {
            return Ok(SourcePoll::End);
        }
        let left = self.frame.len() - self.next;
        match self.pace {
            Pace::AtOnce => {
                cx.emit(SPLIT, self.frame.slice(self.next..self.frame.len()));
                self.next = self.frame.len();
                cx.finished(SPLIT);
                Ok(SourcePoll::End)
            }
            Pace::ByTheClock(_) if left == 0 => Ok(SourcePoll::Pending { until: None }),
            Pace::ByTheClock(rows) => {
                let began = *self.began.get_or_insert(cx.now());
                let ticks = usize::try_from((cx.now().0 - began.0) / TICK).unwrap_or(0) + 1;
                if self.given >= ticks * rows {
                    return Ok(SourcePoll::Pending { until: Some(Timestamp(began.0 + ticks as i64 * TICK)) });
                }
                let count = rows.min(left);
                cx.emit(SPLIT, self.frame.slice(self.next..self.next + count));
                self.next += count;
                self.given += rows;
                Ok(SourcePoll::Ready)
            }
        }
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        if self.reads {
            snapshot.state(POSITION, (self.next as u64).to_le_bytes().to_vec());
        }
        Ok(())
    }

    fn restore(&mut self, name: &str, _: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let position = bytes.try_into().map(u64::from_le_bytes).ok().filter(|_| name == POSITION);
        let position = position.ok_or_else(|| OperatorError::new(format!("no position in the state '{name}'")))?;
        self.next = position as usize;
        Ok(())
    }
}
