//! The records of one key that an interval join keeps: of each side a queue in the order of event time.

use std::collections::VecDeque;

use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use crate::StateRecord;
use crate::owned_state::{put, take};

/// Records of one side, by event time; those of one time in the order in which they came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Queue<T>(pub(super) VecDeque<(i64, T)>);

/// Both sides of a key, and when its timer comes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Buffers<A, B> {
    pub(super) timer: i64,
    pub(super) left: Queue<A>,
    pub(super) right: Queue<B>,
}

impl<T> Queue<T> {
    /// Adds a record. Most come in the order of time, and go to the end.
    pub(super) fn insert(&mut self, time: i64, record: T) {
        if self.0.back().is_none_or(|(last, _)| *last <= time) {
            self.0.push_back((time, record));
        } else {
            let at = self.0.partition_point(|(before, _)| *before <= time);
            self.0.insert(at, (time, record));
        }
    }

    /// The records from `from` to `to`, both included.
    pub(super) fn within(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, &T)> {
        let start = match self.0.front() {
            Some((first, _)) if *first >= from => 0,
            _ => self.0.partition_point(|(time, _)| *time < from),
        };
        self.0.iter().skip(start).take_while(move |(time, _)| *time <= to).map(|(time, record)| (*time, record))
    }

    /// Drops the records before `time`.
    pub(super) fn forget(&mut self, time: i64) {
        while self.0.front().is_some_and(|(first, _)| *first < time) {
            self.0.pop_front();
        }
    }

    /// The last record's event time.
    pub(super) fn last(&self) -> Option<i64> {
        self.0.back().map(|(time, _)| *time)
    }
}

impl<T: StateRecord> Queue<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        u32::try_from(self.0.len()).expect("a key holds fewer than 2³² records").encode(out);
        for (time, record) in &self.0 {
            time.encode(out);
            put(record, out);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let count = u32::decode(bytes)?;
        let mut queue = VecDeque::new();
        for _ in 0..count {
            let time = i64::decode(bytes)?;
            if queue.back().is_some_and(|(last, _)| *last > time) {
                return Err(Corrupt::new(format!("a record of {time} stands behind a later one")));
            }
            queue.push_back((time, take(bytes)?));
        }
        Ok(Self(queue))
    }
}

impl<A, B> Buffers<A, B> {
    pub(super) fn empty() -> Self {
        Self { timer: i64::MAX, left: Queue(VecDeque::new()), right: Queue(VecDeque::new()) }
    }
}

impl<A: StateRecord, B: StateRecord> Stored for Buffers<A, B> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::empty()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.timer.encode(out);
        self.left.encode(out);
        self.right.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        Ok(Self { timer: i64::decode(bytes)?, left: Queue::decode(bytes)?, right: Queue::decode(bytes)? })
    }

    fn heap_bytes(&self) -> usize {
        // What the records own is not counted: it is not known without walking them.
        self.left.0.capacity() * size_of::<(i64, A)>() + self.right.0.capacity() * size_of::<(i64, B)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_stand_in_the_order_of_time_and_read_back() {
        let mut buffers = Buffers::<u64, String>::empty();
        for (time, record) in [(5, 1), (3, 2), (5, 3), (9, 4), (4, 5)] {
            buffers.left.insert(time, record);
        }
        buffers.right.insert(7, "swift".to_owned());
        buffers.timer = 12;
        assert_eq!(buffers.left.0, [(3, 2), (4, 5), (5, 1), (5, 3), (9, 4)]);
        let within = |from, to| buffers.left.within(from, to).map(|(_, record)| *record).collect::<Vec<_>>();
        assert_eq!(within(4, 5), [5, 1, 3]);
        assert_eq!(within(i64::MIN, i64::MAX).len(), 5);
        assert_eq!(within(6, 8), Vec::<u64>::new());
        let mut bytes = Vec::new();
        Stored::encode(&buffers, &mut bytes);
        assert_eq!(<Buffers<u64, String> as Stored>::decode(&mut &bytes[..]), Ok(buffers.clone()));
        for len in 0..bytes.len() {
            assert!(<Buffers<u64, String> as Stored>::decode(&mut &bytes[..len]).is_err(), "{len} bytes");
        }
        buffers.left.forget(5);
        assert_eq!(buffers.left.0, [(5, 1), (5, 3), (9, 4)]);
    }
}
