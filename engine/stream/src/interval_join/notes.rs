//! Which keys are to be looked at when: by spans of event time, in no order within one.
//!
//! Adding is a push, and what is due comes as a list whose entries can be asked for ahead; an ordered tree of the keys would cost more than the
//! join itself.

use std::collections::BTreeMap;

use yeoul_frame::KeyHash;

/// Spans in the length of the bounds.
const SPANS: i64 = 16;

pub(super) struct Notes<K> {
    /// The length of a span in milliseconds.
    span: i64,
    /// By the ends of the spans.
    notes: BTreeMap<i64, Vec<(K, KeyHash)>>,
    /// How many there are.
    count: usize,
}

impl<K: Clone> Notes<K> {
    /// No notes, for a join within these bounds.
    pub(super) fn new(lower: i64, upper: i64) -> Self {
        Self { span: (upper.saturating_sub(lower) / SPANS).max(1), notes: BTreeMap::new(), count: 0 }
    }

    /// Notes a key for `time` or up to a span later. Returns for when.
    pub(super) fn add(&mut self, time: i64, key: &K, hash: KeyHash) -> i64 {
        let past = time.rem_euclid(self.span);
        let end = if past == 0 { time } else { time.saturating_add(self.span - past) };
        self.notes.entry(end).or_default().push((key.clone(), hash));
        self.count += 1;
        end
    }

    /// Takes some of the first keys that are due, at most so many; none if nothing is due.
    pub(super) fn due(&mut self, watermark: i64, most: usize) -> Option<Vec<(K, KeyHash)>> {
        let mut first = self.notes.first_entry().filter(|first| *first.key() <= watermark)?;
        let rest = first.get().len().saturating_sub(most);
        let due = first.get_mut().split_off(rest);
        if rest == 0 {
            first.remove();
        }
        self.count -= due.len();
        Some(due)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.count * size_of::<(K, KeyHash)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_note_comes_once_when_its_span_has_ended() {
        let mut notes = Notes::new(-80, 80);
        for (time, noted) in
            [(0, 0), (1, 10), (10, 10), (11, 20), (-9, 0), (i64::MAX - 1, i64::MAX), (i64::MAX, i64::MAX)]
        {
            assert_eq!(notes.add(time, &time, KeyHash(0)), noted, "{time}");
        }
        let mut due = |watermark| {
            let due = notes.due(watermark, 2)?;
            Some(due.into_iter().map(|(key, _)| key).collect::<Vec<_>>())
        };
        assert_eq!(due(-1), None);
        assert_eq!(due(9), Some(vec![0, -9]));
        assert_eq!(due(9), None);
        assert_eq!(due(20), Some(vec![1, 10]));
        assert_eq!(due(20), Some(vec![11]));
        assert_eq!(due(i64::MAX - 1), None);
        assert_eq!(due(i64::MAX), Some(vec![i64::MAX - 1, i64::MAX]));
        assert_eq!(due(i64::MAX), None);
        assert_eq!(notes.memory_bytes(), 0);
    }
}
