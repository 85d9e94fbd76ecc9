//! One subtask: a source or the receiving ends of rings, then a chain of operators.
//!
//! A state machine driven by its shard: `step` does a bounded piece of work and says how it stands.
//!
//! Invariants:
//! 1. A record is in exactly one place: consumed offset, ring, state, sealed output, late, or error table. A source notes its offsets at a
//!    barrier after all that it emitted before has left; what it took in and has not emitted is not consumed.
//! 2. Per operator: in = out + state + late + errors. The counters say so where an operator keeps, drops and adds no records of its own.
//! 3. A source's barriers leave in their order, and nothing leaves after the end.

use std::collections::VecDeque;
use std::sync::Arc;

use yeoul_frame::signal::{Barrier, Purpose};
use yeoul_frame::{OperatorId, Signal, Timestamp};
use yeoul_operator::source::SourceItem;
use yeoul_operator::{Counters, OutputId, Snapshot, Source, SourceContext, SourcePoll, Subtask};

use crate::alignment::Drift;
use crate::chain::{Chain, Env, Run, guard};
use crate::error::JobError;
use crate::event_time::EventTime;
use crate::inbox::{Arrival, Inbox};
use crate::message::Message;

/// The name under which the runtime keeps a source's event time in a snapshot.
pub const EVENT_TIME_STATE: &str = "@event-time";

/// A source at the head of a task.
pub struct SourceHead {
    /// Its stable id.
    pub id: OperatorId,
    /// Its name and subtask, for messages.
    pub name: String,
    /// The source.
    pub source: Box<dyn Source>,
    /// Its event time.
    pub event_time: EventTime,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// How far it may run ahead of other sources.
    pub drift: Option<Drift>,
    /// Whether its start has left.
    started: bool,
    /// It was not asked in its last turn, or had none, because its task or its group held it.
    held: bool,
    stage: Stage,
    /// How the poll ended whose records wait for the start to have passed the chain.
    polled: Option<SourcePoll>,
    barriers: VecDeque<Barrier>,
    items: Vec<SourceItem>,
    messages: Vec<Message>,
}

/// The life of a source instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is polled.
    Reading,
    /// It has read all; it still takes barriers, until the job's last one.
    Exhausted,
    /// Its last barrier and the end have left.
    Ended,
}

/// How soon a source that waits for a delivery looks again.
const HELD_BACK_MILLIS: i64 = 10;

impl SourceHead {
    /// A source that has not been polled yet.
    #[must_use]
    pub fn new(
        id: OperatorId,
        name: String,
        source: Box<dyn Source>,
        event_time: EventTime,
        counters: Arc<Counters>,
        drift: Option<Drift>,
    ) -> Self {
        Self {
            id,
            name,
            source,
            event_time,
            counters,
            drift,
            started: false,
            held: false,
            stage: Stage::Reading,
            polled: None,
            barriers: VecDeque::new(),
            items: Vec::new(),
            messages: Vec::new(),
        }
    }
}

/// Where a task's input comes from.
pub enum Head {
    /// From outside.
    Source(Box<SourceHead>),
    /// From other tasks.
    Inbox(Inbox),
}

/// How a task stands after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It did something, and may have more to do.
    Worked,
    /// It has nothing to do until a message comes or, if given, this processing time.
    Idle(Option<Timestamp>),
    /// It waits for room in a ring.
    Blocked,
    /// It has ended.
    Ended,
}

/// One subtask.
pub struct Task {
    /// Where its input comes from.
    pub head: Head,
    /// What it does with it.
    pub chain: Chain,
    /// Which of the task's instances this is.
    pub subtask: Subtask,
    /// How many calls of operators it may make in one step, before the shard looks after its other duties.
    pub step_calls: usize,
}

impl Task {
    /// Asks a source for a barrier. Other tasks get theirs by their rings.
    pub fn start(&mut self, barrier: Barrier) {
        if let Head::Source(head) = &mut self.head {
            head.barriers.push_back(barrier);
        }
    }

    /// Whether it is a source that has read all it will ever read. False for other tasks.
    #[must_use]
    pub fn is_exhausted_source(&self) -> bool {
        matches!(&self.head, Head::Source(head) if head.stage != Stage::Reading)
    }

    /// Whether a source stands at its head.
    #[must_use]
    pub fn is_source(&self) -> bool {
        matches!(&self.head, Head::Source(_))
    }

