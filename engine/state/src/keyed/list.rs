//! A list for each key, each element of which is a record of its own: appending writes the element and reads nothing.
//!
//! Invariants:
//! 1. An element's place is a number; elements stand in the order of their numbers, and gaps are skipped. Where what is kept leaves more gaps
//!    than elements, those get new numbers: so a walk costs what a list holds.
//! 2. `spans` (which is not saved, but built up by a restore) covers the numbers of each key that has elements.

use std::ops::Range;

use yeoul_frame::{KeyHash, TableId, Timestamp};

use super::ttl_table::TtlTable;
use super::{Current, KeyedTable, StateDescriptor, StateHandle, States, handle, state_table_by};
use crate::key::{Compound, Key};
use crate::log::{BlockView, Corrupt, LogAddress};
use crate::state_table::StateTable;
use crate::stored::Value;
use crate::table::{Restored, Table};

handle! {
    /// Opens a [`ListState`].
    ListHandle<T>
}

type Element<K> = Compound<K, u64>;

pub(super) struct ListTable<K, T> {
    elements: TtlTable<Element<K>, T>,
    spans: Spans<K>,
}

/// A list has at most so many gaps, and so many for each element that it holds.
const GAPS: u64 = 64;
const GAPS_AN_ELEMENT: u64 = 4;

/// For each key the first number, one past the last, and how many elements there are.
struct Spans<K>(Table<K, (u64, u64, u64)>);

impl<K: Key> Spans<K> {
    fn of(&self, key: &K, hash: KeyHash) -> (u64, u64, u64) {
        self.0.get(key, hash).copied().unwrap_or_default()
    }

    fn add(&mut self, key: &K, hash: KeyHash, number: u64) {
        let span = self.0.upsert(key, hash, || (number, number, 0));
        *span = (span.0.min(number), span.1.max(number + 1), span.2 + 1);
    }

    /// Nothing is there before this number.
    fn begin(&mut self, key: &K, hash: KeyHash, first: u64) {
        self.0.upsert(key, hash, Default::default).0 = first;
    }

    fn remove(&mut self, key: &K, hash: KeyHash) {
        let span = self.0.upsert(key, hash, Default::default);
        span.2 -= 1;
        if span.2 == 0 {
            self.0.remove(key, hash);
        }
    }
}

impl<K: Key, T: Value> ListTable<K, T> {
    pub(super) fn new(id: TableId, state: &StateDescriptor) -> Self {
        Self { elements: TtlTable::new(id, state), spans: Spans(Table::new(id, &state.name)) }
    }
}

/// The list of the current key.
///
/// ```
/// use yeoul_frame::{OperatorId, Timestamp};
/// use yeoul_state::{Key, States};
///
/// let mut states = States::<u64>::new(OperatorId::of("doc"));
/// let delays = states.list::<i64>("delays");
/// states.set_key(&7, 7u64.hash(), Timestamp(0));
/// states.of(&delays).add(12);
/// states.of(&delays).add(-3);
/// assert_eq!(states.of(&delays).get(), [12, -3]);
/// ```
pub struct ListState<'a, K, T> {
    table: &'a mut ListTable<K, T>,
    at: Current<'a, K>,
}

impl<K: Key, T: Value> StateHandle<K> for ListHandle<T> {
    type State<'a> = ListState<'a, K, T>;

    #[inline]
    fn open<'a>(&self, states: &'a mut States<K>) -> ListState<'a, K, T> {
        let (table, at) = states.table(self.index);
        ListState { table, at }
    }

    fn index(&self) -> usize {
        self.index
    }

    fn open_in<'a>(table: &'a mut dyn StateTable, key: &'a K, now: Timestamp) -> Option<ListState<'a, K, T>> {
        let at = Current { key, hash: key.hash(), now };
        Some(ListState { table: table.as_any()?.downcast_mut()?, at })
    }
}

