//! The records of one key that an interval join keeps: of each side a queue in the order of event time.

use std::collections::VecDeque;

use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use crate::StateRecord;
use crate::owned_state::{Measured, Outside};

/// Records of one side, by event time; those of one time in the order in which they came. Most keys of most joins hold one, which lies in the
/// table's slot itself.
#[derive(Debug, Clone)]
pub(super) enum Queue<T> {
    Empty,
    One((i64, T)),
    Many(VecDeque<(i64, T)>),
}

/// Both sides of a key, and when it was noted to be looked at.
#[derive(Debug, Clone)]
pub(super) struct Buffers<A, B> {
    pub(super) noted: i64,
    pub(super) left: Queue<A>,
    pub(super) right: Queue<B>,
    /// What records of either side own.
    own: (Outside, Outside),
}

/// Of a key that is not noted.
pub(super) const NOT_NOTED: i64 = i64::MIN;

impl<T> Queue<T> {
    /// Adds a record. Most come in the order of time, and go to the end.
    pub(super) fn insert(&mut self, time: i64, record: T) {
        match std::mem::replace(self, Self::Empty) {
            Self::Empty => *self = Self::One((time, record)),
            Self::One(held) => {
                let mut many = VecDeque::with_capacity(4);
                let (first, second) = if held.0 <= time { (held, (time, record)) } else { ((time, record), held) };
                many.push_back(first);
                many.push_back(second);
                *self = Self::Many(many);
            }
            Self::Many(mut many) => {
                if many.back().is_none_or(|(last, _)| *last <= time) {
                    many.push_back((time, record));
                } else {
                    let at = many.partition_point(|(before, _)| *before <= time);
                    many.insert(at, (time, record));
                }
                *self = Self::Many(many);
            }
        }
    }

    fn as_slices(&self) -> (&[(i64, T)], &[(i64, T)]) {
        match self {
            Self::Empty => (&[], &[]),
            Self::One(held) => (std::slice::from_ref(held), &[]),
            Self::Many(many) => many.as_slices(),
        }
    }

    fn len(&self) -> usize {
        let (front, back) = self.as_slices();
        front.len() + back.len()
    }

    fn iter(&self) -> impl Iterator<Item = &(i64, T)> {
        let (front, back) = self.as_slices();
        front.iter().chain(back)
    }

    /// The records from `from` to `to`, both included.
    pub(super) fn within(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, &T)> {
        let not_before = |held: &[(i64, T)]| match held.first() {
            Some((first, _)) if *first < from => held.partition_point(|(time, _)| *time < from),
            _ => 0,
        };
        let (front, back) = self.as_slices();
        let held = front[not_before(front)..].iter().chain(&back[not_before(back)..]);
        held.take_while(move |(time, _)| *time <= to).map(|(time, record)| (*time, record))
    }

    /// Drops the records before `time`.
    pub(super) fn forget(&mut self, time: i64) {
        match self {
            Self::Empty => return,
            Self::One((held, _)) if *held >= time => return,
            Self::One(_) => {}
            Self::Many(many) => {
                while many.front().is_some_and(|(first, _)| *first < time) {
                    many.pop_front();
                }
                if !many.is_empty() {
                    return;
                }
            }
        }
        *self = Self::Empty;
    }

    /// The last record's event time.
    pub(super) fn last(&self) -> Option<i64> {
        let (front, back) = self.as_slices();
        back.last().or(front.last()).map(|(time, _)| *time)
    }
}

impl<T: PartialEq> PartialEq for Queue<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: StateRecord> Queue<T> {
    fn encode(&self, owns: &Outside, out: &mut Vec<u8>) {
        u32::try_from(self.len()).expect("a key holds fewer than 2³² records").encode(out);
        let mut measured = Measured::new();
        for (time, record) in self.iter() {
            time.encode(out);
            measured.put(record, out);
        }
        measured.tell(owns);
    }

    fn decode(owns: &Outside, bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let count = u32::decode(bytes)?;
        let (mut queue, mut measured) = (Self::Empty, Measured::new());
        for _ in 0..count {
            let time = i64::decode(bytes)?;
            if queue.last().is_some_and(|last| last > time) {
                return Err(Corrupt::new(format!("a record of {time} stands behind a later one")));
            }
            queue.insert(time, measured.take(bytes)?);
        }
        measured.tell(owns);
        Ok(queue)
    }

    fn heap_bytes(&self, owns: &Outside) -> usize {
        let slots = if let Self::Many(many) = self { many.capacity() * size_of::<(i64, T)>() } else { 0 };
        slots + owns.of(self.len(), self.iter().map(|(_, record)| record))
    }
}

impl<A, B> Buffers<A, B> {
    pub(super) fn empty() -> Self {
        Self { noted: NOT_NOTED, left: Queue::Empty, right: Queue::Empty, own: Default::default() }
    }
}

impl<A: PartialEq, B: PartialEq> PartialEq for Buffers<A, B> {
    fn eq(&self, other: &Self) -> bool {
        (self.noted, &self.left, &self.right) == (other.noted, &other.left, &other.right)
    }
}

impl<A: StateRecord, B: StateRecord> Stored for Buffers<A, B> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::empty()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.noted.encode(out);
        self.left.encode(&self.own.0, out);
        self.right.encode(&self.own.1, out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let own: (Outside, Outside) = Default::default();
        let noted = i64::decode(bytes)?;
        let (left, right) = (Queue::decode(&own.0, bytes)?, Queue::decode(&own.1, bytes)?);
        Ok(Self { noted, left, right, own })
    }

    fn heap_bytes(&self) -> usize {
        self.left.heap_bytes(&self.own.0) + self.right.heap_bytes(&self.own.1)
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
        buffers.noted = 12;
        let held = |buffers: &Buffers<u64, String>| buffers.left.iter().copied().collect::<Vec<_>>();
        assert_eq!(held(&buffers), [(3, 2), (4, 5), (5, 1), (5, 3), (9, 4)]);
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
        assert_eq!(held(&buffers), [(5, 1), (5, 3), (9, 4)]);
        buffers.left.forget(9);
        assert_eq!((held(&buffers), buffers.left.last()), (vec![(9, 4)], Some(9)));
        buffers.left.forget(10);
        assert_eq!((held(&buffers), buffers.left.last()), (vec![], None));
    }

    #[test]
    fn records_are_counted_with_what_they_own() {
        let mut buffers = Buffers::<u64, String>::empty();
        buffers.left.insert(1, 1);
        assert_eq!(buffers.heap_bytes(), 0);
        (0..100).for_each(|time| buffers.right.insert(time, "n".repeat(1_000)));
        assert!((100_000..120_000).contains(&buffers.heap_bytes()), "{} bytes", buffers.heap_bytes());
        let mut bytes = Vec::new();
        Stored::encode(&buffers, &mut bytes);
        let read = <Buffers<u64, String> as Stored>::decode(&mut &bytes[..]).unwrap();
        assert!((100_000..120_000).contains(&read.heap_bytes()), "{} bytes", read.heap_bytes());
    }
}
