//! Functions of two streams without keys: lists that both streams share, restored on any number of subtasks.

use rkyv::Archived;
use yeoul_operator::{OpenContext, OperatorError, Subtask};
use yeoul_stream::{
    CoProcessFunction, Collector, DataStream, ListStateHandle, OperatorHarness, OperatorStates, OutputTag,
    ProcessContext,
};

/// Orders wait in a list until the second stream says how many may go, oldest first.
#[derive(Clone)]
struct Gate {
    waiting: ListStateHandle<String>,
    /// How many were let through each time.
    passed: ListStateHandle<u64>,
    shut: OutputTag<u64>,
    subtask: Option<Subtask>,
}

impl CoProcessFunction for Gate {
    type In1 = String;
    type In2 = u64;
    type Out = (String, u16);

    fn declare(&mut self, states: &mut OperatorStates) {
        self.waiting = states.list("waiting");
        self.passed = states.list("passed");
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.subtask = Some(cx.subtask);
        Ok(())
    }

    fn process1(
        &mut self,
        order: &Archived<String>,
        cx: &mut ProcessContext<'_>,
        _: &mut Collector<(String, u16)>,
    ) -> Result<(), OperatorError> {
        cx.list_state(&self.waiting).push(order.as_str().to_owned());
        Ok(())
    }

    fn process2(
        &mut self,
        room: &Archived<u64>,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<(String, u16)>,
    ) -> Result<(), OperatorError> {
        let subtask = self.subtask.expect("opened before the first record");
        let (room, waiting) = (room.to_native(), cx.list_state(&self.waiting));
        let passed = (room as usize).min(waiting.len());
        waiting.drain(..passed).for_each(|order| out.collect((order, subtask.index)));
        cx.list_state(&self.passed).push(passed as u64);
        if passed as u64 != room {
            cx.output(&self.shut, room - passed as u64);
        }
        Ok(())
    }
}

fn gate() -> (OperatorHarness<String, (String, u16), u64>, OutputTag<u64>) {
    let shut = OutputTag::new("shut");
    let gate = OperatorHarness::of_two(|orders: DataStream<String>, room: DataStream<u64>| {
        let (waiting, passed) = (ListStateHandle::default(), ListStateHandle::default());
        let passing = orders.connect(&room).process(Gate { waiting, passed, shut: shut.clone(), subtask: None });
        passing.side_output(&shut);
        passing
    });
    (gate.unwrap(), shut)
}

fn orders(numbers: std::ops::Range<u64>) -> Vec<(String, i64)> {
    numbers.map(|n| (format!("order {n:02}"), n as i64)).collect()
}

#[test]
fn what_waits_in_a_list_goes_on_in_its_order_after_a_restore() {
    let (mut harness, shut) = gate();
    harness.push(orders(0..5)).unwrap();
    harness.push_second([(2, 10)]).unwrap();
    let passed = |harness: &mut OperatorHarness<String, (String, u16), u64>| {
        harness.take_output().into_iter().map(|((order, _), time)| (order, time)).collect::<Vec<_>>()
    };
    let at = |numbers, time| orders(numbers).into_iter().map(|(order, _)| (order, time)).collect::<Vec<_>>();
    assert_eq!(passed(&mut harness), at(0..2, 10));
    let snapshot = harness.snapshot().unwrap();
    // What comes behind the barrier is no part of it.
    harness.push_second([(3, 11)]).unwrap();
    let mut restored = harness.restored(harness.subtask(), &[&snapshot]).unwrap();
    restored.push(orders(5..6)).unwrap();
    restored.push_second([(2, 12), (7, 13)]).unwrap();
    assert_eq!(passed(&mut restored), [at(2..4, 12), at(4..6, 13)].concat());
    assert_eq!(restored.take_side_output(&shut), [(5, 13)]);
    assert_eq!(restored.operator_list::<u64>("passed").unwrap(), [2, 2, 2]);
}

#[test]
fn what_waits_is_dealt_out_to_another_number_of_subtasks_and_none_is_twice() {
    const ORDERS: u64 = 24;
    for (before, after) in [(1, 1), (1, 3), (3, 1), (2, 2), (3, 2), (2, 5)] {
        let (recipe, shut) = gate();
        let instances = |parallelism: u16| (0..parallelism).map(move |index| Subtask { index, parallelism });
        let each = ORDERS / u64::from(before);
        let snapshots: Vec<_> = instances(before)
            .map(|subtask| {
                let mut instance = recipe.restored(subtask, &[]).unwrap();
                let first = u64::from(subtask.index) * each;
                instance.push(orders(first..first + each)).unwrap();
                instance.push_second([(1, 0)]).unwrap();
                assert_eq!(instance.take_output().len(), 1);
                instance.snapshot().unwrap()
            })
            .collect();
        let from: Vec<_> = snapshots.iter().collect();
        let (mut found, mut passed) = (Vec::new(), Vec::new());
        for subtask in instances(after) {
            let mut instance = recipe.restored(subtask, &from).unwrap();
            passed.extend(instance.operator_list::<u64>("passed").unwrap());
            instance.push_second([(ORDERS, 1)]).unwrap();
            let output = instance.take_output();
            assert!(output.iter().all(|((_, index), _)| *index == subtask.index));
            let share = (ORDERS - u64::from(before)) as usize / usize::from(after);
            assert!((share..=share + 1).contains(&output.len()), "{before} to {after}: {} of them", output.len());
            assert_eq!(instance.take_side_output(&shut), [(ORDERS - output.len() as u64, 1)]);
            found.extend(output.into_iter().map(|((order, _), _)| order));
        }
        found.sort();
        let rest = |subtask: u16| orders(u64::from(subtask) * each + 1..u64::from(subtask + 1) * each);
        let expected: Vec<_> = (0..before).flat_map(rest).map(|(order, _)| order).collect();
        assert_eq!(found, expected, "{before} to {after}");
        assert_eq!(passed, vec![1; usize::from(before)], "{before} to {after}");
    }
}
