//! The life of a function, and state that belongs to no key.

use std::sync::atomic::{AtomicU64, Ordering};

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::States;

use crate::runs::check;

static OPENED: AtomicU64 = AtomicU64::new(0);
static CLOSED: AtomicU64 = AtomicU64::new(0);

/// Says what it knew when it was opened, with each record.
#[derive(Clone, Default)]
struct Life {
    opened: Option<(u16, u16)>,
    seen: yeoul::operator::Counter,
}

impl KeyedProcessFunction for Life {
    type Key = u64;
    type In = u64;
    type Out = (u64, u16, u16);

    fn open(&mut self, _: &mut States<u64>, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        assert!(self.opened.is_none() && cx.name.contains("life"), "{} is opened once", cx.name);
        OPENED.fetch_add(1, Ordering::Relaxed);
        self.opened = Some((cx.subtask.index, cx.subtask.parallelism));
        self.seen = cx.metrics().counter("seen");
        Ok(())
    }

    fn process(
        &mut self,
        number: &Archived<u64>,
        _: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        self.seen.inc();
        let (index, parallelism) = self.opened.ok_or_else(|| OperatorError::new("a record came before `open`"))?;
        out.collect((number.to_native(), index, parallelism));
        Ok(())
    }

    fn close(&mut self) {
        CLOSED.fetch_add(1, Ordering::Relaxed);
    }
}

/// E6.
#[test]
fn a_function_is_opened_before_its_first_record_and_closed_after_its_last() {
    let env = Environment::new("life").with_config(JobConfig { shards: 2, pin: false, ..JobConfig::default() });
    let numbers = env.from_collection(0..100u64, WatermarkStrategy::no_watermarks());
    let lives = numbers.key_by(|number| number.to_native()).process(Life::default()).name("life");
    let mut lives = env.execute_and_collect(&lives).unwrap();
    let watch = lives.job().expect("it runs").watch().clone();
    let mut found: Vec<_> = lives.by_ref().collect::<Result<_, _>>().unwrap();
    found.sort_unstable();
    assert!(found.iter().map(|(number, ..)| *number).eq(0..100));
    assert!(found.iter().all(|(_, index, parallelism)| *index < 2 && *parallelism == 2));
    assert_eq!((OPENED.load(Ordering::Relaxed), CLOSED.load(Ordering::Relaxed)), (2, 2));
    let seen =
        watch.operators().into_iter().flat_map(|of| of.counters.metrics.all()).map(|(name, metric)| match metric {
            yeoul::operator::Metric::Counter(seen) if name == "seen" => seen.get(),
            other => panic!("{name} is {other:?}"),
        });
    assert_eq!(seen.sum::<u64>(), 100);
}

/// Gives records out in sevens; what is not seven yet is in a list that belongs to no key.
#[derive(Clone, Default)]
struct Sevens(ListStateHandle<u64>);

impl ProcessFunction for Sevens {
    type In = u64;
    type Out = u64;

    fn declare(&mut self, states: &mut OperatorStates) {
        self.0 = states.list("waiting");
    }

    fn process(
        &mut self,
        number: &Archived<u64>,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        let waiting = cx.list_state(&self.0);
        waiting.push(number.to_native());
        if waiting.len() == 7 {
            waiting.drain(..).for_each(|number| out.collect(number));
        }
        Ok(())
    }
}

/// E10. Which records are one seven depends on their order, that each comes out once does not. Seven divides no tick's records, so that some
/// wait at each checkpoint. The offsets of the source, which has no keys either, are restored in this test and all others of this folder.
#[test]
fn a_buffer_without_keys_goes_on_after_each_crash() {
    let numbers: Vec<u64> = (0..57 * 7).collect();
    check(|run| run.untimed(&numbers).process(Sevens::default()).uid("sevens").set_parallelism(1), numbers.clone());
}
