//! Drives instances of a file source by hand, over a folder of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, Int64Array, StringViewArray};
use yeoul_formats::columns::TextFormat;
use yeoul_frame::{Columns, Epoch, KeyGroups, OperatorId, Pool, Schema, Timestamp, record};
use yeoul_operator::source::SourceItem;
use yeoul_operator::{
    Counters, ERROR_OUTPUT, MakeSource, OpenContext, OperatorError, Services, Snapshot, Source, SourceContext,
    SourcePoll, SourceSpec, SplitId, Subtask,
};

use super::FileSource;
use super::format::Format;
use super::frames::ColumnText;
use super::malformed::{Line, MalformedRecord};

/// What most tests read.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) text: Option<String>,
}

/// A folder with input files, removed at the end.
pub(crate) struct Input(tempfile::TempDir);

impl Input {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let input = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, bytes)| input.put(name, bytes));
        input
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder().join(name), bytes).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.0.path().display())
    }
}

/// A source with frames of few rows, so that there are many turns.
pub(crate) fn in_frames_of<T: Schema, F: Format>(rows: usize, mut source: FileSource<T, F>) -> MakeSource {
    source.settings.frame_rows = rows;
    source.make()
}

/// One instance, with what it has emitted.
pub(crate) struct Instance {
    source: Box<dyn Source>,
    pool: Pool,
    pub(crate) counters: Arc<Counters>,
    pub(crate) now: Timestamp,
    /// Texts of the records, in order, by split.
    pub(crate) records: Vec<(SplitId, String)>,
    pub(crate) malformed: Vec<MalformedRecord>,
    pub(crate) finished: Vec<SplitId>,
}

/// A snapshot of all instances of a run.
pub(crate) type Saved = Vec<(Subtask, String, Vec<u8>)>;

impl Instance {
    pub(crate) fn open(make: &MakeSource, subtask: Subtask, saved: &Saved) -> Result<Self, OperatorError> {
        let (mut source, pool, counters) = (make(), Pool::new(), Arc::new(Counters::default()));
        let services = Services::default();
        source.open(&mut OpenContext {
            operator: OperatorId::of("source"),
            name: "source",
            subtask,
            key_groups: KeyGroups::DEFAULT,
            services: &services,
            pool: &pool,
            counters: Arc::clone(&counters),
            waker: yeoul_operator::Waker::default(),
        })?;
        for (from, name, bytes) in saved {
            source.restore(name, *from, bytes)?;
        }
        let now = Timestamp(0);
        Ok(Self { source, pool, counters, now, records: vec![], malformed: vec![], finished: vec![] })
    }

    /// All instances of a run.
    pub(crate) fn all(make: &MakeSource, parallelism: u16, saved: &Saved) -> Result<Vec<Self>, OperatorError> {
        (0..parallelism).map(|index| Self::open(make, Subtask { index, parallelism }, saved)).collect()
    }

    /// Polls once.
    pub(crate) fn poll(&mut self) -> Result<SourcePoll, OperatorError> {
        let mut items = Vec::new();
        let polled = self.source.poll(&mut SourceContext::new(&mut items, self.now, &self.pool, &self.counters));
        for item in items {
            match item {
                SourceItem::Records(split, frame) if frame.holds::<Event>() => {
                    for (_, row) in frame.rows::<Event>().iter() {
                        self.records.push((split, format!("{}:{}", row.id(), row.text().unwrap_or("-"))));
                    }
                }
                SourceItem::Records(split, frame) if frame.columns().is_some() => {
                    let columns = frame.columns().expect("columns");
                    let ids: &Int64Array = columns.array(0).expect("ids come first");
                    let texts: &StringViewArray = columns.array(1).expect("and then texts");
                    for row in frame.indices().map(|row| row as usize) {
                        let text = if texts.is_null(row) { "-" } else { texts.value(row) };
                        self.records.push((split, format!("{}:{text}", ids.value(row))));
                    }
                }
                SourceItem::Records(split, frame) => {
                    for (_, row) in frame.rows::<Line>().iter() {
                        self.records.push((split, row.text().to_owned()));
                    }
                }
                SourceItem::Side(output, frame) => {
                    assert_eq!(output, ERROR_OUTPUT);
                    if let Some(columns) = frame.columns() {
                        self.malformed.extend((0..frame.len()).map(|row| malformed_of(columns, row)));
                        continue;
                    }
                    for (_, row) in frame.rows::<MalformedRecord>().iter() {
                        self.malformed.push(MalformedRecord {
                            file: row.file().to_owned(),
                            line: row.line(),
                            column: row.column(),
                            offset: row.offset(),
                            reason: row.reason().to_owned(),
                            raw: row.raw().to_owned(),
                        });
                    }
                }
                SourceItem::Finished(split) => self.finished.push(split),
                SourceItem::Watermark(..) | SourceItem::Idle(_) => panic!("files know no watermarks"),
            }
        }
        polled
    }