impl<K: Key, T: Value> ListState<'_, K, T> {
    fn element(&self, number: u64) -> (Element<K>, KeyHash) {
        (Compound { key: self.at.key.clone(), sub: number }, Element::<K>::hash_of(self.at.hash, &number))
    }

    /// Appends an element.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let delays = states.list::<i64>("delays");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&delays).add(12);
    /// assert_eq!(states.of(&delays).get(), [12]);
    /// ```
    pub fn add(&mut self, value: T) {
        let number = self.table.spans.of(self.at.key, self.at.hash).1;
        let (key, hash) = self.element(number);
        self.table.elements.set(&key, hash, self.at.now, value);
        self.table.spans.add(self.at.key, self.at.hash, number);
    }

    /// Appends elements.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let delays = states.list::<i64>("delays");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&delays).add_all([12, -3]);
    /// assert_eq!(states.of(&delays).get(), [12, -3]);
    /// ```
    pub fn add_all(&mut self, values: impl IntoIterator<Item = T>) {
        values.into_iter().for_each(|value| self.add(value));
    }

    /// Calls `visit` for each element, in the order of appending.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let delays = states.list::<i64>("delays");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&delays).add_all([12, -3]);
    /// let mut sum = 0;
    /// states.of(&delays).for_each(|delay| sum += delay);
    /// assert_eq!(sum, 9);
    /// ```
    pub fn for_each(&mut self, mut visit: impl FnMut(&T)) {
        for number in self.first()..self.end() {
            let (key, hash) = self.element(number);
            if let Some(value) = self.table.elements.get(&key, hash, self.at.now) {
                visit(value);
            }
        }
    }

    /// The number of the first element that is there, be it expired. What expired before it is not looked for again.
    fn first(&mut self) -> u64 {
        let (known, end, _) = self.table.spans.of(self.at.key, self.at.hash);
        let is_there = |number: &u64| {
            let (key, hash) = self.element(*number);
            self.table.elements.has(&key, hash)
        };
        let first = (known..end).find(is_there).unwrap_or(end);
        if first > known && first < end {
            self.table.spans.begin(self.at.key, self.at.hash, first);
        }
        first
    }

    fn end(&self) -> u64 {
        self.table.spans.of(self.at.key, self.at.hash).1
    }

    /// The elements, in the order of appending.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let delays = states.list::<i64>("delays");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// assert!(states.of(&delays).get().is_empty());
    /// states.of(&delays).add_all([12, -3]);
    /// assert_eq!(states.of(&delays).get(), [12, -3]);
    /// ```
    #[must_use]
    pub fn get(&mut self) -> Vec<T>
    where
        T: Clone,
    {
        let mut list = Vec::new();
        self.for_each(|value| list.push(value.clone()));
        list
    }

    /// Whether there are none, not even expired ones.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let delays = states.list::<i64>("delays");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// assert!(states.of(&delays).is_empty());
    /// states.of(&delays).add(12);
    /// assert!(!states.of(&delays).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.spans.of(self.at.key, self.at.hash).2 == 0
    }

    /// Puts these elements in place of the present ones.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let delays = states.list::<i64>("delays");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&delays).add_all([12, -3]);
    /// states.of(&delays).update([40]);
    /// assert_eq!(states.of(&delays).get(), [40]);
    /// ```
    pub fn update(&mut self, values: impl IntoIterator<Item = T>) {
        self.clear();
        self.add_all(values);
    }

    /// Keeps the elements for which `keep` says so, in the order of appending. Those that go are written to the log; those that stay are, too,
    /// once most of the list has gone from around them.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let delays = states.list::<i64>("delays");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&delays).add_all([12, -3, 40]);
    /// states.of(&delays).retain(|delay| *delay > 0);
    /// assert_eq!(states.of(&delays).get(), [12, 40]);
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for number in self.first()..self.end() {
            let (key, hash) = self.element(number);
            let goes = self.table.elements.get(&key, hash, self.at.now).is_some_and(|value| !keep(value));
            if goes && self.table.elements.remove(&key, hash) {
                self.table.spans.remove(self.at.key, self.at.hash);
            }
        }
        let (first, end, count) = self.table.spans.of(self.at.key, self.at.hash);
        if end - first > GAPS + GAPS_AN_ELEMENT * count {
            self.renumber(first..end);
        }
    }

    /// Moves all elements behind the last one, without gaps.
    fn renumber(&mut self, numbers: Range<u64>) {
        let mut next = numbers.end;
        for number in numbers.clone() {
            let ((from, from_hash), (to, to_hash)) = (self.element(number), self.element(next));
            if self.table.elements.rename((&from, from_hash), (&to, to_hash)) {
                self.table.spans.add(self.at.key, self.at.hash, next);
                self.table.spans.remove(self.at.key, self.at.hash);
                next += 1;
            }
        }
        if next > numbers.end {
            self.table.spans.begin(self.at.key, self.at.hash, numbers.end);
        }
    }

    /// Removes all elements.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let delays = states.list::<i64>("delays");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&delays).add_all([12, -3]);
    /// states.of(&delays).clear();
    /// assert!(states.of(&delays).is_empty());
    /// ```
    pub fn clear(&mut self) {
        for number in self.first()..self.end() {
            let (key, hash) = self.element(number);
            self.table.elements.remove(&key, hash);
        }
        self.table.spans.0.remove(self.at.key, self.at.hash);
    }
}

