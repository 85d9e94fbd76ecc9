//! Events as a source: cut into splits, read from exact positions, as fast as can be or at the pace of their times.
//!
//! The stream is dealt out in blocks, to one split after another. There are as many splits as there were instances when the job
//! began; after a restart with more instances, some have nothing to do. One instance alone has the events in their order.
//!
//! A snapshot, integers little endian: `u8 version = 1 │ u64 splits │ then for each split that the instance owns: u64 split │
//! u64 the next event's number`.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SplitId, Subtask,
};

use crate::table::EventTable;

/// The name of the state in a snapshot.
const STATE: &str = "nexmark";
const VERSION: u8 = 1;
/// How often a paced source makes events, in milliseconds.
const TICK: i64 = 10;

/// A recipe for a source of events.
#[derive(Debug, Clone)]
pub struct NexmarkSource {
    table: Arc<EventTable>,
}

impl NexmarkSource {
    /// The events of a table.
    #[must_use]
    pub fn new(table: EventTable) -> Self {
        Self { table: Arc::new(table) }
    }

    /// The recipe for its instances.
    #[must_use]
    pub fn make(&self) -> MakeSource {
        let table = Arc::clone(&self.table);
        Arc::new(move || {
            let (subtask, splits) = (Subtask { index: 0, parallelism: 1 }, BTreeMap::new());
            Box::new(Generator { table: Arc::clone(&table), subtask, count: 0, splits, began: None }) as Box<dyn Source>
        })
    }
}

struct Generator {
    table: Arc<EventTable>,
    subtask: Subtask,
    /// How many splits there are; 0 until it is known.
    count: u64,
    /// The next event of each split that is this instance's and not at its end.
    splits: BTreeMap<u64, u64>,
    /// For a paced source: the time by the clock at which the first event would have come.
    began: Option<i64>,
}

impl Generator {
    fn start(&mut self) {
        if self.count == 0 {
            self.count = u64::from(self.subtask.parallelism);
            let own = u64::from(self.subtask.index);
            self.splits.insert(own, own * self.table.block());
        }
    }

    /// The event after `last` in a split: the next, or the first of the split's next block.
    fn after(&self, last: u64) -> u64 {
        let block = self.table.block();
        if (last + 1).is_multiple_of(block) { last + 1 + (self.count - 1) * block } else { last + 1 }
    }

    /// How many events have come by now, and when to look again if there is none to make.
    fn due(&mut self, now: i64, next: u64) -> u64 {
        let settings = self.table.settings();
        let elapsed = |event: u64| settings.time(event) - settings.base_time;
        let began = *self.began.get_or_insert_with(|| now - elapsed(next));
        let passed = u128::from(u64::try_from(now - began).unwrap_or(0));
        (passed * u128::from(settings.rate) / 1000) as u64
    }
}