    /// Does a bounded piece of work.
    ///
    /// # Errors
    /// What an operator or source reported, or that it panicked.
    pub fn step(&mut self, env: &mut Env<'_>) -> Result<Standing, JobError> {
        let standing = self.advance(env)?;
        // What went into a ring counts: its other end may be a task of this very shard, which looked before and which no bell wakes.
        Ok(if self.chain.take_acted() { Standing::Worked } else { standing })
    }

    fn advance(&mut self, env: &mut Env<'_>) -> Result<Standing, JobError> {
        if self.chain.has_ended() {
            // What is left to send must still leave.
            return Ok(if self.chain.flush() { Standing::Ended } else { Standing::Blocked });
        }
        let mut budget = self.step_calls.max(1);
        let mut worked = false;
        loop {
            let before = budget;
            let run = self.chain.run(&mut budget, env)?;
            match run {
                Run::Blocked => {
                    if let Head::Source(head) = &mut self.head {
                        head.hold(env.now);
                    }
                    return Ok(if worked || budget < before { Standing::Worked } else { Standing::Blocked });
                }
                Run::Busy => return Ok(Standing::Worked),
                Run::Ready | Run::Waiting => worked |= budget < before,
            }
            if self.chain.has_ended() || budget == 0 {
                return Ok(Standing::Worked);
            }
            let due = self.chain.on_time(env)?;
            let (took, again) = match &mut self.head {
                _ if run == Run::Waiting => (false, None),
                Head::Inbox(inbox) => (Self::take(inbox, &mut self.chain, env), None),
                Head::Source(head) => head.turn(&mut self.chain, env)?,
            };
            worked |= took;
            if !took {
                if worked {
                    return Ok(Standing::Worked);
                }
                let until = match (due, again) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                if until.is_some_and(|until| until <= env.now) {
                    return Ok(Standing::Worked);
                }
                return Ok(Standing::Idle(until));
            }
            budget = budget.saturating_sub(1);
        }
    }

    fn take(inbox: &mut Inbox, chain: &mut Chain, env: &Env<'_>) -> bool {
        match inbox.take(chain.has_room(env)) {
            Some(Arrival::Frame(input, frame)) => chain.enter(input, frame),
            Some(Arrival::Signal(signal)) => chain.enter_signal(signal),
            None => return false,
        }
        true
    }
}

impl SourceHead {
    /// Emits a barrier that is due, or polls the source. Returns whether anything came, and when to look again if not.
    fn turn(&mut self, chain: &mut Chain, env: &mut Env<'_>) -> Result<(bool, Option<Timestamp>), JobError> {
        if let Some(poll) = self.polled.take() {
            return self.give(poll, chain, env);
        }
        if self.started
            && let Some(barrier) = self.barriers.pop_front()
        {
            self.pass(barrier, chain, env)?;
            return Ok((true, None));
        }
        if self.stage != Stage::Reading {
            return Ok((false, None));
        }
        if env.held_back {
            self.held = true;
            return Ok((false, Some(env.now.plus(HELD_BACK_MILLIS))));
        }
        if !chain.has_room(env) {
            // Whoever makes room wakes the shard; before its start nothing leaves the chain that could make any.
            let took = !self.started;
            self.start(chain)?;
            self.held = true;
            return Ok((took, None));
        }
        if std::mem::take(&mut self.held) {
            self.event_time.skip(env.now);
        } else {
            self.event_time.tick(env.now);
        }
        if let Some(drift) = &self.drift {
            let at = self.event_time.reached();
            if at > Timestamp::MIN {
                // It states its own watermark before it asks for the others': in a restored job nobody has said one yet.
                self.publish();
            }
            if at < Timestamp::MAX && !drift.may_read(at) {
                self.start(chain)?;
                let took = self.hand_on(chain)?;
                self.held = true;
                return Ok((took, Some(env.now.plus(1))));
            }
        }
        let mut cx = SourceContext::new(&mut self.items, env.now, env.pool, &self.counters);
        let poll = guard(&self.name, || self.source.poll(&mut cx))?;
        if !self.started {
            if self.items.is_empty() && poll == SourcePoll::End {
                // It has nothing to say at all: its last word comes before the start, so that it does not count for a moment.
                self.event_time.exhausted(&mut self.messages);
                self.hand_on(chain)?;
            }
            // Who reads from two places of this chain reads nothing from one before the other has started: so the start passes the whole
            // chain before records follow it, for which there may be no room.
            self.start(chain)?;
            self.polled = Some(poll);
            return Ok((true, None));
        }
        self.give(poll, chain, env)
    }