impl<K: Key, T: Value> KeyedTable<K> for ListTable<K, T> {
    fn as_state_table(&mut self) -> &mut dyn StateTable {
        self
    }

    fn keys(&self, visit: &mut dyn FnMut(&K)) {
        self.spans.0.iter().for_each(|(key, _)| visit(key));
    }

    fn prefetch(&self, hash: KeyHash) {
        self.spans.0.prefetch(hash);
    }

    fn sweep(&mut self, buckets: usize, now: Timestamp) {
        let spans = &mut self.spans;
        self.elements.sweep(buckets, now, |element| spans.remove(&element.key, element.key.hash()));
    }
}

impl<K: Key, T: Value> StateTable for ListTable<K, T> {
    state_table_by!(elements);

    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        let spans = &mut self.spans;
        self.elements.restore_each(block, owned, retired, |restored| match restored {
            Restored::Added(element) => spans.add(&element.key, element.key.hash(), element.sub),
            Restored::Removed(element) => spans.remove(&element.key, element.key.hash()),
        })
    }

    fn memory_bytes(&self) -> usize {
        self.elements.memory_bytes() + self.spans.0.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use yeoul_frame::OperatorId;

    use super::*;
    use crate::ttl::Ttl;

    #[test]
    fn what_is_not_retained_leaves_the_list_at_either_end_and_between() {
        let mut states = States::<u32>::new(OperatorId::of("retaining")).prefixed("kept: ");
        let list = states.list::<u64>("list");
        assert!(states.tables().all(|table| table.describe().name == "kept: list"));
        states.set_key(&1, 1_u32.hash(), Timestamp(0));
        for kept in [&[0, 1, 2, 3, 4, 5][..], &[1, 2, 4], &[2], &[2, 7], &[7], &[]] {
            if kept == [2, 7] {
                states.of(&list).add(7);
            } else if states.of(&list).is_empty() {
                states.of(&list).add_all(0..6);
            }
            states.of(&list).retain(|value| kept.contains(value));
            assert_eq!(states.of(&list).get(), kept);
        }
        assert!(states.of(&list).is_empty() && states.tables().all(|table| table.is_empty()));
    }

    /// One element stays at the front, and the others come and go: what is between them is not walked for ever.
    #[test]
    fn gaps_within_a_list_are_closed() {
        for descriptor in [StateDescriptor::new("list"), StateDescriptor::new("list").ttl(Ttl::millis(1_000_000))] {
            let mut states = States::<u32>::new(OperatorId::of("gaps"));
            let list = states.list::<u64>(descriptor);
            for n in 0..5_000 {
                states.set_key(&1, 1_u32.hash(), Timestamp(n as i64));
                states.of(&list).add(n);
                states.of(&list).retain(|value| matches!(value, 0 | 7) || *value == n);
                assert_eq!(states.of(&list).get().first(), Some(&0));
            }
            assert_eq!(states.of(&list).get(), [0, 7, 4_999]);
            let ListState { table, at } = list.open(&mut states);
            let (first, end, count) = table.spans.of(at.key, at.hash);
            assert!(end - first < 100 && count == 3, "{first} to {end}");
            assert_eq!(table.elements.len(), 3);
            // Those that were moved live as long as they would have: the first two expire before the last.
            states.set_key(&1, 1_u32.hash(), Timestamp(1_000_010));
            let left = states.of(&list).get();
            assert!(left == [0, 7, 4_999] || left == [4_999], "{left:?}");
        }
    }

    #[test]
    fn what_expired_at_the_front_of_a_list_is_looked_for_once() {
        let mut states = States::<u32>::new(OperatorId::of("expiring"));
        let list = states.list::<u64>(StateDescriptor::new("list").ttl(Ttl::millis(100)));
        for now in 0..5_000 {
            states.set_key(&1, 1_u32.hash(), Timestamp(now));
            states.of(&list).add(now as u64);
            states.sweep(8, Timestamp(now));
        }
        let mut seen = Vec::new();
        states.of(&list).for_each(|value| seen.push(*value));
        assert_eq!(seen, (4_900..5_000).collect::<Vec<_>>());
        let ListState { table, at } = list.open(&mut states);
        let (first, end, count) = table.spans.of(at.key, at.hash);
        assert!(first > 4_000 && end == 5_000, "{first} to {end}");
        assert!(count >= 100);
        states.of(&list).clear();
        assert!(states.of(&list).is_empty());
        (0..100).for_each(|_| states.sweep(8, Timestamp(9_000)));
        states.of(&list).add(7);
        assert_eq!(states.of(&list).get(), [7]);
    }
}
