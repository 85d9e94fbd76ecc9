//! Drives a file sink by hand as the engine would: instances, a log that keeps what is sealed, and the committer.

use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(feature = "parquet")]
use arrow_array::{ArrayRef, Int64Array};
#[cfg(feature = "parquet")]
use arrow_schema::{DataType, Field, SchemaRef};
#[cfg(feature = "parquet")]
use yeoul_frame::ColumnBatch;
use yeoul_frame::{Epoch, FRAME_ROWS, Frame, KeyGroups, OperatorId, Pool, RowBuilder, RowKind, Timestamp, record};
use yeoul_operator::{
    Committer, Context, Counters, InputId, MakeCommitter, MakeOperator, OpenContext, Operator, OperatorError,
    SealedOutput, Services, SinkSpec, Snapshot, Subtask,
};

use crate::FileSink;
use crate::sink::Encoding;

/// A sink of rows of [`Row`], or of columns of the same names.
pub(crate) trait Writes {
    fn make(&self) -> MakeOperator;
    fn committer(&self) -> MakeCommitter;
    fn instances(&self) -> Option<u16>;
    fn frame(rows: &[Row], pool: &Pool) -> Frame;
}

impl<E: Encoding> Writes for FileSink<Row, E> {
    fn make(&self) -> MakeOperator {
        SinkSpec::make(self)
    }

    fn committer(&self) -> MakeCommitter {
        SinkSpec::committer(self)
    }

    fn instances(&self) -> Option<u16> {
        SinkSpec::parallelism(self)
    }

    fn frame(rows: &[Row], pool: &Pool) -> Frame {
        let mut builder = RowBuilder::new(pool, FRAME_ROWS);
        for row in rows {
            builder.push(row, Timestamp(0), RowKind::Insert).unwrap();
        }
        builder.finish()
    }
}

/// What the tests write.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) epoch: u64,
    pub(crate) n: u64,
}

#[cfg(feature = "parquet")]
impl Writes for FileSink<yeoul_frame::Columns, crate::ParquetParts> {
    fn make(&self) -> MakeOperator {
        Self::make(self)
    }

    fn committer(&self) -> MakeCommitter {
        Self::committer(self)
    }

    fn instances(&self) -> Option<u16> {
        Self::instances(self)
    }

    fn frame(rows: &[Row], _: &Pool) -> Frame {
        let column = |of: fn(&Row) -> u64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of(row).cast_signed())))
        };
        let arrays = vec![column(|row| row.epoch), column(|row| row.n)];
        ColumnBatch::of(columns(), arrays, vec![Timestamp(0); rows.len()], Vec::new()).unwrap()
    }
}

/// The columns of a [`Row`].
#[cfg(feature = "parquet")]
pub(crate) fn columns() -> SchemaRef {
    let fields = ["epoch", "n"].map(|name| Field::new(name, DataType::Int64, false));
    Arc::new(arrow_schema::Schema::new(fields.to_vec()))
}

/// What survives crashes of a job: committed epochs, as far as the log keeps them, and the instances' states.
#[derive(Default, Clone)]
pub(crate) struct Log {
    pub(crate) committed: Epoch,
    outputs: BTreeMap<Epoch, Vec<SealedOutput>>,
    states: Vec<(Subtask, String, Vec<u8>)>,
    /// Moves on in memory; what it lets go of is gone with the next commit.
    retained_from: Epoch,
    /// Lets go of nothing: a log is made of segments, and may hold much that is asked for no more.
    pub(crate) hoards: bool,
}

/// One run of a job between two crashes.
pub(crate) struct Run {
    services: Services,
    writers: Vec<Box<dyn Operator>>,
    committer: Box<dyn Committer>,
    pub(crate) now: Timestamp,
    frame: fn(&[Row], &Pool) -> Frame,
    pool: Pool,
}

impl Run {
    /// Starts or restarts a job with this many instances.
    pub(crate) fn start<S: Writes>(
        sink: &S,
        services: &Services,
        shards: u16,
        log: &Log,
    ) -> Result<Self, OperatorError> {
        let mut committer = sink.committer()();
        let delivered = committer.recover(services, log.committed)?;
        assert!(delivered <= log.committed);
        for (epoch, outputs) in log.outputs.range(delivered.next()..) {
            committer.deliver(*epoch, outputs)?;
        }
        let pool = Pool::new();
        let parallelism = sink.instances().unwrap_or(shards);
        let mut writers = Vec::new();
        for index in 0..parallelism {
            let mut writer = sink.make()();
            writer.open(&mut OpenContext {
                operator: OperatorId::of("sink"),
                name: "sink",
                subtask: Subtask { index, parallelism },
                key_groups: KeyGroups::DEFAULT,
                services,
                pool: &pool,
                counters: Arc::new(Counters::default()),
                waker: yeoul_operator::Waker::default(),
            })?;
            for (from, name, bytes) in &log.states {
                writer.restore(name, *from, bytes)?;
            }
            writers.push(writer);
        }
        Ok(Self { services: services.clone(), writers, committer, now: Timestamp(0), frame: S::frame, pool })
    }

