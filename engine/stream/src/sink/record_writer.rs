//! A writer that keeps an epoch's records as they are, for committers that want just these.

use rkyv::Archive;
use yeoul_frame::{Epoch, OwnedRecord};
use yeoul_operator::OperatorError;

use super::{EpochWriter, WriteContext};
use crate::StateRecord;

/// Gathers an epoch's records, in order. They are in memory until the epoch ends, up to the sink's
/// [`epoch_limit`](crate::UserSink::epoch_limit), and in the state log until it is delivered.
///
/// ```
/// use yeoul_frame::Epoch;
/// use yeoul_stream::{EpochWriter, RecordWriter};
///
/// let mut writer = RecordWriter::<u64>::default();
/// assert_eq!(writer.seal(Epoch(1))?, None);
/// # Ok::<_, yeoul_operator::OperatorError>(())
/// ```
#[derive(Debug)]
pub struct RecordWriter<T> {
    records: Vec<T>,
}

impl<T> Default for RecordWriter<T> {
    fn default() -> Self {
        Self { records: Vec::new() }
    }
}

impl<T: OwnedRecord> EpochWriter for RecordWriter<T>
where
    Vec<T>: StateRecord,
{
    type In = T;
    type Committable = Vec<T>;

    fn write(&mut self, record: &<T as Archive>::Archived, _: &WriteContext) -> Result<(), OperatorError> {
        self.records.push(T::from_archived(record));
        Ok(())
    }

    fn seal(&mut self, _: Epoch) -> Result<Option<Vec<T>>, OperatorError> {
        let records = std::mem::take(&mut self.records);
        Ok((!records.is_empty()).then_some(records))
    }

    fn held_bytes(&self, given: u64) -> u64 {
        given
    }
}
