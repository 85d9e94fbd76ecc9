//! A task whose operator has results in flight, stepped by hand between two rings.

use crate::align::CheckpointingMode;
use std::sync::atomic::{AtomicUsize, Ordering};

use yeoul_frame::{Epoch, RowBuilder, RowKind};
use yeoul_operator::{OpenContext, Source, SourceContext, SourcePoll, SplitId, Subtask, WatermarkSpec};
use yeoul_ring::{Consumer, Producer, ring};

use super::*;
use crate::event_time::EventTime;
use crate::inbox::{Channel, Inbox};
use crate::message::Message;
use crate::outbox::{Lane, Outbox, Spread};
use crate::task::{Head, SourceHead, Standing, Task};

/// Keeps frames until it is let to give one back, and watermarks behind them.
struct Holding {
    held: VecDeque<Arrival>,
    most: usize,
    permits: Arc<AtomicUsize>,
    released: Timestamp,
}

impl Holding {
    fn frames(&self) -> usize {
        self.held.iter().filter(|item| matches!(item, Arrival::Frame(..))).count()
    }
}

impl Operator for Holding {
    fn process(&mut self, input: InputId, frame: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        assert!(self.has_room_before_barrier(), "it is given nothing without room");
        self.held.push_back(Arrival::Frame(input, frame.clone()));
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut Context<'_>) -> Result<Progress, OperatorError> {
        if self.held.is_empty() {
            self.released = watermark;
        } else {
            self.held.push_back(Arrival::Signal(Signal::Watermark(watermark)));
        }
        Ok(Progress::Done)
    }

    fn output_watermark(&self, _: Timestamp) -> Timestamp {
        self.released
    }

    fn has_room(&self) -> bool {
        self.frames() < self.most
    }

    fn has_room_before_barrier(&self) -> bool {
        self.frames() < self.most + 2
    }

    fn in_flight(&self) -> bool {
        self.frames() > 0
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        (self.in_flight() && self.permits.load(Ordering::Relaxed) > 0).then_some(Timestamp::MIN)
    }

    fn on_processing_time(&mut self, _: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.permits.fetch_sub(1, Ordering::Relaxed);
        let Some(Arrival::Frame(_, frame)) = self.held.pop_front() else { panic!("a frame stands first") };
        cx.emit(OutputId::MAIN, frame);
        while let Some(Arrival::Signal(Signal::Watermark(watermark))) = self.held.front() {
            self.released = *watermark;
            self.held.pop_front();
        }
        Ok(Progress::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        snapshot.state("held", vec![self.frames() as u8]);
        Ok(())
    }
}

/// Passes frames on. Stands behind the other one, in the same task.
struct Pass;

impl Operator for Pass {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        cx.emit(OutputId::MAIN, frame.clone());
        Ok(())
    }
}

fn message(of: &str, epoch: &mut u64, pool: &Pool) -> Message {
    let mut barrier = |purpose| {
        *epoch += 1;
        Signal::Barrier(Barrier { epoch: Epoch(*epoch), purpose })
    };
    Message::Signal(match of {
        "record" => {
            let mut rows = RowBuilder::<u64>::new(pool, 1);
            rows.push(&7, Timestamp(0), RowKind::Insert).unwrap();
            return Message::Frame(rows.finish());
        }
        "start" => Signal::Start,
        "idle" => Signal::Idle,
        "end" => Signal::End,
        "checkpoint" => barrier(Purpose::Checkpoint),
        "stop" => barrier(Purpose::Stop),
        "drain" => barrier(Purpose::Drain),
        time => Signal::Watermark(Timestamp(time.parse().unwrap())),
    })
}

fn shown(message: &Message) -> String {
    match message {
        Message::Frame(_) => "record".to_owned(),
        Message::Signal(Signal::Watermark(at)) => at.0.to_string(),
        Message::Signal(Signal::Barrier(barrier)) => format!("{:?}", barrier.purpose).to_lowercase(),
        Message::Signal(signal) => format!("{signal:?}").to_lowercase(),
    }
}

fn rings() -> (Producer<Message>, Task, Consumer<Message>, Arc<AtomicUsize>) {
    let ((producer, consumer), (out, receiver)) = (ring(16), ring(16));
    let permits = Arc::<AtomicUsize>::default();
    let holding = Holding { held: VecDeque::new(), most: 2, permits: permits.clone(), released: Timestamp::MIN };
    let slot = |name: &str, operator: Box<dyn Operator>, to| {
        Slot::new(OperatorId::of(name), name.to_owned(), operator, Arc::default(), vec![(OutputId::MAIN, to)])
    };
    let slots = vec![
        slot("holding", Box::new(holding), Target::Operator(1, InputId(0))),
        slot("pass", Box::new(Pass), Target::Edge(0)),
    ];
    let edge = Outbox::new("next".to_owned(), Spread::Single, vec![Lane::new(out, None)]);
    let chain = Chain::new(slots, vec![edge], Vec::new());
    let channel = Channel { input: InputId(0), consumer, bell: None };
    let head = Head::Inbox(Inbox::new(vec![channel], Epoch(0), CheckpointingMode::default(), Timestamp::MIN));
    let task = Task { head, chain, subtask: Subtask { index: 0, parallelism: 1 }, step_calls: 8 };
    (producer, task, receiver, permits)
}

/// In a line: no frame is let go, and a barrier is on its way.
const BARRIER_DUE: usize = usize::MAX;