    /// An instance takes rows of this epoch.
    pub(crate) fn write(&mut self, subtask: u16, rows: &[Row]) -> Result<(), OperatorError> {
        let frame = (self.frame)(rows, &self.pool);
        let (mut emitted, counters) = (Vec::new(), Counters::default());
        let mut cx = Context::new(&mut emitted, Timestamp::MIN, self.now, &self.pool, &counters);
        self.writers[usize::from(subtask)].process(InputId(0), &frame, &mut cx)
    }

    /// Processing time goes on.
    pub(crate) fn pass(&mut self, millis: i64) {
        self.now = self.now.plus(millis);
        let (mut emitted, counters) = (Vec::new(), Counters::default());
        for writer in &mut self.writers {
            if writer.next_processing_time().is_some_and(|due| due <= self.now) {
                let mut cx = Context::new(&mut emitted, Timestamp::MIN, self.now, &self.pool, &counters);
                writer.on_processing_time(self.now, &mut cx).unwrap();
                assert!(writer.next_processing_time().is_none_or(|due| due > self.now), "it would be asked for ever");
            }
        }
    }

    /// Takes the snapshot of an epoch and commits it.
    pub(crate) fn commit(&mut self, shards: u16, log: &mut Log) -> Result<(), OperatorError> {
        let epoch = log.committed.next();
        let parallelism = self.writers.len() as u16;
        let (mut states, mut outputs) = (Vec::new(), Vec::new());
        for (index, writer) in self.writers.iter_mut().enumerate() {
            let (mut state, mut sealed) = (Vec::new(), Vec::new());
            writer.snapshot(&mut Snapshot::new(epoch, OperatorId::of("sink"), &mut state, &mut sealed))?;
            let index = index as u16;
            states.extend(state.into_iter().map(|(_, name, bytes)| (Subtask { index, parallelism }, name, bytes)));
            // As the runtime has it: the place is a shard's.
            let subtask = Subtask { index, parallelism: shards };
            outputs.extend(sealed.into_iter().map(|(_, bytes)| SealedOutput { epoch, subtask, bytes }));
        }
        if !log.hoards {
            log.outputs = log.outputs.split_off(&log.retained_from);
        }
        if !outputs.is_empty() {
            log.outputs.insert(epoch, outputs);
        }
        (log.committed, log.states) = (epoch, states);
        Ok(())
    }

    /// Delivers the epoch that was committed last.
    pub(crate) fn deliver(&mut self, log: &mut Log) -> Result<(), OperatorError> {
        let epoch = log.committed;
        let outputs = log.outputs.get(&epoch).map_or(&[][..], Vec::as_slice);
        self.committer.deliver(epoch, outputs)?;
        self.committer.deliver(epoch, outputs)?;
        log.retained_from = self.committer.retained_from(epoch);
        Ok(())
    }

    /// An epoch from beginning to end.
    pub(crate) fn epoch(&mut self, shards: u16, log: &mut Log, rows: &[&[Row]]) {
        for (subtask, rows) in rows.iter().enumerate() {
            self.write(subtask as u16, rows).unwrap();
        }
        self.commit(shards, log).unwrap();
        self.deliver(log).unwrap();
    }

    pub(crate) fn finish(&mut self) -> Result<(), OperatorError> {
        self.committer.finish()
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }
}

impl Log {
    /// How many epochs it keeps output of.
    pub(crate) fn kept(&self) -> usize {
        self.outputs.len()
    }

    /// What it holds of an epoch.
    pub(crate) fn outputs(&self, epoch: u64) -> Vec<SealedOutput> {
        self.outputs.get(&Epoch(epoch)).cloned().unwrap_or_default()
    }

    /// It holds this of an epoch, whatever it held before: what compaction leaves need not be without gaps.
    pub(crate) fn holds(&mut self, epoch: u64, outputs: Vec<SealedOutput>) {
        self.outputs.remove(&Epoch(epoch));
        if !outputs.is_empty() {
            self.outputs.insert(Epoch(epoch), outputs);
        }
    }
}

/// Rows `from..to` of an epoch.
pub(crate) fn rows(epoch: u64, numbers: std::ops::Range<u64>) -> Vec<Row> {
    numbers.map(|n| Row { epoch, n }).collect()
}
