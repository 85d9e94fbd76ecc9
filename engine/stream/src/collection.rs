//! A source of records in memory, with exact positions: for tests, examples and benches.

use std::sync::Arc;

use yeoul_frame::{Record, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SourceSpec, SplitId, Subtask,
};

/// Records that one poll emits.
const POLL_ROWS: usize = yeoul_frame::FRAME_ROWS;
/// The name of the positions in a snapshot.
const POSITIONS: &str = "positions";

/// A source of records in memory.
///
/// ```
/// use yeoul_stream::{Collection, StreamEnvironment, WatermarkStrategy};
///
/// let env = StreamEnvironment::new("numbers");
/// let numbers = env.from_source(Collection::of(0..1000u64).splits(4), WatermarkStrategy::no_watermarks(), "numbers");
/// # let _ = numbers;
/// ```
pub struct Collection<T: Record> {
    records: Arc<[T]>,
    splits: u16,
}

impl<T: Record> Collection<T> {
    /// These records, in one split: their order is kept.
    #[must_use]
    pub fn of(records: impl IntoIterator<Item = T>) -> Self {
        Self { records: records.into_iter().collect(), splits: 1 }
    }

    /// Dealt out over this many splits, as over a topic's partitions: record `i` is in split `i mod splits`. Order is kept within each, and they are
    /// read side by side.
    #[must_use]
    pub fn splits(mut self, splits: u16) -> Self {
        self.splits = splits.max(1);
        self
    }
}

impl<T: Record> SourceSpec for Collection<T> {
    type Out = T;
    type Error = ();

    fn make(&self) -> MakeSource {
        let (records, splits) = (self.records.clone(), self.splits);
        Arc::new(move || {
            let all = Reader { records: records.clone(), splits, own: Vec::new(), turn: None, rows: None };
            Box::new(all)
        })
    }

    fn parallelism(&self) -> Option<u16> {
        Some(self.splits)
    }
}

struct Reader<T: Record> {
    records: Arc<[T]>,
    splits: u16,
    own: Vec<Position>,
    /// Which of them is next; none before the first poll.
    turn: Option<usize>,
    rows: Option<RowBuilder<T>>,
}

/// How much of a split has been emitted.
struct Position {
    split: u16,
    read: usize,
    finished: bool,
}

impl<T: Record> Source for Reader<T> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let owned = |split: &u16| SplitId(u64::from(*split)).owner(cx.subtask.parallelism) == cx.subtask.index;
        self.own = (0..self.splits).filter(owned).map(|split| Position { split, read: 0, finished: false }).collect();
        self.rows = Some(RowBuilder::new(cx.pool, POLL_ROWS));
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        // All hold the watermark back from the beginning: they are read side by side.
        let turn = *self.turn.get_or_insert_with(|| {
            self.own.iter().for_each(|own| cx.watermark(SplitId(u64::from(own.split)), Timestamp::MIN));
            0
        });
        let splits = usize::from(self.splits);
        let rows = self.rows.as_mut().expect("a source is opened before it is polled");
        for step in 0..self.own.len() {
            let at = (turn + step) % self.own.len();
            let position = &mut self.own[at];
            if position.finished {
                continue;
            }
            let id = SplitId(u64::from(position.split));
            let left = self.records.iter().skip(usize::from(position.split)).step_by(splits).skip(position.read);
            for record in left.take(POLL_ROWS) {
                if rows.is_full() {
                    break;
                }
                match rows.push(record, Timestamp::MIN, RowKind::Insert) {
                    Ok(()) => position.read += 1,
                    Err(yeoul_frame::PushError::Full) => break,
                    Err(error) => {
                        let what = format!("record {} of split {} cannot be archived", position.read, position.split);
                        return Err(OperatorError::new(what).caused_by(error));
                    }
                }
            }
            if rows.is_empty() {
                position.finished = true;
                cx.finished(id);
            } else {
                cx.emit(id, rows.finish());
            }
            self.turn = Some(at + 1);
            return Ok(SourcePoll::Ready);
        }
        Ok(SourcePoll::End)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let mut bytes = Vec::new();
        for position in &self.own {
            bytes.extend(position.split.to_le_bytes());
            bytes.extend((position.read as u64).to_le_bytes());
        }
        snapshot.state(POSITIONS, bytes);
        Ok(())
    }

    fn restore(&mut self, name: &str, _from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let entries = bytes.chunks_exact(10);
        if name != POSITIONS || !entries.remainder().is_empty() {
            return Err(OperatorError::new(format!(
                "{} bytes of state '{name}' are not a collection's positions",
                bytes.len()
            ))
            .permanent());
        }
        for entry in entries {
            let split = u16::from_le_bytes([entry[0], entry[1]]);
            let read = u64::from_le_bytes(entry[2..].try_into().expect("the other eight of ten"));
            if let Some(position) = self.own.iter_mut().find(|position| position.split == split) {
                position.read = read as usize;
            }
        }
        Ok(())
    }
}