    /// Hands on what a poll gave.
    fn give(
        &mut self,
        poll: SourcePoll,
        chain: &mut Chain,
        env: &Env<'_>,
    ) -> Result<(bool, Option<Timestamp>), JobError> {
        let gave = !self.items.is_empty();
        for item in self.items.drain(..) {
            // Event times and watermarks may be made by user code.
            match item {
                SourceItem::Records(split, frame) => guard(&self.name, || {
                    self.counters.records_out.add(frame.len() as u64);
                    self.event_time.records(split, frame, &mut self.messages);
                    Ok(())
                })?,
                SourceItem::Side(output, frame) => chain.from_source(output, &frame)?,
                SourceItem::Watermark(split, at) => guard(&self.name, || {
                    self.event_time.watermark_of(split, at, &mut self.messages);
                    Ok(())
                })?,
                SourceItem::Idle(split) => {
                    self.counters.turns.add(1);
                    self.event_time.idle(split, &mut self.messages);
                }
                SourceItem::Finished(split) => {
                    self.counters.turns.add(1);
                    self.event_time.finished(split, &mut self.messages);
                }
            }
        }
        let mut idle_check = None;
        if poll == SourcePoll::End {
            self.stage = Stage::Exhausted;
            self.event_time.exhausted(&mut self.messages);
        } else {
            let gave = gave || poll == SourcePoll::Ready;
            idle_check = self.event_time.check_idle(gave, env.now, &mut self.messages);
        }
        self.publish();
        self.counters.set_watermark(self.event_time.watermark());
        let took = self.hand_on(chain)? || gave;
        Ok(match poll {
            SourcePoll::Ready | SourcePoll::End => (true, None),
            SourcePoll::Pending { until } => (took, min_of(until, idle_check)),
        })
    }

    /// The task cannot take from the source: time that passes from now on says nothing about the source.
    fn hold(&mut self, now: Timestamp) {
        if !std::mem::replace(&mut self.held, true) {
            self.event_time.tick(now);
        }
    }

    /// States its watermark to its group. Who is idle, has read all, or was asked and has no watermark yet, holds nobody back.
    fn publish(&self) {
        if let Some(drift) = &self.drift {
            let at = self.event_time.reached();
            let is_free = self.event_time.is_idle() || at == Timestamp::MIN;
            drift.publish(if is_free { Timestamp::MAX } else { at });
        }
    }

    fn start(&mut self, chain: &mut Chain) -> Result<(), JobError> {
        if !std::mem::replace(&mut self.started, true) {
            chain.signal_from_source(Signal::Start);
            self.event_time.resume(&mut self.messages);
            self.hand_on(chain)?;
        }
        Ok(())
    }

    /// Notes the position, then sends the barrier on; ends if it was the last.
    fn pass(&mut self, barrier: Barrier, chain: &mut Chain, env: &mut Env<'_>) -> Result<(), JobError> {
        if barrier.purpose == Purpose::Drain && self.stage == Stage::Reading {
            self.event_time.exhausted(&mut self.messages);
            self.hand_on(chain)?;
        }
        let noted = &mut *env.noted;
        noted.watermark = noted.watermark.into_iter().chain([self.event_time.watermark()]).min();
        let mut snapshot = Snapshot::new(barrier.epoch, self.id, &mut noted.states, &mut noted.sealed);
        guard(&self.name, || {
            // A watermark generator may be the user's.
            snapshot.state(EVENT_TIME_STATE, self.event_time.save());
            self.source.snapshot(&mut snapshot)
        })?;
        chain.signal_from_source(Signal::Barrier(barrier));
        if matches!(barrier.purpose, Purpose::Stop | Purpose::Drain) {
            self.stage = Stage::Ended;
            chain.signal_from_source(Signal::End);
        }
        Ok(())
    }

    fn hand_on(&mut self, chain: &mut Chain) -> Result<bool, JobError> {
        let any = !self.messages.is_empty();
        for message in self.messages.drain(..) {
            match message {
                Message::Frame(frame) => chain.from_source(OutputId::MAIN, &frame)?,
                Message::Signal(signal) => chain.signal_from_source(signal),
            }
        }
        Ok(any)
    }
}

