//! The user's choice of the subtask that receives a record.

use std::marker::PhantomData;

use yeoul_frame::{Frame, Record};
use yeoul_operator::Partitioner;

/// A key's closure and one from keys to subtasks, over records of `T`.
pub(crate) struct CustomPartitioner<T, F, P> {
    key: F,
    partition: P,
    records: PhantomData<fn() -> T>,
}

impl<T, F, P> CustomPartitioner<T, F, P> {
    pub(crate) fn new(key: F, partition: P) -> Self {
        Self { key, partition, records: PhantomData }
    }
}

impl<T, K, F, P> Partitioner for CustomPartitioner<T, F, P>
where
    T: Record,
    F: Fn(&T::Archived) -> K + Send + Sync,
    P: Fn(&K, u16) -> u16 + Send + Sync,
{
    fn partition(&self, frame: &Frame, subtasks: u16, chosen: &mut Vec<u16>) {
        let rows = frame.rows::<T>();
        chosen.extend(rows.iter().map(|(_, record)| (self.partition)(&(self.key)(record), subtasks)));
    }
}