impl Source for Generator {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.subtask = cx.subtask;
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        self.start();
        // The split that is behind goes first, so that all go on at one pace.
        let Some((&split, &from)) = self.splits.iter().min_by_key(|(_, next)| **next) else {
            return Ok(SourcePoll::End);
        };
        let settings = self.table.settings();
        let block = self.table.block();
        let end = settings.events.unwrap_or(u64::MAX);
        let mut to = (from / block + 1).saturating_mul(block).min(end);
        if from >= end {
            self.splits.remove(&split);
            cx.finished(SplitId(split));
            return Ok(SourcePoll::Ready);
        }
        if settings.paced {
            to = to.min(self.due(cx.now().0, from));
            if to <= from {
                return Ok(SourcePoll::Pending { until: Some(cx.now().plus(TICK)) });
            }
        }
        cx.emit(SplitId(split), self.table.frame(from, to));
        let next = self.after(to - 1);
        self.splits.insert(split, next);
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.start();
        let mut state = vec![VERSION];
        state.extend(self.count.to_le_bytes());
        for number in 0..self.count {
            if SplitId(number).owner(self.subtask.parallelism) == self.subtask.index {
                // One that is not there is at its end.
                let next = self.splits.get(&number).copied().unwrap_or(u64::MAX);
                state.extend(number.to_le_bytes());
                state.extend(next.to_le_bytes());
            }
        }
        snapshot.state(STATE, state);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let numbers = || -> Option<Vec<u64>> {
            let (&VERSION, rest) = bytes.split_first()? else { return None };
            let (numbers, rest) = rest.as_chunks::<8>();
            (name == STATE && rest.is_empty() && numbers.len() % 2 == 1)
                .then(|| numbers.iter().map(|number| u64::from_le_bytes(*number)).collect())
        };
        let Some(numbers) = numbers().filter(|numbers| numbers[0] > 0) else {
            return Err(OperatorError::new(format!(
                "the snapshot of instance {} holds state '{name}' of {} bytes, which a source of NEXMark events does not know",
                from.index,
                bytes.len()
            ))
            .hint("give the operator that wrote it its old uid, or start from another savepoint"));
        };
        self.count = numbers[0];
        for split in numbers[1..].chunks_exact(2) {
            if split[1] != u64::MAX && SplitId(split[0]).owner(self.subtask.parallelism) == self.subtask.index {
                self.splits.insert(split[0], split[1]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Settings};
    use crate::table::{Events, schema};
    use arrow_array::{Array, Int32Array, Int64Array, StructArray};
    use yeoul_frame::{Epoch, KeyGroups, OperatorId, Pool, Timestamp};
    use yeoul_operator::source::SourceItem;
    use yeoul_operator::{Counters, Services};

    type Saved = Vec<(Subtask, Vec<u8>)>;

    struct Instance {
        source: Box<dyn Source>,
        subtask: Subtask,
        /// (split, event time, event type, bid's price or -1)
        rows: Vec<(u64, i64, i32, i64)>,
        finished: usize,
        now: i64,
    }

    impl Instance {
        fn all(make: &MakeSource, parallelism: u16, saved: &Saved) -> Vec<Self> {
            let open = |index| {
                let (mut source, pool, subtask) = (make(), Pool::new(), Subtask { index, parallelism });
                let mut cx = OpenContext {
                    operator: OperatorId::of("source"),
                    name: "source",
                    subtask,
                    key_groups: KeyGroups::DEFAULT,
                    services: &Services::default(),
                    pool: &pool,
                    counters: Arc::default(),
                    state_memory: 0,
                };
                source.open(&mut cx).unwrap();
                saved.iter().for_each(|(from, bytes)| source.restore(STATE, *from, bytes).unwrap());
                Self { source, subtask, rows: vec![], finished: 0, now: 0 }
            };
            (0..parallelism).map(open).collect()
        }

        fn poll(&mut self) -> SourcePoll {
            let (mut items, pool, counters) = (Vec::new(), Pool::new(), Counters::default());
            let mut cx = SourceContext::new(&mut items, Timestamp(self.now), &pool, &counters);
            let poll = self.source.poll(&mut cx).unwrap();
            for item in items {
                match item {
                    SourceItem::Records(split, frame) => {
                        let columns = frame.columns().unwrap();
                        let types: &Int32Array = columns.array(0).unwrap();
                        let bids: &StructArray = columns.array(3).unwrap();
                        let prices: &Int64Array = bids.column(2).as_any().downcast_ref().unwrap();
                        for row in 0..frame.len() {
                            assert_eq!(bids.is_valid(row), types.value(row) == Kind::Bid.number());
                            let price = if bids.is_valid(row) { prices.value(row) } else { -1 };
                            self.rows.push((split.0, frame.times()[row].0, types.value(row), price));
                        }
                    }
                    SourceItem::Finished(_) => self.finished += 1,
                    other => panic!("{other:?}"),
                }
            }
            poll
        }

        fn save(&mut self) -> (Subtask, Vec<u8>) {
            let (mut states, mut sealed) = (Vec::new(), Vec::new());
            self.source.snapshot(&mut Snapshot::new(Epoch(1), OperatorId::of("s"), &mut states, &mut sealed)).unwrap();
            (self.subtask, states.remove(0).2)
        }
    }

    fn source(settings: Settings) -> MakeSource {
        let table = EventTable::new(settings, Events::All, &schema(Events::All), None, None).unwrap();
        NexmarkSource::new(table).make()
    }

    #[test]
    fn splits_hold_the_events_of_the_whole_wherever_it_stops() {
        let settings = Settings { events: Some(10_000), rate: 3000, ..Settings::default() };
        let make = source(settings.clone());
        let mut alone = Instance::all(&make, 1, &vec![]).remove(0);
        while alone.poll() != SourcePoll::End {}
        assert_eq!((alone.rows.len(), alone.finished), (10_000, 1));
        assert!(alone.rows.iter().zip(0..).all(|(row, number)| row.1 == settings.time(number)));
        let sorted = |mut rows: Vec<(u64, i64, i32, i64)>| {
            rows.iter_mut().for_each(|row| row.0 = 0);
            rows.sort_unstable();
            rows
        };
        let expected = sorted(alone.rows);
        for (before, turns, after) in [(1, 3, 2), (2, 5, 1), (3, 4, 2), (2, 0, 4), (4, 30, 3)] {
            let mut first = Instance::all(&make, before, &vec![]);
            (0..turns).for_each(|turn| _ = first[turn % usize::from(before)].poll());
            let saved: Saved = first.iter_mut().map(Instance::save).collect();
            let mut second = Instance::all(&make, after, &saved);
            second.iter_mut().for_each(|instance| while instance.poll() != SourcePoll::End {});
            let rows = first.into_iter().chain(second).flat_map(|instance| instance.rows).collect();
            assert!(sorted(rows) == expected, "{before} instances, {turns} turns, {after} instances");
        }
        let error = make().restore(STATE, Subtask { index: 0, parallelism: 1 }, &[1, 2, 3]).unwrap_err().to_string();
        assert!(error.contains("3 bytes"), "{error}");
    }

    #[test]
    fn a_paced_source_keeps_to_the_clock_and_goes_on_after_a_restart() {
        let make = source(Settings { rate: 500, paced: true, ..Settings::default() });
        let mut instance = Instance::all(&make, 1, &vec![]).remove(0);
        instance.now = 1_000_000;
        assert!(matches!(instance.poll(), SourcePoll::Pending { until: Some(_) }));
        instance.now += 100;
        assert_eq!((instance.poll(), instance.rows.len()), (SourcePoll::Ready, 50));
        assert!(matches!(instance.poll(), SourcePoll::Pending { .. }));
        let saved = vec![instance.save()];
        let mut later = Instance::all(&make, 1, &saved).remove(0);
        later.now = 9_000_000;
        assert!(matches!(later.poll(), SourcePoll::Pending { .. }));
        later.now += 20;
        later.poll();
        assert_eq!(later.rows.len(), 10, "it does not make up for the time in which it did not run");
    }
}