    /// Polls to the end of input.
    pub(crate) fn run(&mut self) -> Result<(), OperatorError> {
        while self.poll()? != SourcePoll::End {}
        Ok(())
    }

    /// Polls a watching instance until it has nothing to do.
    pub(crate) fn run_until_idle(&mut self) -> Result<(), OperatorError> {
        while !matches!(self.poll()?, SourcePoll::Pending { .. }) {}
        Ok(())
    }

    pub(crate) fn save(&mut self, subtask: Subtask, saved: &mut Saved) {
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        let mut snapshot = Snapshot::new(Epoch(1), OperatorId::of("source"), &mut states, &mut sealed);
        self.source.snapshot(&mut snapshot).unwrap();
        saved.extend(states.into_iter().map(|(_, name, bytes)| (subtask, name, bytes)));
    }

    pub(crate) fn texts(&self) -> Vec<&str> {
        self.records.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// A malformed record from columns.
fn malformed_of(columns: &Columns, row: usize) -> MalformedRecord {
    let text = |column| columns.array::<StringViewArray>(column).expect("text").value(row).to_owned();
    let number = |column| columns.array::<Int64Array>(column).expect("a number").value(row).cast_unsigned();
    assert_eq!(columns.schema(), &crate::malformed_columns());
    let (line, column, offset) = (number(1), number(2), number(3));
    MalformedRecord { file: text(0), line, column, offset, reason: text(4), raw: text(5) }
}

/// The columns of an [`Event`], read in a format.
pub(crate) fn event_columns(path: String, format: TextFormat) -> FileSource<Columns, ColumnText> {
    let field = |name, data_type, nullable| arrow_schema::Field::new(name, data_type, nullable);
    let table = arrow_schema::Schema::new(vec![
        field("id", arrow_schema::DataType::Int64, false),
        field("text", arrow_schema::DataType::Utf8View, true),
    ]);
    let plan = format.plan(&table, None, None).unwrap();
    FileSource::columns(path, format, Arc::new(plan)).unwrap()
}

/// A source of columns with frames of few rows.
pub(crate) fn columns_in_frames_of(rows: usize, mut source: FileSource<Columns, ColumnText>) -> MakeSource {
    source.settings.frame_rows = rows;
    source.make()
}

/// A snapshot of all instances.
pub(crate) fn save(instances: &mut [Instance]) -> Saved {
    let parallelism = instances.len() as u16;
    let mut saved = Saved::new();
    for (index, instance) in instances.iter_mut().enumerate() {
        instance.save(Subtask { index: index as u16, parallelism }, &mut saved);
    }
    saved
}

/// The records of several instances, by split, each split in its order.
pub(crate) fn by_split<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Vec<String> {
    let mut splits: BTreeMap<SplitId, Vec<String>> = BTreeMap::new();
    for instance in instances {
        for (split, text) in &instance.records {
            splits.entry(*split).or_default().push(text.clone());
        }
    }
    splits.into_values().flatten().collect()
}
