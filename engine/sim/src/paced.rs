//! Records in memory that come by the clock, so many a tick: so that a job over few of them lives through many checkpoints.
//!
//! Invariants:
//! 1. Split `s` of `n` has the records `s`, `s + n`, … in order; what was emitted lies before the position that a snapshot holds.

use std::sync::Arc;

use yeoul_frame::{Record, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SourceSpec, SplitId, Subtask,
};

use crate::machine::TICK;

const POSITION: &str = "position";

/// Records, of which each split gives so many a tick.
pub struct Paced<T> {
    records: Arc<[T]>,
    splits: u16,
    a_tick: usize,
}

impl<T: Record> Paced<T> {
    /// These records, `a_tick` a tick from each of `splits` splits.
    ///
    /// # Panics
    /// If one of the numbers is zero.
    #[must_use]
    pub fn of(records: impl IntoIterator<Item = T>, splits: u16, a_tick: usize) -> Self {
        assert!(splits > 0 && a_tick > 0, "{splits} splits of {a_tick} records a tick give nothing");
        Self { records: records.into_iter().collect(), splits, a_tick }
    }
}

impl<T: Record> SourceSpec for Paced<T> {
    type Out = T;
    type Error = ();

    fn make(&self) -> MakeSource {
        let Self { records, splits, a_tick } = self;
        let (records, splits, a_tick) = (records.clone(), *splits, *a_tick);
        Arc::new(move || {
            Box::new(Reader { records: records.clone(), splits, a_tick, own: Vec::new(), due: Timestamp::MIN })
        })
    }

    fn parallelism(&self) -> Option<u16> {
        Some(self.splits)
    }
}

struct Reader<T> {
    records: Arc<[T]>,
    splits: u16,
    a_tick: usize,
    /// The splits of this instance, how many records of each were emitted, and whether its end was said.
    own: Vec<(u16, usize, bool)>,
    /// When the next records come.
    due: Timestamp,
}

impl<T: Record> Source for Reader<T> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let owned = |split: &u16| SplitId(u64::from(*split)).owner(cx.subtask.parallelism) == cx.subtask.index;
        self.own = (0..self.splits).filter(owned).map(|split| (split, 0, false)).collect();
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        if cx.now() < self.due {
            return Ok(SourcePoll::Pending { until: Some(self.due) });
        }
        if self.due == Timestamp::MIN {
            // All splits are read side by side from the beginning: none is to be late because another spoke first.
            self.own.iter().for_each(|(split, ..)| cx.watermark(SplitId(u64::from(*split)), Timestamp::MIN));
        }
        let mut open = false;
        for (split, read, finished) in &mut self.own {
            let left = self.records.iter().skip(usize::from(*split)).step_by(usize::from(self.splits)).skip(*read);
            let mut rows = RowBuilder::<T>::new(cx.pool(), self.a_tick);
            for record in left.take(self.a_tick) {
                rows.push(record, Timestamp::MIN, RowKind::Insert)
                    .map_err(|error| OperatorError::new("a record does not fit into a frame").caused_by(error))?;
                *read += 1;
            }
            let id = SplitId(u64::from(*split));
            if !rows.is_empty() {
                cx.emit(id, rows.finish());
                open = true;
            } else if !*finished {
                cx.finished(id);
                *finished = true;
            }
        }
        self.due = cx.now().plus(TICK);
        Ok(if open { SourcePoll::Pending { until: Some(self.due) } } else { SourcePoll::End })
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let each = self.own.iter().map(|(split, read, _)| (u64::from(*split) << 48 | *read as u64).to_le_bytes());
        snapshot.state(POSITION, each.flatten().collect());
        Ok(())
    }

    fn restore(&mut self, name: &str, _: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let (positions, rest) = bytes.as_chunks::<8>();
        if name != POSITION || !rest.is_empty() {
            return Err(OperatorError::new(format!("{} bytes of the state '{name}' are no positions", bytes.len())));
        }
        for position in positions.iter().map(|bytes| u64::from_le_bytes(*bytes)) {
            if let Some(own) = self.own.iter_mut().find(|own| u64::from(own.0) == position >> 48) {
                own.1 = (position & 0xffff_ffff_ffff) as usize;
            }
        }
        Ok(())
    }
}
