//! Events as a source.

use yeoul_datagen::{NumberedRows, NumberedSource};
use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::MakeSource;

use crate::table::EventTable;

impl NumberedRows for EventTable {
    fn frame(&self, from: u64, to: u64, _: Timestamp) -> Frame {
        Self::frame(self, from, to)
    }

    fn block(&self) -> u64 {
        Self::block(self)
    }

    fn end(&self) -> Option<u64> {
        self.settings().events
    }

    fn rate(&self) -> Option<u64> {
        let settings = self.settings();
        settings.paced.then_some(settings.rate)
    }
}

/// A recipe for a source of events. See [`NumberedSource`] for splits and positions.
#[derive(Debug)]
pub struct NexmarkSource(NumberedSource<EventTable>);

impl NexmarkSource {
    /// The events of a table.
    #[must_use]
    pub fn new(table: EventTable) -> Self {
        Self(NumberedSource::new(table))
    }

    /// The recipe for its instances.
    #[must_use]
    pub fn make(&self) -> MakeSource {
        self.0.make()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FIRST_EVENT, Kind, Settings};
    use crate::table::{EventTable, Events, schema};
    use arrow_array::{Array, Int32Array, Int64Array, StructArray};
    use std::sync::Arc;
    use yeoul_frame::{Epoch, KeyGroups, OperatorId, Pool, Timestamp};
    use yeoul_operator::source::SourceItem;
    use yeoul_operator::{Counters, Services};
    use yeoul_operator::{MakeSource, OpenContext, Snapshot, Source, SourceContext, SourcePoll, Subtask};

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
                    waker: yeoul_operator::Waker::default(),
                };
                source.open(&mut cx).unwrap();
                saved.iter().for_each(|(from, bytes)| source.restore("numbered", *from, bytes).unwrap());
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
        assert!(alone.rows.iter().zip(0..).all(|(row, number)| row.1 == settings.time(FIRST_EVENT + number)));
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
        let error =
            make().restore("numbered", Subtask { index: 0, parallelism: 1 }, &[1, 2, 3]).unwrap_err().to_string();
        assert!(error.contains("3 bytes"), "{error}");
    }

    #[test]
    fn a_paced_source_keeps_to_the_clock_and_goes_on_after_a_restart() {
        let make = source(Settings { rate: 500, paced: true, ..Settings::default() });
        let mut instance = Instance::all(&make, 1, &vec![]).remove(0);
        instance.now = 1_000_000;
        assert!(matches!(instance.poll(), SourcePoll::Pending { until: Some(_) }));
        instance.now += 100;
        while instance.poll() == SourcePoll::Ready {}
        assert_eq!(instance.rows.len(), 50);
        let saved = vec![instance.save()];
        let mut later = Instance::all(&make, 1, &saved).remove(0);
        later.now = 9_000_000;
        assert!(matches!(later.poll(), SourcePoll::Pending { .. }));
        later.now += 20;
        while later.poll() == SourcePoll::Ready {}
        assert_eq!(later.rows.len(), 10, "it does not make up for the time in which it did not run");
    }
}