/// For each line: what comes, how many frames are let go, what leaves. `held` is what the last barrier's snapshot says.
fn check(lines: &[(&str, usize, &str)], held: Option<u8>) {
    let (mut producer, mut task, mut receiver, permits) = rings();
    let (pool, mut noted, mut epoch) = (Pool::new(), Noted::default(), 0);
    for (number, (comes, go, leaves)) in lines.iter().enumerate() {
        for of in comes.split_whitespace() {
            assert!(producer.try_push(message(of, &mut epoch, &pool)).is_ok());
        }
        permits.store(if *go == BARRIER_DUE { 0 } else { *go }, Ordering::Relaxed);
        let mut steps = 0;
        loop {
            let barrier_due = *go == BARRIER_DUE;
            let mut env = Env { now: Timestamp(0), held_back: false, barrier_due, pool: &pool, noted: &mut noted };
            match task.step(&mut env).unwrap() {
                Standing::Worked => steps += 1,
                Standing::Idle(None) | Standing::Ended => break,
                other => panic!("{other:?} in line {number}"),
            }
            assert!(steps < 100, "line {number} spins");
        }
        let said: Vec<_> = std::iter::from_fn(|| receiver.try_pop()).map(|of| shown(&of)).collect();
        assert_eq!(said.join(" "), *leaves, "line {number}");
    }
    let noted = noted.states.iter().rev().find(|(_, name, _)| name == "held").map(|(_, _, bytes)| bytes[0]);
    assert_eq!(noted, held);
}

#[test]
fn without_room_records_stay_where_they_are_and_come_when_there_is_room() {
    check(
        &[("start record record record record", 0, "start"), ("", 1, "record"), ("", 3, "record record record")],
        None,
    );
}

#[test]
fn watermarks_stay_behind_what_is_in_flight_and_pass_after_it() {
    check(
        &[
            ("start 3 record 5", 0, "start 3 3"),
            ("record 9", 0, "3"),
            ("", 1, "record 5"),
            ("", 1, "record 9"),
            ("12", 0, "12"),
        ],
        None,
    );
}

#[test]
fn a_barrier_waits_for_nothing_that_is_in_flight_and_the_snapshot_holds_it() {
    check(
        &[("start record record checkpoint record", 0, "start checkpoint"), ("", 3, "record record record")],
        Some(2),
    );
    check(&[("start record stop end", 0, "start stop end")], Some(1));
}

#[test]
fn records_before_a_barrier_that_is_on_its_way_are_kept_aside_as_far_as_said() {
    let comes = "start record record record record checkpoint record";
    check(
        &[(comes, 0, "start"), ("", BARRIER_DUE, "checkpoint"), ("", 5, "record record record record record")],
        Some(4),
    );
    let comes = "start record record record record record checkpoint";
    check(&[(comes, BARRIER_DUE, "start"), ("", 1, "record"), ("", BARRIER_DUE, "checkpoint")], Some(4));
}

#[test]
fn a_drain_waits_for_all_that_is_in_flight() {
    check(
        &[
            ("start record record record 9223372036854775807 drain end", 0, "start"),
            ("", 1, "record"),
            ("", 1, "record"),
            ("", 1, "record 9223372036854775807 drain end"),
        ],
        Some(0),
    );
}

#[test]
fn idleness_is_said_when_nothing_is_in_flight_any_more() {
    check(&[("start idle", 0, "start idle")], None);
    check(&[("start record idle", 0, "start"), ("", 1, "record idle")], None);
    check(&[("start record 4 idle", 0, "start"), ("", 1, "record 4 idle")], None);
    check(&[("start record idle record", 0, "start"), ("", 2, "record record")], None);
    check(&[("start record idle checkpoint", 0, "start checkpoint"), ("", 1, "record idle")], Some(1));
}

/// Gives a record whenever it is asked.
struct Endless(Arc<AtomicUsize>);

impl Source for Endless {
    fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let mut rows = RowBuilder::<u64>::new(cx.pool(), 1);
        rows.push(&7, Timestamp(0), RowKind::Insert).expect("room for one");
        cx.emit(SplitId(0), rows.finish());
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, _: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(&mut self, _: &str, _: Subtask, _: &[u8]) -> Result<(), OperatorError> {
        Ok(())
    }
}

#[test]
fn a_source_in_the_same_task_is_asked_when_there_is_room_and_started_in_any_case() {
    for restored in [0, 2] {
        let (_, Task { chain, subtask, .. }, mut receiver, permits) = rings();
        let slots = chain.slots;
        let mut chain = Chain::new(slots, chain.edges, vec![(OutputId::MAIN, Target::Operator(0, InputId(0)))]);
        let (pool, asked, mut noted) = (Pool::new(), Arc::<AtomicUsize>::default(), Noted::default());
        for _ in 0..restored {
            let Message::Frame(frame) = message("record", &mut 0, &pool) else { panic!("a record is a frame") };
            let counters = Counters::default();
            let mut emitted = Vec::new();
            let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
            chain.slots[0].operator.process(InputId(0), &frame, &mut cx).unwrap();
        }
        let (source, event_time) = (Box::new(Endless(asked.clone())), EventTime::new(WatermarkSpec::default()));
        let id = OperatorId::of("endless");
        let head = SourceHead::new(id, "endless".to_owned(), source, event_time, Arc::default(), None);
        let mut task = Task { head: Head::Source(Box::new(head)), chain, subtask, step_calls: 8 };
        let mut step = || {
            let mut env =
                Env { now: Timestamp(0), held_back: false, barrier_due: false, pool: &pool, noted: &mut noted };
            while task.step(&mut env).unwrap() == Standing::Worked {}
            std::iter::from_fn(|| receiver.try_pop()).map(|of| shown(&of)).collect::<Vec<_>>()
        };
        assert_eq!(step(), ["start"]);
        assert_eq!(asked.load(Ordering::Relaxed), 2 - restored);
        permits.store(3, Ordering::Relaxed);
        assert_eq!(step(), ["record", "record", "record"]);
        assert_eq!(asked.load(Ordering::Relaxed), 5 - restored, "two are held again");
    }
}