fn min_of(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::CheckpointingMode;
    use crate::chain::{Noted, Slot, Target};
    use crate::outbox::{Lane, Outbox, Spread};
    use yeoul_frame::{Epoch, Pool, RowBuilder, RowKind};
    use yeoul_operator::InputId;
    use yeoul_ring::ring;

    #[test]
    fn sending_what_waited_is_work_although_more_waits() {
        let (producer, mut consumer) = ring(2);
        let edge = Outbox::new("next".to_owned(), Spread::Single, vec![Lane::new(producer, None)]);
        let mut chain = Chain::new(Vec::new(), vec![edge], vec![(OutputId::MAIN, Target::Edge(0))]);
        let pool = Pool::new();
        let mut rows = RowBuilder::<u64>::new(&pool, 1);
        for n in 0..4 {
            rows.push(&n, Timestamp(0), RowKind::Insert).unwrap();
            chain.from_source(OutputId::MAIN, &rows.finish()).unwrap();
        }
        let head = Head::Inbox(Inbox::new(Vec::new(), Epoch(0), CheckpointingMode::default(), Timestamp::MIN));
        let mut task = Task { head, chain, subtask: Subtask { index: 0, parallelism: 1 }, step_calls: 1 };
        let mut noted = Noted::default();
        let mut env = Env { now: Timestamp(0), held_back: false, barrier_due: false, pool: &pool, noted: &mut noted };
        assert_eq!(task.step(&mut env).unwrap(), Standing::Blocked);
        assert!(consumer.try_pop().is_some());
        // The shard must look at the ring's other end once more before it parks.
        assert_eq!(task.step(&mut env).unwrap(), Standing::Worked);
        assert_eq!(task.step(&mut env).unwrap(), Standing::Blocked);
    }

    /// A source that has nothing now, and counts how often it is asked.
    struct Quiet(Arc<std::sync::atomic::AtomicU64>);

    impl Source for Quiet {
        fn open(&mut self, _: &mut yeoul_operator::OpenContext<'_>) -> Result<(), yeoul_operator::OperatorError> {
            Ok(())
        }

        fn poll(&mut self, _: &mut SourceContext<'_>) -> Result<SourcePoll, yeoul_operator::OperatorError> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(SourcePoll::Pending { until: None })
        }

        fn snapshot(&mut self, _: &mut Snapshot<'_>) -> Result<(), yeoul_operator::OperatorError> {
            Ok(())
        }

        fn restore(&mut self, _: &str, _: Subtask, _: &[u8]) -> Result<(), yeoul_operator::OperatorError> {
            Ok(())
        }
    }

    /// A source of few records and many watermarks, all at once.
    struct Burst(bool);

    impl Source for Burst {
        fn open(&mut self, _: &mut yeoul_operator::OpenContext<'_>) -> Result<(), yeoul_operator::OperatorError> {
            Ok(())
        }

        fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, yeoul_operator::OperatorError> {
            if std::mem::replace(&mut self.0, true) {
                return Ok(SourcePoll::Pending { until: None });
            }
            for at in 0..50 {
                cx.watermark(yeoul_operator::SplitId(0), Timestamp(at));
            }
            Ok(SourcePoll::Ready)
        }

        fn snapshot(&mut self, _: &mut Snapshot<'_>) -> Result<(), yeoul_operator::OperatorError> {
            Ok(())
        }

        fn restore(&mut self, _: &str, _: Subtask, _: &[u8]) -> Result<(), yeoul_operator::OperatorError> {
            Ok(())
        }
    }

    struct Pass;

    impl yeoul_operator::Operator for Pass {
        fn process(
            &mut self,
            _: InputId,
            frame: &yeoul_frame::Frame,
            cx: &mut yeoul_operator::Context<'_>,
        ) -> Result<(), yeoul_operator::OperatorError> {
            cx.emit(OutputId::MAIN, frame.clone());
            Ok(())
        }
    }

    #[test]
    fn who_reads_from_two_places_of_a_chain_sees_both_start_although_one_has_no_room() {
        use yeoul_operator::WatermarkSpec;
        let event_time = EventTime::new(WatermarkSpec::default());
        let source = Box::new(Burst(false));
        let id = OperatorId::of("burst");
        let head = SourceHead::new(id, "burst".to_owned(), source, event_time, Arc::default(), None);
        let (mut edges, mut channels) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (producer, consumer) = ring(4);
            edges.push(Outbox::new("next".to_owned(), Spread::Single, vec![Lane::new(producer, None)]));
            channels.push(crate::inbox::Channel { input: InputId(0), consumer, bell: None });
        }
        let to = vec![(OutputId::MAIN, Target::Edge(1))];
        let slot = Slot::new(OperatorId::of("pass"), "pass".to_owned(), Box::new(Pass), Arc::default(), to);
        let source = vec![(OutputId::MAIN, Target::Edge(0)), (OutputId::MAIN, Target::Operator(0, InputId(0)))];
        let chain = Chain::new(vec![slot], edges, source);
        let subtask = Subtask { index: 0, parallelism: 1 };
        let mut task = Task { head: Head::Source(Box::new(head)), chain, subtask, step_calls: 8 };
        let mut inbox = Inbox::new(channels, Epoch(0), CheckpointingMode::default(), Timestamp::MIN);
        let (pool, mut noted, mut last) = (Pool::new(), Noted::default(), None);
        for now in 0..100 {
            let mut env =
                Env { now: Timestamp(now), held_back: false, barrier_due: false, pool: &pool, noted: &mut noted };
            task.step(&mut env).unwrap();
            while let Some(Arrival::Signal(signal)) = inbox.take(true) {
                last = Some(signal);
            }
        }
        assert_eq!(last, Some(Signal::Watermark(Timestamp(49))));
    }

    #[test]
    fn a_source_of_an_alignment_group_that_has_no_watermark_holds_nobody_back() {
        let drift = Drift { group: crate::alignment::Group::new(2), member: 0, max_drift: 10 };
        let other = Drift { member: 1, ..drift.clone() };
        let event_time = EventTime::new(yeoul_operator::WatermarkSpec::default());
        let source = Box::new(Quiet(Arc::default()));
        let head = SourceHead::new(
            OperatorId::of("quiet"),
            "quiet".to_owned(),
            source,
            event_time,
            Arc::default(),
            Some(drift),
        );
        let (producer, _consumer) = ring(8);
        let edge = Outbox::new("next".to_owned(), Spread::Single, vec![Lane::new(producer, None)]);
        let chain = Chain::new(Vec::new(), vec![edge], vec![(OutputId::MAIN, Target::Edge(0))]);
        let subtask = Subtask { index: 0, parallelism: 1 };
        let mut task = Task { head: Head::Source(Box::new(head)), chain, subtask, step_calls: 8 };
        let (pool, mut noted) = (Pool::new(), Noted::default());
        other.publish(Timestamp(100));
        assert!(!other.may_read(Timestamp(100)), "it was not asked yet");
        let mut env = Env { now: Timestamp(0), held_back: false, barrier_due: false, pool: &pool, noted: &mut noted };
        task.step(&mut env).unwrap();
        assert!(other.may_read(Timestamp(100)));
    }

    #[test]
    fn a_restored_source_of_an_alignment_group_says_its_watermark_and_is_read() {
        use yeoul_operator::{SplitId, Strategy, WatermarkSpec};
        let spec = || WatermarkSpec { strategy: Strategy::Monotonous, granularity: 1, ..WatermarkSpec::default() };
        let pool = Pool::new();
        let mut rows = RowBuilder::<u64>::new(&pool, 1);
        rows.push(&7, Timestamp(101), RowKind::Insert).unwrap();
        let mut before = EventTime::new(spec());
        before.records(SplitId(0), rows.finish(), &mut Vec::new());
        // What the next run makes of it, with a group that has said nothing yet.
        let mut event_time = EventTime::new(spec());
        event_time.load(&before.save(), true, |_| true).unwrap();
        let drift = Drift { group: crate::alignment::Group::new(2), member: 0, max_drift: 10 };
        let other = Drift { member: 1, ..drift.clone() };
        let (polls, id) = (Arc::<std::sync::atomic::AtomicU64>::default(), OperatorId::of("quiet"));
        let asked = || polls.load(std::sync::atomic::Ordering::Relaxed);
        let source = Box::new(Quiet(polls.clone()));
        let head = SourceHead::new(id, "quiet".to_owned(), source, event_time, Arc::default(), Some(drift));
        let (producer, mut consumer) = ring(8);
        let edge = Outbox::new("next".to_owned(), Spread::Single, vec![Lane::new(producer, None)]);
        let chain = Chain::new(Vec::new(), vec![edge], vec![(OutputId::MAIN, Target::Edge(0))]);
        let subtask = Subtask { index: 0, parallelism: 1 };
        let mut task = Task { head: Head::Source(Box::new(head)), chain, subtask, step_calls: 8 };
        let mut noted = Noted::default();
        let mut step = |now: i64| {
            let mut env =
                Env { now: Timestamp(now), held_back: now == 3, barrier_due: false, pool: &pool, noted: &mut noted };
            task.step(&mut env).unwrap();
        };
        step(0);
        step(1);
        assert_eq!(asked(), 0, "the other source is behind, as far as anyone knows");
        other.publish(Timestamp(95));
        step(2);
        assert_eq!(asked(), 1);
        step(3);
        assert_eq!(asked(), 1, "output leaves too slowly");
        step(4);
        assert_eq!(asked(), 2);
        let said: Vec<_> = std::iter::from_fn(|| consumer.try_pop()).map(|of| format!("{of:?}")).collect();
        assert_eq!(said, ["Signal(Start)", "Signal(Watermark(Timestamp(100)))"]);
    }
}
