//! Records that were encoded before their turn, because a write met them frozen; the next drain logs them first.
//!
//! Invariant: at most one record for each entry that was frozen.

use std::collections::VecDeque;

use crate::log::SegmentId;

#[derive(Default)]
pub(super) struct Pending {
    records: VecDeque<Shape>,
    bytes: VecDeque<u8>,
}

/// One record's shape; its key and value follow one another in `bytes`.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) key: u32,
    /// Length of the value, or none for a tombstone.
    pub(super) value: Option<u32>,
    /// Where the record stands that this one supersedes.
    pub(super) supersedes: Option<SegmentId>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>, supersedes: Option<SegmentId>) {
        self.records.push_back(Shape {
            key: key.len() as u32,
            value: value.map(|value| value.len() as u32),
            supersedes,
        });
        self.bytes.extend(key);
        self.bytes.extend(value.unwrap_or_default());
    }

    /// Takes the oldest record: appends its key, then its value, to `out`.
    pub(super) fn pop(&mut self, out: &mut Vec<u8>) -> Option<Shape> {
        let shape = self.records.pop_front()?;
        let len = (shape.key + shape.value.unwrap_or(0)) as usize;
        // Not by the drain's iterator, which goes byte by byte.
        let (front, back) = self.bytes.as_slices();
        let of_front = len.min(front.len());
        out.extend_from_slice(&front[..of_front]);
        out.extend_from_slice(&back[..len - of_front]);
        self.bytes.drain(..len);
        Some(shape)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.records.capacity() * size_of::<Shape>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_whole_wherever_the_ring_of_bytes_turns() {
        let mut pending = Pending::default();
        let (mut out, mut expected) = (Vec::new(), VecDeque::new());
        for number in 0..200_u8 {
            let (key, value) = (vec![number; 1 + usize::from(number) % 7], vec![!number; usize::from(number) % 11]);
            pending.push(&key, Some(&value), None);
            expected.push_back([key, value].concat());
            if number % 3 != 0 {
                out.clear();
                pending.pop(&mut out).unwrap();
                assert_eq!(out, expected.pop_front().unwrap());
            }
        }
        while let Some(record) = expected.pop_front() {
            out.clear();
            pending.pop(&mut out).unwrap();
            assert_eq!(out, record);
        }
        assert!(pending.is_empty() && pending.pop(&mut out).is_none());
    }
}
