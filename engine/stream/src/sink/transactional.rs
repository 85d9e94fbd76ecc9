//! The engine's half of a [`TransactionalSink`]: seals what writers wrote, and hands it to the committer.

use std::sync::Arc;

use yeoul_frame::{Epoch, Frame, RowKind};
use yeoul_operator::{
    Committer, Context, InputId, MakeCommitter, MakeOperator, OpenContext, Operator, OperatorError, SealedOutput,
    Services, SinkSpec, Snapshot,
};

use super::{
    EPOCH_LIMIT, EpochCommitter, EpochWriter, MOST_EPOCH_BYTES, SinkContext, TransactionalSink, WriteContext,
    check_epoch, pieces,
};
use crate::stateless::opened;

/// A [`TransactionalSink`] as a stream's sink: what [`into_sink`](TransactionalSink::into_sink) gives.
///
/// ```
/// use yeoul_stream::{DataStream, EpochWriter, TransactionalSink};
///
/// fn end<S: TransactionalSink<Writer: EpochWriter<In = u64>>>(numbers: &DataStream<u64>, sink: S) {
///     numbers.sink_to(sink.into_sink()).uid("numbers-out");
/// }
/// ```
pub struct UserSink<S> {
    sink: Arc<S>,
    epoch_limit: u64,
}

impl<S: TransactionalSink> UserSink<S> {
    /// This sink.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self { sink: Arc::new(sink), epoch_limit: EPOCH_LIMIT }
    }

    /// How many bytes of an epoch an instance may hold in memory, instead of [`EPOCH_LIMIT`](crate::EPOCH_LIMIT); 1.5 GiB at most. Past it
    /// the job fails: make checkpoints more often.
    ///
    /// ```
    /// use yeoul_operator::SinkSpec;
    /// use yeoul_stream::{EPOCH_LIMIT, EpochWriter, TransactionalSink};
    ///
    /// /// A sink whose epochs are small; what is not is a mistake.
    /// fn small<S: TransactionalSink<Writer: EpochWriter<In = u64>>>(sink: S) -> impl SinkSpec<In = u64> {
    ///     sink.into_sink().epoch_limit(EPOCH_LIMIT / 1024)
    /// }
    /// ```
    #[must_use]
    pub fn epoch_limit(mut self, bytes: u64) -> Self {
        self.epoch_limit = bytes.min(MOST_EPOCH_BYTES);
        self
    }
}

impl<S: TransactionalSink> SinkSpec for UserSink<S> {
    type In = <S::Writer as EpochWriter>::In;

    fn make(&self) -> MakeOperator {
        let (sink, limit) = (Arc::clone(&self.sink), self.epoch_limit);
        Arc::new(move || {
            Box::new(Writing { sink: Arc::clone(&sink), writer: None, name: String::new(), given: 0, limit })
        })
    }

    fn committer(&self) -> MakeCommitter {
        let sink = Arc::clone(&self.sink);
        Arc::new(move || Box::new(Delivering { sink: Arc::clone(&sink), committer: None }))
    }

    fn parallelism(&self) -> Option<u16> {
        self.sink.parallelism()
    }
}

struct Writing<S: TransactionalSink> {
    sink: Arc<S>,
    writer: Option<S::Writer>,
    /// For messages.
    name: String,
    /// Bytes of the records that it was given in this epoch.
    given: u64,
    /// What its writer may hold of an epoch.
    limit: u64,
}

/// How many bytes the frame's rows have, their share of what all rows of the batch own included.
fn bytes_of(frame: &Frame) -> u64 {
    let batch = frame.batch();
    let all = batch.row_bytes().map_or_else(|| batch.bytes(), |(rows, heap)| rows.len() + heap.len());
    (all as u64).saturating_mul(frame.len() as u64) / (batch.times().len() as u64).max(1)
}

impl<S: TransactionalSink> Operator for Writing<S> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.name = cx.name.to_owned();
        self.writer = Some(self.sink.writer(&SinkContext::of(cx))?);
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let writer = opened(&mut self.writer);
        let (times, kinds) = (frame.times(), frame.kinds());
        for (row, record) in frame.rows::<<S::Writer as EpochWriter>::In>() {
            let kind = kinds.map_or(RowKind::Insert, |kinds| kinds[row as usize]);
            let at = WriteContext { time: times[row as usize], kind, watermark: cx.watermark(), now: cx.now() };
            writer.write(record, &at)?;
        }
        self.given += bytes_of(frame);
        check_epoch(&self.name, writer.held_bytes(self.given), self.limit)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.given = 0;
        if let Some(committable) = opened(&mut self.writer).seal(snapshot.epoch)? {
            pieces::seal(&committable, snapshot);
        }
        Ok(())
    }
}

struct Delivering<S: TransactionalSink> {
    sink: Arc<S>,
    committer: Option<S::Committer>,
}

impl<S: TransactionalSink> Committer for Delivering<S> {
    fn recover(&mut self, services: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        self.committer.insert(self.sink.committer(services)?).recover(committed)
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        let sealed = pieces::gather(epoch, outputs)?;
        opened(&mut self.committer).deliver(epoch, sealed)
    }

    fn retained_from(&self, delivered: Epoch) -> Epoch {
        self.committer.as_ref().map_or(delivered.next(), |committer| committer.retained_from(delivered))
    }

    fn finish(&mut self) -> Result<(), OperatorError> {
        opened(&mut self.committer).finish()
    }
}
